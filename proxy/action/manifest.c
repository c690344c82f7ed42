/*
 * The table `fields` lists each field of a manifest (runtime.json): its form, and the member of
 * struct runtime that gets its value. Every error in a manifest is found when the proxy starts, not
 * when an action is launched.
 */

#include "action/manifest.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "action/script.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/util.h"

#define MANIFEST_MAX_BYTES 65536 /* our own manifests have less than 1,000 bytes */

/* ---- placeholders ---- */

static const char *const placeholders[N_PLACEHOLDERS] = {
    [PLACEHOLDER_RUNTIME] = "{runtime}", [PLACEHOLDER_LIBEXEC] = "{libexec}",
    [PLACEHOLDER_ACTION] = "{action}",   [PLACEHOLDER_MAIN] = "{main}",
    [PLACEHOLDER_ENTRY] = "{entry}",
};

/* Length of the placeholder at the start of text; 0: there is none. *which: the placeholder, or
 * N_PLACEHOLDERS if its name is unknown. Other braces, as in {"a":1}, are plain text. */
static size_t placeholder_len(const char *text, enum placeholder *which)
{
    size_t n;
    unsigned i;

    if (text[0] != '{')
        return 0;
    n = strspn(text + 1, "abcdefghijklmnopqrstuvwxyz_");
    if (n == 0 || text[n + 1] != '}')
        return 0;
    n += 2;
    for (i = 0; i < N_PLACEHOLDERS; i++) {
        if (strlen(placeholders[i]) == n && memcmp(text, placeholders[i], n) == 0)
            break;
    }
    *which = (enum placeholder)i;
    return n;
}

static bool placeholders_known(const char *text)
{
    while (*text != '\0') {
        enum placeholder which = N_PLACEHOLDERS;
        size_t n = placeholder_len(text, &which);

        if (n > 0 && which == N_PLACEHOLDERS)
            return false;
        text += n > 0 ? n : 1;
    }
    return true;
}

/* The inserted values are not searched for placeholders: the value of {main} may contain braces. */
char *manifest_expand(const char *text, const char *const values[N_PLACEHOLDERS])
{
    auto_buf struct buf out = {0};

    while (*text != '\0') {
        enum placeholder which = N_PLACEHOLDERS;
        size_t n = placeholder_len(text, &which);

        assert(n == 0 || which < N_PLACEHOLDERS); /* manifest_read() refuses unknown placeholders */
        assert(n == 0 || values[which] != NULL);
        if (n > 0)
            buf_add_text(&out, values[which]);
        else
            buf_add(&out, text, 1);
        text += n > 0 ? n : 1;
    }
    return xstrndup(buf_at(&out), buf_len(&out));
}

/* ---- one manifest ---- */

enum field_form {
    FIELD_TEXT,
    FIELD_FILE,
    FIELD_FILES,
    FIELD_ARGV,
    FIELD_ENV,
    FIELD_FLAG,
    FIELD_SCRIPT,
    FIELD_ANSWERS
};

static const char *const wanted[] = {
    [FIELD_TEXT] = "a text",
    [FIELD_FILE] = "a bare name, without \"/\"",
    [FIELD_FILES] = "a list of one or more bare names, without \"/\"",
    [FIELD_ARGV] =
        "a list of texts, of placeholders only {runtime} {libexec} {action} {main} {entry}",
    [FIELD_ENV] = "a list of one or more texts NAME=value",
    [FIELD_FLAG] = "true or false",
    [FIELD_SCRIPT] =
        ("three extended regular expressions, with at most 16 + and no {n,m}: of the interpreter, "
         "of source, of a program"),
    [FIELD_ANSWERS] = "\"stdout\", \"fd3\" or \"auto\"",
};

static const struct field {
    const char *name;
    enum field_form form;
    bool required;
    size_t at; /* offset in struct runtime */
} fields[] = {
    {"name", FIELD_FILE, true, offsetof(struct runtime, name)},
    {"entry", FIELD_FILES, true, offsetof(struct runtime, entry)},
    {"source", FIELD_FILE, false, offsetof(struct runtime, source)},
    {"launch", FIELD_ARGV, true, offsetof(struct runtime, launch)},
    {"compile", FIELD_ARGV, false, offsetof(struct runtime, compile)},
    {"compile_if", FIELD_FILE, false, offsetof(struct runtime, compile_if)},
    {"compile_unless", FIELD_FILE, false, offsetof(struct runtime, compile_unless)},
    {"prelaunch", FIELD_ARGV, false, offsetof(struct runtime, prelaunch)},
    {"in_place_env", FIELD_ENV, false, offsetof(struct runtime, in_place_env)},
    {"script", FIELD_SCRIPT, false, offsetof(struct runtime, script)},
    {"needs", FIELD_TEXT, false, offsetof(struct runtime, shortfall)},
    {"stub", FIELD_FILE, false, offsetof(struct runtime, stub)},
    {"init_reply", FIELD_TEXT, false, offsetof(struct runtime, init_reply)},
    {"no_entry", FIELD_TEXT, false, offsetof(struct runtime, no_entry)},
    {"answers", FIELD_ANSWERS, false, offsetof(struct runtime, answers)},
    {"ready", FIELD_FLAG, false, offsetof(struct runtime, reports_ready)},
    {"forks", FIELD_FLAG, false, offsetof(struct runtime, forks)},
    {"log_init_error", FIELD_FLAG, false, offsetof(struct runtime, logs_init_error)},
    {"entry_executable", FIELD_FLAG, false, offsetof(struct runtime, entry_executable)},
    {"programs", FIELD_FLAG, false, offsetof(struct runtime, takes_programs)},
    {"only_named", FIELD_FLAG, false, offsetof(struct runtime, only_named)},
    {"any_archive", FIELD_FLAG, false, offsetof(struct runtime, any_archive)},
    {"ring", FIELD_FLAG, false, offsetof(struct runtime, shares_ring)},
    {"wants_object", FIELD_FLAG, false, offsetof(struct runtime, wants_object)},
};

/* Files in the action's folder are named without a path, which could lead out of the folder. */
static bool is_bare_name(const char *text)
{
    return text != NULL && text[0] != '\0' && strchr(text, '/') == NULL && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0;
}

static bool read_text(const json_t *value, bool bare, char **out)
{
    const char *text = json_string_value(value); /* NULL: `value` is no string */

    if (text == NULL || (bare && !is_bare_name(text)))
        return false;
    assert(*out == NULL);
    *out = xstrdup(text);
    return true;
}

static bool item_is_good(const char *text, enum field_form form)
{
    if (form == FIELD_ENV)
        return text[0] != '=' && strchr(text, '=') != NULL;
    if (form == FIELD_SCRIPT)
        return script_pattern_is_good(text);
    return form == FIELD_FILES ? is_bare_name(text) : placeholders_known(text);
}

/* Read a list of strings. The list and its first string must not be empty. */
static bool read_list(const json_t *value, enum field_form form, char ***out)
{
    size_t n = json_array_size(value); /* 0 also if `value` is no array */

    assert(*out == NULL);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(value, i));

        if (text == NULL || !item_is_good(text, form))
            return false;
        strv_push(out, xstrdup(text));
    }
    return n > 0 && (*out)[0][0] != '\0' && (form != FIELD_SCRIPT || n == N_SCRIPT_PATTERNS);
}

static bool read_answers(const json_t *value, enum answers *out)
{
    static const char *const names[] = {
        [ANSWERS_AUTO] = "auto", [ANSWERS_STDOUT] = "stdout", [ANSWERS_FD3] = "fd3"};
    const char *text = json_string_value(value);

    for (unsigned i = 0; text != NULL && i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum answers)i;
            return true;
        }
    }
    return false;
}

/* Store a field's value in its member of `runtime`. False: the value is not of the field's form. */
static bool read_field(const struct field *field, const json_t *value, struct runtime *runtime)
{
    void *member = (char *)runtime + field->at;
    bool flag;

    switch (field->form) {
    case FIELD_TEXT:
    case FIELD_FILE:
        return read_text(value, field->form == FIELD_FILE, member);
    case FIELD_FILES:
    case FIELD_ARGV:
    case FIELD_ENV:
    case FIELD_SCRIPT:
        return read_list(value, field->form, member);
    case FIELD_FLAG:
        flag = json_is_true(value);
        memcpy(member, &flag, sizeof(flag));
        return json_is_boolean(value);
    case FIELD_ANSWERS:
        return read_answers(value, member);
    }
    return false;
}

/* Refuse unknown fields: a misspelt one would silently do nothing. */
static bool is_known_field(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i].name, name) == 0)
            return true;
    }
    return false;
}

static int read_fields(const char *path, json_t *root, struct runtime *runtime, struct err *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(root))
        return err_set(err, ERR_REQUEST, 0, "%s: want a JSON object", path);
    json_object_foreach(root, key, value)
    {
        if (!is_known_field(key))
            return err_set(err, ERR_REQUEST, 0, "%s: field \"%s\" is unknown", path, key);
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *field = &fields[i];

        value = json_object_get(root, field->name);
        if (value == NULL && field->required)
            return err_set(err, ERR_REQUEST, 0, "%s: field \"%s\" is missing: want %s", path,
                           field->name, wanted[field->form]);
        if (value != NULL && !read_field(field, value, runtime))
            return err_set(err, ERR_REQUEST, 0, "%s: field \"%s\": want %s", path, field->name,
                           wanted[field->form]);
    }
    assert(runtime->name != NULL);
    assert(runtime->entry != NULL);
    assert(runtime->launch != NULL);
    if (runtime->forks && runtime->prelaunch == NULL)
        return err_set(err, ERR_REQUEST, 0,
                       "%s: field \"forks\": want \"prelaunch\" too, the command that is forked",
                       path);
    return 0;
}

void manifest_done(struct runtime *runtime)
{
    free(runtime->name);
    free(runtime->dir);
    strv_free(&runtime->entry);
    free(runtime->source);
    strv_free(&runtime->launch);
    strv_free(&runtime->prelaunch);
    strv_free(&runtime->in_place_env);
    strv_free(&runtime->compile);
    free(runtime->compile_if);
    free(runtime->compile_unless);
    strv_free(&runtime->script);
    free(runtime->shortfall);
    free(runtime->init_reply);
    free(runtime->stub);
    free(runtime->no_entry);
    free(runtime->libexec);
    memset(runtime, 0, sizeof(*runtime));
}

int manifest_read(const char *path, struct runtime *runtime, struct err *err)
{
    json_error_t fault;
    struct stat st;
    json_t *root;
    int result;

    assert(runtime->dir != NULL);
    if (stat(path, &st) < 0)
        return err_set(err, ERR_SYSTEM, errno, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > MANIFEST_MAX_BYTES)
        return err_set(err, ERR_REQUEST, 0, "%s: want a file of at most %d bytes", path,
                       MANIFEST_MAX_BYTES);
    root = json_load_file(path, JSON_REJECT_DUPLICATES, &fault);
    if (root == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s:%d:%d: %s", path, fault.line, fault.column,
                       fault.text);
    result = read_fields(path, root, runtime, err);
    json_decref(root);
    return result;
}
