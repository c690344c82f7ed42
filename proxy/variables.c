#include "variables.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/exec_spec.h"
#include "base/utf8.h"
#include "base/util.h"

#define LINES_MAX     100000 /* most lines of an --env-file, comments included */
#define SHOWN_OF_WORD 60
#define BLANKS        " \t\n\v\f\r" /* a variable's name must not contain these */

int variables_add(char ***vector, const char *option, const char *word, struct err *err)
{
    const char *what = strcmp(option, "-m") == 0 ? "KEY" : "NAME";

    if (word[0] == '=' || strchr(word, '=') == NULL)
        return err_set(err, ERR_REQUEST, 0, "%s %.*s: want %s=value", option, SHOWN_OF_WORD, word,
                       what);
    strv_put(vector, xstrdup(word));
    return 0;
}

/* Add the variable that one line of a file sets. line: without its newline. */
static int add_line(char ***vector, const char *line, const char *option, const char *path,
                    unsigned number, struct err *err)
{
    size_t n_name = strcspn(line, "=");
    const char *own;

    assert(line[0] != '\0');
    if (n_name == 0 || strcspn(line, BLANKS) < n_name)
        return err_set(err, ERR_REQUEST, 0, "%s: %s:%u: want NAME=value, not \"%.*s\"", option,
                       path, number, SHOWN_OF_WORD, line);
    if (line[n_name] == '=') {
        strv_put(vector, xstrdup(line));
        return 0;
    }
    own = getenv(line);
    if (own != NULL)
        strv_setenv(vector, line, own);
    return 0;
}

static int read_lines(char ***vector, const char *option, const char *path, FILE *file,
                      struct err *err)
{
    auto_free char *line = NULL;
    size_t size = 0;
    unsigned number = 0;
    ssize_t n;

    while ((n = getline(&line, &size, file)) >= 0) {
        char *at = line;

        if (++number > LINES_MAX)
            return err_set(err, ERR_REQUEST, 0, "%s: %s has more than %d lines", option, path,
                           LINES_MAX);
        if (strlen(line) != (size_t)n)
            return err_set(err, ERR_REQUEST, 0, "%s: %s:%u: the line holds a NUL", option, path,
                           number);
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = '\0';
        if (number == 1)
            at += utf8_mark_length(at, strlen(at));
        at += strspn(at, " \t");
        if (*at != '\0' && *at != '#' && add_line(vector, at, option, path, number, err) < 0)
            return -1;
    }
    return ferror(file) ? err_set(err, ERR_REQUEST, errno, "%s: cannot read \"%s\": %s", option,
                                  path, strerror(errno))
                        : 0;
}

int variables_add_file(char ***vector, const char *option, const char *path, struct err *err)
{
    auto_file FILE *file = fopen(path, "re");

    if (file == NULL)
        return err_set(err, ERR_REQUEST, errno, "%s: cannot read \"%s\": %s", option, path,
                       strerror(errno));
    return read_lines(vector, option, path, file, err);
}
