#include "dev/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"

void text_add(struct buf *out, const char *fmt, ...)
{
    char text[512];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < sizeof(text)) {
        buf_add(out, text, (size_t)n);
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(buf_room(out, (size_t)n + 1), (size_t)n + 1, fmt, args);
    va_end(args);
    buf_added(out, (size_t)n);
}

void text_add_json(struct buf *out, const char *text)
{
    if (text == NULL)
        buf_add_text(out, "null");
    else
        json_quote(out, text, strlen(text));
}

void text_add_word(struct buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:=@%+-,";
    bool is_plain = text[0] != '\0' && text[strspn(text, plain)] == '\0';

    if (is_plain) {
        buf_add_text(out, text);
        return;
    }
    buf_add_text(out, "'");
    for (; *text != '\0'; text++)
        if (*text == '\'')
            buf_add_text(out, "'\\''");
        else
            buf_add(out, text, 1);
    buf_add_text(out, "'");
}

const char *text_of(struct buf *buf)
{
    *buf_room(buf, 1) = '\0';
    return buf_at(buf);
}

uint64_t text_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
