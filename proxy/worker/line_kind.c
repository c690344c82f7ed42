#include "worker/line_kind.h"

#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

static size_t n_blanks(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && (text[i] == ' ' || text[i] == '\t'))
        i++;
    return i;
}

bool line_may_be_answer(const char *text, size_t n)
{
    size_t i = n_blanks(text, n);

    return i < n && (text[i] == '{' || text[i] == '[');
}

bool line_is_answer(const char *text, size_t n)
{
    enum json_kind kind;

    if (!line_may_be_answer(text, n))
        return false;
    kind = json_check(text, n, NULL);
    return kind == JSON_OBJECT || kind == JSON_ARRAY;
}

bool line_is_announcement(const char *text, size_t n)
{
    struct json_slice ok;

    return line_may_be_answer(text, n) && json_check(text, n, NULL) == JSON_OBJECT &&
           json_member(json_top(text, n), "ok", &ok);
}

bool line_is_announcement_among_logs(const char *text, size_t n)
{
    struct json_slice key;
    struct json_slice value;
    size_t at = 0;

    return line_is_announcement(text, n) &&
           json_next_member(json_top(text, n), &at, &key, &value) && json_equals(key, "ok");
}

/* Whether the text begins with "[", as a JSON array does, but does not go on like one, such as
 * "[INFO] ..." and "[2026-11-30 10:00] ...". */
static bool is_bracketed_text(const char *text, size_t n)
{
    static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.";
    size_t at = n_blanks(text, n);
    size_t n_token = 0;

    if (at == n || text[at] != '[')
        return false;
    at++;
    at += n_blanks(text + at, n - at);
    if (at == n || strchr("]{[\"", text[at]) != NULL)
        return false;
    while (at + n_token < n && text[at + n_token] != '\0' &&
           strchr(token, text[at + n_token]) != NULL)
        n_token++;
    if (at + n_token == n)
        return false; /* the text ends here: the token may be the start of a JSON value */
    if (json_check(text + at, n_token, NULL) == JSON_BAD)
        return true;
    at += n_token;
    while (at < n && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
        at++;
    return at < n && text[at] != ',' && text[at] != ']';
}

bool line_looks_like_answer(const char *text, size_t n)
{
    return line_may_be_answer(text, n) && !is_bracketed_text(text, n);
}

bool line_has_bom(const char *text, size_t n)
{
    return utf8_mark_length(text, n) > 0;
}
