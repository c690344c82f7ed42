/* argument: what invoke makes of a word. Standard input is tests/conformance's. */

#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "filter/argument.h"

#define MAX_BYTES 64

static void assert_line(const char *word, const char *wanted)
{
    struct job job = {.line = NULL};
    struct err err;

    assert_int_equal(argument_read(&job, word, NULL, MAX_BYTES, -1, &err), 0);
    assert_int_equal(job.len, strlen(wanted));
    assert_memory_equal(job.line, wanted, job.len);
    free(job.line);
}

static void assert_wrong(const char *word, const char *why)
{
    struct job job = {.line = NULL};
    struct err err;

    assert_int_equal(argument_read(&job, word, NULL, MAX_BYTES, -1, &err), -1);
    assert_int_equal(err.kind, ERR_REQUEST);
    assert_string_equal(err.text, why);
    assert_null(job.line);
}

/* Caller frees, and deletes it. */
static char *file_with(const char *text, size_t n)
{
    char *path = xstrdup("@/tmp/whiskloop-test-XXXXXX");
    auto_fd int fd = mkstemp(path + 1);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, n), 0);
    return path;
}

static void objects_and_lists_become_the_value(void **state)
{
    (void)state;
    assert_line(NULL, "{\"value\":{}}\n");
    assert_line("{}", "{\"value\":{}}\n");
    assert_line(" {\"a\":\n1}\r\n", "{\"value\": {\"a\": 1}  }\n");
    assert_line("[1,2]", "{\"value\":[1,2]}\n");
}

static void a_file_holds_the_argument(void **state)
{
    static const char text[] = "{\n  \"a\": 1\n}\n";
    auto_free char *path = file_with(text, strlen(text));

    (void)state;
    assert_line(path, "{\"value\":{   \"a\": 1 } }\n");
    (void)remove(path + 1);
    assert_wrong("@/no/such", "cannot read the argument from /no/such: No such file or directory");
    assert_wrong("@", "@: the name of a file is missing");
    assert_wrong("@/tmp", "cannot read the argument from /tmp: Is a directory");
}

static void a_byte_order_mark_is_no_part_of_the_argument(void **state)
{
    (void)state;
    assert_line("\xef\xbb\xbf{}", "{\"value\":{}}\n");
}

static void what_is_no_argument_is_refused_with_the_reason(void **state)
{
    static const char *const others[] = {"1", "\"a\"", "null", "true"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_wrong(others[i], "want a JSON object or array as the argument, such as "
                                "{\"name\":\"Test\"}");
    assert_wrong("", "the argument is no JSON: unexpected end of JSON input, at byte 0; want an "
                     "object such as {\"name\":\"Test\"}");
    assert_wrong("name=Mike",
                 "the argument is no JSON: invalid character 'a' in literal null "
                 "(expecting 'u'), at byte 1; want an object such as {\"name\":\"Test\"}");
    assert_wrong("{\"a\":x}", "the argument is no JSON: invalid character 'x' looking for "
                              "beginning of value, at byte 5");
    assert_wrong("{} {}", "the argument is no JSON: invalid character '{' after top-level "
                          "value, at byte 3");
}

static void the_bound_holds_for_words_and_files(void **state)
{
    static const char too_long[] = "the argument is longer than 64 bytes (--run-max-bytes)";
    char text[MAX_BYTES + 2];

    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, "{}", 2);
    for (size_t n = MAX_BYTES - 1; n <= MAX_BYTES + 1; n++) {
        auto_free char *path = file_with(text, n);
        auto_free char *word = xstrndup(text, n);
        struct job job = {.line = NULL};
        struct err err;

        if (n <= MAX_BYTES) {
            assert_int_equal(argument_read(&job, word, NULL, MAX_BYTES, -1, &err), 0);
            free(TAKE(job.line));
            assert_int_equal(argument_read(&job, path, NULL, MAX_BYTES, -1, &err), 0);
            free(job.line);
        } else {
            assert_wrong(word, too_long);
            assert_wrong(path, too_long);
        }
        (void)remove(path + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_lists_become_the_value),
        cmocka_unit_test(a_file_holds_the_argument),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_argument),
        cmocka_unit_test(what_is_no_argument_is_refused_with_the_reason),
        cmocka_unit_test(the_bound_holds_for_words_and_files),
    };

    return cmocka_run_group_tests_name("argument", tests, NULL, NULL);
}
