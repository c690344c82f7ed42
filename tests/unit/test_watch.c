/* watch: which files of a folder count. */

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/loop.h"
#include "dev/watch.h"
#include "folder.h"

struct fixture {
    struct folder folder;
    struct loop *loop;
    struct watch *watch;
};

static void on_news(void *owner, enum watch_news news, const char *why)
{
    (void)owner;
    (void)news;
    (void)why;
}

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));
    struct err err;

    f->loop = loop_new(&err);
    folder_write(f->folder.in, "__main__.py", "x", 0644);
    f->watch = watch_new(f->loop, f->folder.in, on_news, f);
    watch_catch_up(f->watch);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    watch_free(&f->watch);
    loop_free(&f->loop);
    return folder_tear_down(state);
}

static void files_that_nobody_edits_do_not_count(void **state)
{
    static const char *const names[] = {
        "__main__.py~",
        "__main__.py.tmp.12345",
        "__main__.py.tmp.7.1700",
        "__main__.py.orig",
        ".__main__.py.Xk3f9a",
        ".__main__.py.swp",
        "__main__.py.tmp",
        ".#__main__.py",
        "#__main__.py#",
        ".goutputstream-9SXKZ1",
        "4913",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        folder_write(f->folder.in, names[i], "y", 0644);
        watch_catch_up(f->watch);
        if (watch_changes(f->watch)->n > 0)
            fail_msg("%s", names[i]);
    }
}

static void other_files_count(void **state)
{
    static const char *const names[] = {"more.py",      ".env",    ".env.global",     "a.tmp.json",
                                        "original.txt", "bak.txt", ".other.py.Xk3f9a"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct watch_changes *changes = watch_changes(f->watch);

        folder_write(f->folder.in, names[i], "y", 0644);
        watch_catch_up(f->watch);
        assert_int_equal(changes->n, 1);
        assert_true(changes->is_all);
        assert_string_equal(changes->files[0].name, names[i]);
    }
}

static void a_change_is_told_with_what_else_may_have_changed(void **state)
{
    struct fixture *f = *state;
    const struct watch_changes *changes = watch_changes(f->watch);
    auto_free char *path = xasprintf("%s/__main__.py", f->folder.in);

    watch_catch_up(f->watch);
    assert_int_equal(changes->n, 0);
    assert_true(changes->is_all);
    folder_write(f->folder.in, "__main__.py", "other", 0644);
    watch_catch_up(f->watch);
    assert_int_equal(changes->n, 1);
    folder_write(f->folder.in, "more.py", "y", 0644);
    assert_int_equal(unlink(path), 0);
    watch_catch_up(f->watch);
    assert_int_equal(changes->n, 1);
    assert_string_equal(changes->files[0].name, "more.py");
    assert_false(changes->is_all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(files_that_nobody_edits_do_not_count),
        TEST(other_files_count),
        TEST(a_change_is_told_with_what_else_may_have_changed),
    };

    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
