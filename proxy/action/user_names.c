#include "action/user_names.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"

#define URL "file://"
/* The launcher for Node.js copies an ES module index.js to index.js.mjs, because Node.js recognises
 * ES modules by the ending .mjs. */
#define JS   ".js"
#define COPY ".mjs"

void user_names_set(struct user_names *names, const char *dir, const char *source, const char *file)
{
    assert(dir[0] == '/');
    assert(source == NULL || source[0] != '\0');
    user_names_done(names);
    names->dir = xasprintf("%s/", dir);
    if (source != NULL && file != NULL) {
        names->source = xstrdup(source);
        names->file = xstrdup(file);
    }
}

void user_names_swap(struct user_names *a, struct user_names *b)
{
    struct user_names names = *a;

    *a = *b;
    *b = names;
}

void user_names_done(struct user_names *names)
{
    free(names->dir);
    free(names->source);
    free(names->file);
    memset(names, 0, sizeof(*names));
}

static bool starts_with(const char *text, size_t n, const char *start)
{
    return start != NULL && n >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

/* Whether the character c can be part of a file name. If it can, a name that follows c, such as
 * main.c in "lib/main.c", is only the end of a longer name. */
static bool is_of_name(char c)
{
    return isalnum((unsigned char)c) || strchr("_-./", c) != NULL;
}

static bool holds(const char *text, size_t n, const char *word)
{
    return word != NULL && memmem(text, n, word, strlen(word)) != NULL;
}

void user_names_put(const struct user_names *names, const char *text, size_t n, struct buf *out)
{
    /* A name such as exec is a word, too: "failed to exec". It is a file's only behind `dir` or in
     * quotation marks. */
    bool is_word = names != NULL && names->source != NULL && strchr(names->source, '.') == NULL;
    const char *behind_dir = NULL;
    bool alone = true; /* a name that begins at text[at] is not the end of a longer name */

    assert(names == NULL || (names->source == NULL) == (names->file == NULL));
    if (names == NULL || (!holds(text, n, names->dir) && !holds(text, n, names->source))) {
        buf_add(out, text, n); /* most texts in a log contain neither `dir` nor `source` */
        return;
    }
    for (size_t at = 0; at < n;) {
        const char *rest = text + at;
        size_t n_url = starts_with(rest, n - at, URL) ? strlen(URL) : 0;
        size_t n_source = names->source != NULL ? strlen(names->source) : 0;

        if (alone && starts_with(rest + n_url, n - at - n_url, names->dir)) {
            at += n_url + strlen(names->dir);
            behind_dir = text + at;
        } else if (alone && starts_with(rest, n - at, names->source) &&
                   (!is_word || rest == behind_dir || (at > 0 && rest[-1] == '"')) &&
                   (n - at == n_source || !isalnum((unsigned char)rest[n_source]))) {
            buf_add_text(out, names->file);
            at += n_source;
            alone = false;
        } else if (starts_with(rest, n - at, COPY) && at >= strlen(JS) &&
                   starts_with(rest - strlen(JS), strlen(JS), JS)) {
            at += strlen(COPY);
            alone = false;
        } else {
            buf_add(out, rest, 1);
            alone = !is_of_name(rest[0]) || starts_with(rest > text ? rest - 1 : rest, 2, "./");
            at++;
        }
    }
}
