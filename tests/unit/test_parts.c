/* parts: the list of parts that becomes an answer, and its bound. */

#include "test.h"

#include <string.h>

#include "base/util.h"
#include "worker/job.h"
#include "worker/parts.h"

#define MAX_BYTES 32

struct fixture {
    struct job job;
};

static int set_up(void **state)
{
    *state = xcalloc(1, sizeof(struct fixture));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    parts_free(&f->job);
    free(f->job.answer);
    free(f);
    return 0;
}

/* Adds a part of n bytes, a string. */
static void add(struct fixture *f, size_t n)
{
    char text[MAX_BYTES + 8];

    assert_true(n >= 2 && n <= sizeof(text));
    memset(text, 'x', n);
    text[0] = text[n - 1] = '"';
    parts_add(&f->job, text, n, MAX_BYTES);
}

static void a_list_that_is_as_long_as_an_answer_may_be_is_the_answer(void **state)
{
    struct fixture *f = *state;

    add(f, MAX_BYTES - 2);
    assert_false(f->job.parts->too_long);
    parts_become_answer(&f->job);
    assert_int_equal(f->job.answer_len, MAX_BYTES);
}

static void a_list_one_byte_longer_than_an_answer_may_be_is_too_long(void **state)
{
    struct fixture *f = *state;

    add(f, MAX_BYTES - 1);
    assert_true(f->job.parts->too_long);
}

static void the_brackets_and_commas_of_several_parts_count(void **state)
{
    struct fixture *f = *state;

    add(f, 10);
    add(f, 10);
    add(f, 8); /* with two brackets and two commas: 32 */
    assert_false(f->job.parts->too_long);
    parts_become_answer(&f->job);
    assert_int_equal(f->job.answer_len, MAX_BYTES);
}

static void the_byte_too_many_may_come_with_the_last_part(void **state)
{
    struct fixture *f = *state;

    add(f, 10);
    add(f, 10);
    add(f, 9);
    assert_true(f->job.parts->too_long);
}

static void ignore_parts(struct job *job)
{
    (void)job;
}

static void a_part_of_a_stream_may_be_as_long_as_an_answer(void **state)
{
    struct fixture *f = *state;

    f->job.on_parts = ignore_parts;
    add(f, MAX_BYTES);
    assert_false(f->job.parts->too_long);
    add(f, MAX_BYTES + 1);
    assert_true(f->job.parts->too_long);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_that_is_as_long_as_an_answer_may_be_is_the_answer),
        TEST(a_list_one_byte_longer_than_an_answer_may_be_is_too_long),
        TEST(the_brackets_and_commas_of_several_parts_count),
        TEST(the_byte_too_many_may_come_with_the_last_part),
        TEST(a_part_of_a_stream_may_be_as_long_as_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
