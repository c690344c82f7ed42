#include "worker/request_id.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

size_t request_id_head(char head[REQUEST_ID_HEAD_MAX], uint64_t number)
{
    char text[REQUEST_ID_HEAD_MAX + 1];
    int n = snprintf(text, sizeof(text), "[%llu,", (unsigned long long)number);

    assert(n > 0 && n <= REQUEST_ID_HEAD_MAX);
    memcpy(head, text, (size_t)n);
    return (size_t)n;
}

static size_t skip_blanks(const char *text, size_t n, size_t at)
{
    while (at < n && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at;
}

bool request_id_read(const char **text, size_t *n, uint64_t *number)
{
    const char *bytes = *text;
    size_t at = skip_blanks(bytes, *n, 0);
    size_t first;

    if (at == *n || bytes[at] != '[')
        return false;
    first = at = skip_blanks(bytes, *n, at + 1);
    *number = 0;
    /* A uint64_t holds any number of 19 digits. */
    for (; at < *n && at - first < 19 && bytes[at] >= '0' && bytes[at] <= '9'; at++)
        *number = *number * 10 + (uint64_t)(bytes[at] - '0');
    if (at == first)
        return false;
    at = skip_blanks(bytes, *n, at);
    if (at == *n || bytes[at] != ',')
        return false;
    at = skip_blanks(bytes, *n, at + 1);
    assert(at <= *n);
    *text += at;
    *n -= at;
    return true;
}

bool request_id_end(const char *text, size_t *n)
{
    size_t end = *n;

    while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t' || text[end - 1] == '\r'))
        end--;
    if (end == 0 || text[end - 1] != ']')
        return false;
    *n = end - 1;
    return true;
}
