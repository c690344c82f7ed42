/* Version folders: numbers that only count up, one rename to commit, nothing left at the end. */

#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "action/store.h"
#include "base/err.h"
#include "folder.h"

struct fixture {
    struct folder folder;
    struct store store;
    struct err err;
};

static int set_up(void **state)
{
    (void)folder_set_up(state, sizeof(struct fixture));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    store_close(&f->store);
    return folder_tear_down(state);
}

static void open_in(struct fixture *f)
{
    assert_int_equal(store_open(&f->store, f->folder.in, &f->err), 0);
}

static unsigned stage_next(struct fixture *f)
{
    unsigned number = 0;

    assert_int_equal(store_stage(&f->store, &number, &f->err), 0);
    return number;
}

/* ---- the base ---- */

static void a_missing_base_is_made_with_its_parents(void **state)
{
    struct fixture *f = *state;
    auto_free char *dir = xasprintf("%s/a//b/c/", f->folder.in);

    assert_int_equal(store_open(&f->store, dir, &f->err), 0);
    assert_int_equal(folder_mode(f->folder.in, "a/b/c"), S_IFDIR | 0755);
    assert_string_equal(strrchr(f->store.base, '/'), "/c");
    assert_int_equal(f->store.base[0], '/');
}

static void a_relative_base_becomes_absolute(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(chdir(f->folder.in), 0);
    assert_int_equal(store_open(&f->store, "./action", &f->err), 0);
    assert_int_equal(f->store.base[0], '/');
    assert_int_equal(folder_mode(f->folder.in, "action"), S_IFDIR | 0755);
}

static void a_base_that_is_a_file_is_an_error(void **state)
{
    struct fixture *f = *state;
    auto_free char *dir = xasprintf("%s/file", f->folder.in);

    folder_write(f->folder.in, "file", "x", 0644);
    assert_int_equal(store_open(&f->store, dir, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_non_null(strstr(f->err.text, dir));
    assert_null(f->store.base);
}

static void a_private_base_lies_in_tmpdir_and_goes_with_the_store(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("TMPDIR", f->folder.in, 1), 0);
    assert_int_equal(store_open(&f->store, "", &f->err), 0);
    assert_int_equal(unsetenv("TMPDIR"), 0);
    assert_int_equal(folder_count(f->folder.in), 1);
    assert_int_equal(folder_mode(f->store.base, "."), S_IFDIR | 0711);
    (void)stage_next(f);
    store_close(&f->store);
    assert_int_equal(folder_count(f->folder.in), 0);
}

/* What a killed proxy left in TMPDIR, made by a child that ended without a word. Caller frees. */
static char *left_by_a_dead_proxy(struct fixture *f)
{
    auto_free char *path = xasprintf("%s/path", f->folder.outer);
    char line[4096] = "";
    pid_t pid = fork();
    FILE *said;

    if (pid == 0) {
        struct store store;

        said = fopen(path, "w");
        if (said == NULL || store_open(&store, NULL, &f->err) < 0)
            _exit(1);
        (void)fputs(store.base, said);
        (void)fclose(said);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    said = fopen(path, "r");
    assert_non_null(said);
    assert_non_null(fgets(line, sizeof(line), said));
    (void)fclose(said);
    return xstrdup(line);
}

static void what_a_dead_proxy_left_is_removed_and_what_a_living_one_has_stays(void **state)
{
    struct fixture *f = *state;
    struct store living;
    auto_free char *left = NULL;
    auto_free char *foreign = xasprintf("%s/whiskloop-abcdef", f->folder.in);
    struct stat st;

    assert_int_equal(setenv("TMPDIR", f->folder.in, 1), 0);
    assert_int_equal(mkdir(foreign, 0700), 0); /* without a lock: nobody knows whose it is */
    assert_int_equal(store_open(&living, NULL, &f->err), 0);
    left = left_by_a_dead_proxy(f);
    assert_int_equal(stat(left, &st), 0);
    assert_int_equal(store_open(&f->store, NULL, &f->err), 0);
    while (waitpid(-1, NULL, 0) > 0) /* the children that remove */
        ;
    assert_int_equal(stat(left, &st), -1);
    assert_int_equal(stat(living.base, &st), 0);
    assert_int_equal(stat(f->store.base, &st), 0);
    assert_int_equal(stat(foreign, &st), 0);
    store_close(&living);
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void what_another_users_proxy_left_stays(void **state)
{
    struct fixture *f = *state;
    auto_free char *left = NULL;
    auto_free char *lock = NULL;
    struct stat st;

    if (geteuid() != 0) {
        print_message("skipped: only root may give a file away\n");
        skip();
    }
    assert_int_equal(setenv("TMPDIR", f->folder.in, 1), 0);
    left = left_by_a_dead_proxy(f);
    lock = xasprintf("%s/.lock", left);
    if (chown(lock, 1, 1) < 0) {
        print_message("skipped: this root may not give a file away\n");
        assert_int_equal(unsetenv("TMPDIR"), 0);
        skip();
    }
    assert_int_equal(store_open(&f->store, NULL, &f->err), 0);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    assert_int_equal(stat(left, &st), 0);
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

/* TMPDIR is open to all: the name may be another user's link to any folder. */
static void a_link_in_place_of_what_a_dead_proxy_left_is_not_followed(void **state)
{
    struct fixture *f = *state;
    auto_free char *left = NULL;
    auto_free char *moved = xasprintf("%s/moved", f->folder.outer);
    struct stat st;

    assert_int_equal(setenv("TMPDIR", f->folder.in, 1), 0);
    left = left_by_a_dead_proxy(f);
    assert_int_equal(rename(left, moved), 0);
    assert_int_equal(chmod(moved, 0755), 0);
    assert_int_equal(symlink(moved, left), 0);
    assert_int_equal(store_open(&f->store, NULL, &f->err), 0);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    assert_int_equal(stat(moved, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void a_given_base_stays_when_the_store_is_closed(void **state)
{
    struct fixture *f = *state;

    open_in(f);
    (void)stage_next(f);
    store_close(&f->store);
    assert_int_equal(folder_mode(f->folder.in, "1/src"), S_IFDIR | 0755);
}

static void a_base_that_we_made_goes_with_the_store_if_it_is_empty(void **state)
{
    struct fixture *f = *state;
    auto_free char *dir = xasprintf("%s/a/b", f->folder.in);

    assert_int_equal(store_open(&f->store, dir, &f->err), 0);
    store_close(&f->store);
    assert_int_equal(folder_mode(f->folder.in, "a/b"), 0);
    assert_int_equal(mkdir(dir, 0755), 0); /* now it is another's */
    assert_int_equal(store_open(&f->store, dir, &f->err), 0);
    store_close(&f->store);
    assert_int_equal(folder_mode(f->folder.in, "a/b"), S_IFDIR | 0755);
}

static void closing_zeroes_is_harmless(void **state)
{
    struct store store = {0};

    (void)state;
    store_close(&store);
    assert_null(store.base);
}

/* ---- versions ---- */

static void versions_count_from_one(void **state)
{
    struct fixture *f = *state;

    open_in(f);
    assert_int_equal(stage_next(f), 1);
    assert_int_equal(stage_next(f), 2);
    assert_int_equal(folder_mode(f->folder.in, "2/src"), S_IFDIR | 0755);
}

static void versions_go_on_after_the_highest_number_found(void **state)
{
    static const char *const names[] = {"2", "10", "9", "x11", "11x", "1234567890", "-12", "src"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        auto_free char *path = xasprintf("%s/%s", f->folder.in, names[i]);

        assert_int_equal(mkdir(path, 0755), 0);
    }
    open_in(f);
    assert_int_equal(stage_next(f), 11);
}

static void a_number_is_not_used_again_after_its_folder_went(void **state)
{
    struct fixture *f = *state;
    auto_free char *first = NULL;

    open_in(f);
    first = store_path(&f->store, stage_next(f), "");
    assert_int_equal(store_remove_tree(first, 0), 0);
    assert_int_equal(stage_next(f), 2);
}

static void a_number_that_another_proxy_took_is_passed_over(void **state)
{
    struct fixture *f = *state;
    auto_free char *taken = NULL;

    open_in(f);
    taken = store_path(&f->store, 1, "");
    assert_int_equal(mkdir(taken, 0755), 0);
    assert_int_equal(stage_next(f), 2);
}

static void the_last_number_is_given_out(void **state)
{
    struct fixture *f = *state;

    open_in(f);
    f->store.last = 999999998;
    assert_int_equal(stage_next(f), 999999999);
}

static void after_the_last_number_staging_fails(void **state)
{
    struct fixture *f = *state;
    unsigned number = 7;

    open_in(f);
    f->store.last = 999999999;
    assert_int_equal(store_stage(&f->store, &number, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_int_equal(number, 7);
}

static void committing_renames_src_to_bin(void **state)
{
    struct fixture *f = *state;
    auto_free char *src = NULL;
    auto_free char *bin = NULL;
    unsigned number;

    open_in(f);
    number = stage_next(f);
    src = store_path(&f->store, number, "src");
    bin = store_path(&f->store, number, "bin");
    folder_write(src, "exec", "code", 0755);
    assert_int_equal(store_commit(&f->store, number, &f->err), 0);
    assert_string_equal(folder_read(bin, "exec"), "code");
    assert_int_equal(folder_mode(src, "."), 0);
}

static void committing_what_is_gone_is_an_error(void **state)
{
    struct fixture *f = *state;
    unsigned number;
    auto_free char *path = NULL;

    open_in(f);
    number = stage_next(f);
    path = store_path(&f->store, number, "");
    assert_int_equal(store_remove_tree(path, 0), 0);
    assert_int_equal(store_commit(&f->store, number, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_int_equal(f->err.os, ENOENT);
}

static void settling_moves_aside_what_cannot_be_overwritten(void **state)
{
    struct fixture *f = *state;
    auto_free char *folder = xasprintf("%s/folder", f->folder.in);
    auto_free char *bin = NULL;
    auto_free char *new_folder = NULL;
    unsigned number;

    open_in(f);
    assert_int_equal(mkdir(folder, 0755), 0);
    folder_write(folder, "old", "1", 0644);
    folder_write(f->folder.in, "file", "2", 0644);
    folder_write(f->folder.in, "exec", "3", 0755);
    number = stage_next(f);
    assert_int_equal(store_commit(&f->store, number, &f->err), 0);
    bin = store_path(&f->store, number, "bin");
    new_folder = xasprintf("%s/file", bin); /* a folder in the place of a file */
    assert_int_equal(mkdir(new_folder, 0755), 0);
    folder_write(bin, "folder", "4", 0644); /* and a file in the place of a folder */
    folder_write(bin, "exec", "5", 0755);
    assert_int_equal(store_settle(&f->store, number, &f->err), 0);
    assert_string_equal(folder_read(f->folder.in, "exec"), "5");
    assert_string_equal(folder_read(f->folder.in, "folder"), "4");
    assert_int_equal(folder_mode(f->folder.in, "file"), S_IFDIR | 0755);
    assert_string_equal(folder_read(f->folder.in, "1/old/folder/old"), "1");
    assert_string_equal(folder_read(f->folder.in, "1/old/file"), "2");
    assert_int_equal(folder_mode(f->folder.in, "1/bin"), 0);
}

static void paths_are_those_of_the_version_and_its_parts(void **state)
{
    struct store store = {.base = xstrdup("/base")};
    auto_free char *all = store_path(&store, 3, "");
    auto_free char *bin = store_path(&store, 3, "bin");

    (void)state;
    assert_string_equal(all, "/base/3");
    assert_string_equal(bin, "/base/3/bin");
    store_close(&store);
}

/* ---- removing ---- */

static void a_tree_is_removed_with_all_in_it(void **state)
{
    struct fixture *f = *state;
    auto_free char *deep = xasprintf("%s/a/b/c", f->folder.in);
    struct store other;

    assert_int_equal(store_open(&other, deep, &f->err), 0);
    store_close(&other);
    folder_write(deep, "file", "x", 0);
    folder_write(f->folder.in, ".remove-1", "in the way", 0644);
    assert_int_equal(store_remove_tree(f->folder.in, 0), 0);
    assert_int_equal(folder_count(f->folder.outer), 0);
}

static void links_are_removed_and_what_they_lead_to_is_not(void **state)
{
    struct fixture *f = *state;
    auto_free char *link = xasprintf("%s/link", f->folder.in);

    folder_write(f->folder.outer, "kept", "x", 0400);
    assert_int_equal(symlink("../kept", link), 0);
    assert_int_equal(store_remove_tree(f->folder.in, 0), 0);
    assert_string_equal(folder_read(f->folder.outer, "kept"), "x");
    assert_int_equal(folder_mode(f->folder.outer, "kept") & 07777, 0400);
}

static void a_tree_deeper_than_a_path_can_say_is_removed(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(chdir(f->folder.in), 0);
    for (unsigned i = 0; i < 3000; i++) {
        assert_int_equal(mkdir("deep", 0755), 0);
        assert_int_equal(chdir("deep"), 0);
    }
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(store_remove_tree(f->folder.in, 0), 0);
    assert_int_equal(folder_count(f->folder.outer), 0);
}

static void locked_folders_are_removed(void **state)
{
    struct fixture *f = *state;
    auto_free char *outer = xasprintf("%s/locked", f->folder.in);
    auto_free char *inner = xasprintf("%s/inner", outer);

    assert_int_equal(mkdir(outer, 0755), 0);
    assert_int_equal(mkdir(inner, 0), 0);
    assert_int_equal(chmod(outer, 0), 0);
    assert_int_equal(store_remove_tree(f->folder.in, 0), 0);
    assert_int_equal(folder_count(f->folder.outer), 0);
}

/* Somebody who fills the folder faster than it is emptied: a bound ends it. */
static void a_folder_that_is_filled_all_the_time_does_not_keep_us(void **state)
{
    struct fixture *f = *state;
    pid_t filler = fork();

    if (filler == 0) {
        (void)alarm(30);
        for (unsigned n = 0;; n++) {
            char name[4096];

            (void)snprintf(name, sizeof(name), "%s/%u", f->folder.in, n % 100000);
            (void)mkdir(name, 0700);
        }
    }
    (void)alarm(20);
    (void)store_remove_tree(f->folder.in, 200);
    (void)alarm(0);
    assert_int_equal(kill(filler, SIGKILL), 0);
    assert_int_equal(waitpid(filler, NULL, 0), filler);
}

static void removing_what_is_not_there_says_so(void **state)
{
    (void)state;
    assert_int_equal(store_remove_tree("/no/such/folder", 0), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_missing_base_is_made_with_its_parents),
        TEST(a_relative_base_becomes_absolute),
        TEST(a_base_that_is_a_file_is_an_error),
        TEST(a_private_base_lies_in_tmpdir_and_goes_with_the_store),
        TEST(a_given_base_stays_when_the_store_is_closed),
        TEST(a_base_that_we_made_goes_with_the_store_if_it_is_empty),
        TEST(closing_zeroes_is_harmless),
        TEST(versions_count_from_one),
        TEST(versions_go_on_after_the_highest_number_found),
        TEST(a_number_is_not_used_again_after_its_folder_went),
        TEST(a_number_that_another_proxy_took_is_passed_over),
        TEST(the_last_number_is_given_out),
        TEST(after_the_last_number_staging_fails),
        TEST(committing_renames_src_to_bin),
        TEST(committing_what_is_gone_is_an_error),
        TEST(settling_moves_aside_what_cannot_be_overwritten),
        TEST(paths_are_those_of_the_version_and_its_parts),
        TEST(a_tree_is_removed_with_all_in_it),
        TEST(links_are_removed_and_what_they_lead_to_is_not),
        TEST(a_tree_deeper_than_a_path_can_say_is_removed),
        TEST(locked_folders_are_removed),
        TEST(a_folder_that_is_filled_all_the_time_does_not_keep_us),
        TEST(what_a_dead_proxy_left_is_removed_and_what_a_living_one_has_stays),
        TEST(what_another_users_proxy_left_stays),
        TEST(a_link_in_place_of_what_a_dead_proxy_left_is_not_followed),
        TEST(removing_what_is_not_there_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
