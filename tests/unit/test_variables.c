/* variables: files of NAME=value as `docker run --env-file` reads them, and their faults. */

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/exec_spec.h"
#include "folder.h"
#include "variables.h"

struct fixture {
    struct folder folder;
    char *path; /* owned */
    char **vector;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));

    f->path = xasprintf("%s/env", f->folder.in);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    strv_free(&f->vector);
    free(f->path);
    return folder_tear_down(state);
}

static void write_bytes(struct fixture *f, const char *text, size_t n)
{
    auto_fd int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(fd_write_all(fd, text, n), 0);
}

static int add_file(struct fixture *f, const char *text)
{
    write_bytes(f, text, strlen(text));
    return variables_add_file(&f->vector, "--env-file", f->path, &f->err);
}

static void the_lines_of_a_file_are_variables(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("WHISK_TEST_OWN", "ours", 1), 0);
    assert_int_equal(add_file(f, "\xef\xbb\xbf"
                                 "A=1\n# a remark\n\n  B= two = 2\r\nC=\nWHISK_TEST_OWN\n"
                                 "WHISK_TEST_NOBODYS\nA=\"3\""),
                     0);
    assert_string_equal(f->vector[0], "A=\"3\""); /* the last one counts, quotes and all */
    assert_string_equal(f->vector[1], "B= two = 2");
    assert_string_equal(f->vector[2], "C=");
    assert_string_equal(f->vector[3], "WHISK_TEST_OWN=ours");
    assert_null(f->vector[4]);
}

static void a_wrong_line_is_told_by_its_number(void **state)
{
    static const char *const wrong[] = {"A=1\n=2\n", "A=1\nB C=2\n", "A=1\nB\tC\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(add_file(f, wrong[i]), -1);
        assert_int_equal(f->err.kind, ERR_REQUEST);
        assert_non_null(strstr(f->err.text, "/env:2: want NAME=value"));
    }
}

static void a_line_with_a_nul_is_wrong(void **state)
{
    struct fixture *f = *state;

    write_bytes(f, "A=1\nB=\0002\n", 9);
    assert_int_equal(variables_add_file(&f->vector, "--env-file", f->path, &f->err), -1);
    assert_non_null(strstr(f->err.text, "/env:2: the line holds a NUL"));
}

static void a_file_has_a_bound(void **state)
{
    enum {
        LINES_MAX = 100000
    };

    struct fixture *f = *state;
    auto_free char *text = xmalloc(LINES_MAX + 2);

    memset(text, '\n', LINES_MAX + 1);
    text[LINES_MAX + 1] = '\0';
    assert_int_equal(add_file(f, text + 1), 0);
    assert_int_equal(add_file(f, text), -1);
    assert_non_null(strstr(f->err.text, "more than 100000 lines"));
}

static void what_cannot_be_read_is_told(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(variables_add_file(&f->vector, "--env-file", f->path, &f->err), -1);
    assert_non_null(strstr(f->err.text, "No such file"));
    assert_int_equal(variables_add_file(&f->vector, "--env-file", f->folder.in, &f->err), -1);
    assert_non_null(strstr(f->err.text, "Is a directory"));
}

static void a_word_needs_a_name(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(variables_add(&f->vector, "-e", "A=b=c", &f->err), 0);
    assert_string_equal(f->vector[0], "A=b=c");
    assert_int_equal(variables_add(&f->vector, "-e", "=b", &f->err), -1);
    assert_string_equal(f->err.text, "-e =b: want NAME=value");
    assert_int_equal(variables_add(&f->vector, "-m", "b", &f->err), -1);
    assert_string_equal(f->err.text, "-m b: want KEY=value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(the_lines_of_a_file_are_variables), TEST(a_wrong_line_is_told_by_its_number),
        TEST(a_line_with_a_nul_is_wrong),        TEST(a_file_has_a_bound),
        TEST(what_cannot_be_read_is_told),       TEST(a_word_needs_a_name),
    };

    return cmocka_run_group_tests_name("variables", tests, NULL, NULL);
}
