#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *err, enum err_kind kind, int os, const char *fmt, ...)
{
    va_list args;

    assert(kind != ERR_NONE);
    err->kind = kind;
    err->os = os;
    err->detail[0] = '\0';
    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    return -1;
}
