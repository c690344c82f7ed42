#pragma once

/* unpack_fixture - one archive, one folder to unpack it into, and a canary beside that folder. */

#include "test.h"

#include <string.h>

#include "action/unpack.h"
#include "base/err.h"
#include "folder.h"
#include "pack.h"

struct fixture {
    struct folder folder;
    struct pack pack;
    struct unpack_limits limits;
    struct err err;
};

static inline int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));

    folder_write(f->folder.outer, "canary", "alive", 0700);
    f->limits = (struct unpack_limits){.bytes_max = 100U << 20, .entries_max = 1000};
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    pack_done(&f->pack);
    return folder_tear_down(state);
}

/* For the next case of a table. */
static inline struct fixture *afresh(void **state)
{
    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);
    return *state;
}

static inline int unpack(struct fixture *f)
{
    pack_finish(&f->pack);
    return unpack_archive(f->folder.in, f->pack.bytes, f->pack.n, &f->limits, NULL, &f->err);
}

static inline void assert_unpacks(struct fixture *f)
{
    if (unpack(f) < 0)
        fail_msg("refused: %s", f->err.text);
}

/* Refused with these words in the text, and nothing has happened beside the folder. */
static inline void assert_refused(struct fixture *f, enum err_kind kind, const char *words)
{
    assert_int_equal(unpack(f), -1);
    if (strstr(f->err.text, words) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", f->err.text, words);
    assert_int_equal(f->err.kind, kind);
    assert_int_equal(folder_count(f->folder.outer), 2);
    assert_string_equal(folder_read(f->folder.outer, "canary"), "alive");
    assert_int_equal(folder_mode(f->folder.outer, "canary") & 07777, 0700);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
