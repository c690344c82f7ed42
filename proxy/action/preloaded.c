#include "action/preloaded.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "action/runtimes.h"
#include "action/zip.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/json.h"
#include "base/util.h"

void preloaded_done(struct preloaded *preloaded)
{
    envelope_done(&preloaded->envelope);
    free(preloaded->dir);
    free(preloaded->wanted);
    memset(preloaded, 0, sizeof(*preloaded));
}

static int cannot_read(const struct preloaded *preloaded, const char *path, struct err *err)
{
    return err_set(err, ERR_SYSTEM, errno, "%s: cannot read \"%s\": %s", preloaded->origin, path,
                   strerror(errno));
}

/* ---- a file ---- */

static int take_file(struct preloaded *preloaded, const struct preloaded_opts *opts,
                     const char *path, struct err *err)
{
    struct envelope *envelope = &preloaded->envelope;
    /* O_NONBLOCK: if this is a named pipe, which is refused below, do not wait for a writer. */
    auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    struct err why;
    size_t n = 0;

    assert(envelope->code == NULL);
    if (fd < 0 || fstat(fd, &st) < 0)
        return cannot_read(preloaded, path, err);
    if (S_ISREG(st.st_mode) && st.st_size == 0)
        return err_set(err, ERR_REQUEST, 0, "%s: \"%s\" is empty", preloaded->origin, path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > opts->bytes_max)
        return err_set(err, ERR_REQUEST, 0,
                       "%s: want \"%s\" to be a folder, or a file of 1 to %" PRIu64
                       " bytes (--init-max-bytes)",
                       preloaded->origin, path, opts->bytes_max);
    envelope->code = xmalloc((size_t)st.st_size);
    while (n < (size_t)st.st_size) {
        ssize_t got = read(fd, envelope->code + n, (size_t)st.st_size - n);

        if (got < 0 && errno != EINTR)
            return cannot_read(preloaded, path, err);
        if (got == 0)
            break; /* the file has shrunk meanwhile */
        n += got > 0 ? (size_t)got : 0;
    }
    envelope->code_len = n;
    envelope->kind = code_sniff(envelope->code, n);
    if (envelope->kind != CODE_SCRIPT && runtime_has_ending_of(opts->fallback, path))
        envelope->kind = CODE_SOURCE;
    if (envelope->kind == CODE_SCRIPT &&
        runtimes_script_is_source(opts->runtimes, opts->fallback, path, envelope->code, n,
                                  envelope->main))
        envelope->kind = CODE_SOURCE;
    envelope->file = xstrdup(strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path);
    if (envelope->kind != CODE_SOURCE)
        return 0;
    preloaded->runtime = runtimes_for_source(opts->runtimes, opts->fallback, path, &why);
    if (preloaded->runtime == NULL &&
        (opts->runtime_is_named || !code_is_text(envelope->code, envelope->code_len)))
        preloaded->runtime = opts->fallback;
    if (preloaded->runtime == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s: %s: %s%s", preloaded->origin, path, why.text,
                       why.kind == ERR_CODE ? "" : ", or name one with --runtime");
    return 0;
}

/* ---- a folder ---- */

/* Entries of a folder. A hidden one is no part of an action: .gitignore, or what Kubernetes puts
 * beside the files of a ConfigMap. */
struct entries {
    unsigned n_seen; /* counts to 2 */
    char *first;     /* owned; its path; NULL: none */
};

static void entries_done(struct entries *entries)
{
    free(TAKE(entries->first));
}

/* -1: the folder cannot be read, see errno. */
static int entries_look(struct entries *entries, const char *dir)
{
    DIR *folder = opendir(dir);
    struct dirent *item;

    if (folder == NULL)
        return -1;
    while (entries->n_seen < 2 && (item = readdir(folder)) != NULL) {
        if (item->d_name[0] == '.')
            continue;
        if (entries->n_seen++ == 0)
            entries->first = xasprintf("%s/%s", dir, item->d_name);
    }
    (void)closedir(folder);
    return 0;
}

/* The path of a folder's only entry, if it has just one and that is a file; else NULL. Caller
 * frees. */
static char *only_file(const char *dir)
{
    __attribute__((cleanup(entries_done))) struct entries entries = {0};
    struct stat st;

    (void)entries_look(&entries, dir);
    return entries.n_seen == 1 && stat(entries.first, &st) == 0 && S_ISREG(st.st_mode)
               ? TAKE(entries.first)
               : NULL;
}

/* Whether nobody has put anything at this path: it is missing, or an empty folder. */
static bool is_vacant(const char *path)
{
    __attribute__((cleanup(entries_done))) struct entries entries = {0};

    return entries_look(&entries, path) < 0 ? errno == ENOENT : entries.n_seen == 0;
}

/* Take a folder that must be compiled: pack it into an archive, because compiling must not change
 * the user's own folder. */
static int pack_folder(struct preloaded *preloaded, const struct preloaded_opts *opts,
                       const char *dir, struct err *err)
{
    struct envelope *envelope = &preloaded->envelope;
    auto_fd int fd = memfd_create("action", MFD_CLOEXEC);
    struct buf code = {0};
    struct err why;
    int result;

    if (fd < 0)
        return err_set(err, ERR_SYSTEM, errno, "%s: no memory for an archive of \"%s\": %s",
                       preloaded->origin, dir, strerror(errno));
    if (zip_folder(dir, fd, &why) < 0)
        return err_set(err, why.kind, why.os, "%s: cannot pack folder \"%s\": %s",
                       preloaded->origin, dir, why.text);
    (void)lseek(fd, 0, SEEK_SET);
    result = buf_read_all(&code, fd, opts->bytes_max, -1);
    assert(code.start == 0);
    envelope->code = code.bytes; /* takes over the memory; the zip begins at its start */
    envelope->code_len = buf_len(&code);
    envelope->kind = CODE_ZIP;
    if (result < 0)
        return cannot_read(preloaded, dir, err);
    if (envelope->code_len > opts->bytes_max)
        return err_set(err, ERR_REQUEST, 0,
                       "%s: packed, folder \"%s\" is larger than %" PRIu64
                       " bytes (--init-max-bytes)",
                       preloaded->origin, dir, opts->bytes_max);
    return 0;
}

static int take_folder(struct preloaded *preloaded, const struct preloaded_opts *opts,
                       const char *path, struct err *err)
{
    auto_free char *dir = realpath(path, NULL);
    auto_free char *file = NULL;
    auto_buf struct buf wanted = {0};
    struct err none;

    assert(preloaded->dir == NULL);
    if (dir == NULL)
        return cannot_read(preloaded, path, err);
    preloaded->runtime = runtimes_for_folder(opts->runtimes, opts->fallback, dir, &none);
    if (preloaded->runtime != NULL && runtime_always_compiles(preloaded->runtime)) {
        preloaded->runtime = NULL; /* the build chooses one, as for the archive of an /init */
        return pack_folder(preloaded, opts, dir, err);
    }
    if (preloaded->runtime != NULL) {
        preloaded->dir = TAKE(dir);
        return 0;
    }
    file = only_file(dir);
    if (file != NULL)
        return take_file(preloaded, opts, file, err);
    if (none.kind != ERR_CODE)
        return err_set(err, none.kind, none.os, "%s: %s", preloaded->origin, none.text);
    buf_add_text(&wanted, "a single file, or ");
    runtimes_add_entries(opts->runtimes, opts->fallback, &wanted);
    preloaded->wanted = xstrndup(buf_at(&wanted), buf_len(&wanted));
    return err_set(err, ERR_REQUEST, 0, "%s: no action in folder \"%s\": want %s",
                   preloaded->origin, path, preloaded->wanted);
}

/* ---- where the action comes from ---- */

static void set_main(struct envelope *envelope, const char *main, const char *fallback)
{
    if (main == NULL || main[0] == '\0')
        main = fallback;
    free(envelope->main);
    envelope->main = xstrdup(main != NULL ? main : "main");
}

/* main: the function, if opts names none; NULL: "main". */
static int take_path(struct preloaded *preloaded, const struct preloaded_opts *opts,
                     const char *path, const char *main, struct err *err)
{
    struct stat st;

    set_main(&preloaded->envelope, opts->main, main);
    if (stat(path, &st) < 0)
        return cannot_read(preloaded, path, err);
    return S_ISDIR(st.st_mode) ? take_folder(preloaded, opts, path, err)
                               : take_file(preloaded, opts, path, err);
}

/* Treat `code`, the value of __OW_ACTION_CODE, like the code of an /init: it may be source text, or
 * a program or an archive in base64. */
static int take_variable(struct preloaded *preloaded, const char *code, struct err *err)
{
    const char *binary = env_text("__OW_ACTION_BINARY");
    auto_buf struct buf body = {0};

    buf_add_text(&body, "{\"value\":{\"code\":");
    json_quote(&body, code, strlen(code));
    buf_add_text(&body,
                 binary != NULL && strcmp(binary, "true") == 0 ? ",\"binary\":true}}" : "}}");
    return envelope_read(&preloaded->envelope, buf_at(&body), buf_len(&body), err);
}

int preloaded_find(struct preloaded *preloaded, const struct preloaded_opts *opts, struct err *err)
{
    const char *autoinit = env_text("OW_AUTOINIT");
    const char *code = env_text("__OW_ACTION_CODE");
    int result;

    assert(preloaded->envelope.code == NULL && preloaded->dir == NULL);
    if (opts->command != NULL) {
        preloaded->origin = opts->command;
        result = take_path(preloaded, opts, opts->path, NULL, err);
    } else if (strcmp(opts->path, PRELOADED_FOLDER) != 0 && opts->path[0] != '\0') {
        preloaded->origin = "--action";
        result = take_path(preloaded, opts, opts->path, NULL, err);
    } else if (autoinit != NULL) {
        preloaded->origin = "OW_AUTOINIT";
        preloaded->may_fail = true;
        result = take_path(preloaded, opts, autoinit, env_text("OW_AUTOINIT_MAIN"), err);
    } else if (code != NULL) {
        preloaded->origin = "__OW_ACTION_CODE";
        result = take_variable(preloaded, code, err);
        set_main(&preloaded->envelope, opts->main, env_text("__OW_ACTION_MAIN"));
    } else if (opts->path[0] != '\0' && !opts->folder_is_theirs) {
        if (is_vacant(PRELOADED_FOLDER))
            return 0;
        preloaded->origin = PRELOADED_FOLDER;
        result = take_path(preloaded, opts, PRELOADED_FOLDER, NULL, err);
        preloaded->may_fail = result < 0; /* nobody named this folder: it may have no action */
    } else {
        return 0;
    }
    if (result < 0 && opts->command != NULL)
        err->kind = ERR_REQUEST; /* the user gave the path, as an argument of the command */
    if (result < 0)
        return -1;
    assert((preloaded->dir != NULL) != (preloaded->envelope.code != NULL));
    assert(preloaded->dir == NULL || preloaded->runtime != NULL);
    if (preloaded->dir != NULL)
        strv_put_all(&preloaded->envelope.env, preloaded->runtime->in_place_env);
    strv_put_all(&preloaded->envelope.env, opts->env);
    return 1;
}
