#pragma once

/* Settings that were read from a command line, and how that went. */

#include <stdio.h>

#include "arguments.h"
#include "base/err.h"
#include "base/util.h"
#include "config.h"
#include "test.h"

struct fixture {
    struct config config;
    struct err err;
    enum config_result result;
};

static inline int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* At most two arguments; NULL: none. They live on in the settings, as main's do. */
static inline void read_with(struct fixture *f, const char *first, const char *second)
{
    static char args[3][256];
    char *argv[] = {args[0], args[1], args[2], NULL};
    int argc = first == NULL ? 1 : second == NULL ? 2 : 3;

    (void)snprintf(args[0], sizeof(args[0]), "whiskloop");
    (void)snprintf(args[1], sizeof(args[1]), "%s", first != NULL ? first : "");
    (void)snprintf(args[2], sizeof(args[2]), "%s", second != NULL ? second : "");
    argv[argc] = NULL;
    f->err.kind = ERR_NONE;
    f->result = config_read(&f->config, argc, argv, &f->err);
}

static inline void assert_refused(struct fixture *f, const char *why)
{
    assert_int_equal(f->result, CONFIG_WRONG);
    assert_int_equal(f->err.kind, ERR_REQUEST);
    assert_string_equal(f->err.text, why);
}
