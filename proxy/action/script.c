#include "action/script.h"

#include <assert.h>
#include <ctype.h>
#include <regex.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"

#define MAIN           "{main}"
#define LOOK_MAX_BYTES (1u << 20) /* look for the main function in at most this much of a text */
#define MAIN_MAX_BYTES 256        /* longest name of a main function that is looked for */
#define PLUS_MAX       16         /* most + in a pattern */

/* Replace {main} in a pattern by the main function's name, escaped for regcomp(). Caller frees. */
static char *with_main(const char *pattern, const char *main)
{
    struct buf out = {0};

    for (const char *hole; (hole = strstr(pattern, MAIN)) != NULL; pattern = hole + strlen(MAIN)) {
        buf_add(&out, pattern, (size_t)(hole - pattern));
        for (const char *c = main; *c != '\0'; c++) {
            if (ispunct((unsigned char)*c) != 0)
                buf_add(&out, "\\", 1);
            buf_add(&out, c, 1);
        }
    }
    buf_add(&out, pattern, strlen(pattern) + 1);
    assert(out.start == 0);
    return out.bytes; /* the caller takes over the memory; the text begins at its start */
}

static bool compile(regex_t *regex, const char *pattern, const char *main)
{
    auto_free char *text = with_main(pattern, main);

    return regcomp(regex, text, REG_EXTENDED | REG_NEWLINE | REG_NOSUB) == 0;
}

/* regcomp() copies what is repeated by + or {n,m}. If these are nested, that takes exponential
 * memory. */
static bool is_small(const char *pattern)
{
    unsigned n = 0;

    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c == '{' && (c[1] == ',' || isdigit((unsigned char)c[1]) != 0))
            return false;
        n += *c == '+';
    }
    return n <= PLUS_MAX;
}

bool script_pattern_is_good(const char *pattern)
{
    regex_t regex;

    if (!is_small(pattern) || !compile(&regex, pattern, "main"))
        return false;
    regfree(&regex);
    return true;
}

static bool has(const char *text, const char *pattern, const char *main)
{
    regex_t regex;
    bool found;

    if (!compile(&regex, pattern, main))
        return false;
    found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

bool script_is_source(char *const *patterns, const char *text, size_t n, const char *main,
                      bool in_doubt)
{
    auto_free char *line = NULL;
    auto_free char *rest = NULL;
    const char *end;
    bool defines;

    assert(n > 2);
    assert(text[0] == '#' && text[1] == '!');
    if (patterns == NULL || strlen(main) > MAIN_MAX_BYTES)
        return in_doubt;
    n = n < LOOK_MAX_BYTES ? n : LOOK_MAX_BYTES;
    end = memchr(text, '\n', n);
    if (end == NULL || memchr(text, '\0', n) != NULL)
        return in_doubt;
    line = xstrndup(text, (size_t)(end - text));
    rest = xstrndup(end + 1, n - (size_t)(end + 1 - text));
    defines = has(rest, patterns[SCRIPT_SOURCE], main);
    if (!has(line, patterns[SCRIPT_INTERPRETER], main) ||
        defines == has(rest, patterns[SCRIPT_PROGRAM], main))
        return in_doubt;
    return defines;
}
