#include "test.h"

#include <string.h>

#include "base/buf.h"

#define FIRST_BYTES 512 /* what a buf allocates first; see BUF_FIRST_BYTES in base/buf.c */

static void assert_holds(const struct buf *buf, const char *text)
{
    assert_int_equal(buf_len(buf), strlen(text));
    assert_memory_equal(buf_at(buf), text, strlen(text));
}

static void fill(struct buf *buf, char c, size_t n)
{
    memset(buf_room(buf, n), c, n);
    buf_added(buf, n);
}

static void a_zeroed_buf_is_empty(void **state)
{
    struct buf buf = {0};

    (void)state;
    assert_int_equal(buf_len(&buf), 0);
    assert_non_null(buf_at(&buf));
    buf_done(&buf);
}

static void what_is_added_is_held_in_order(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add(&buf, "ab", 2);
    buf_add_text(&buf, "cd");
    assert_holds(&buf, "abcd");
    buf_done(&buf);
}

static void adding_nothing_allocates_nothing(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add(&buf, NULL, 0);
    buf_add_text(&buf, "");
    assert_null(buf.bytes);
    buf_done(&buf);
}

static void bytes_leave_at_the_front(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "abcd");
    buf_drop(&buf, 3);
    assert_holds(&buf, "d");
    buf_done(&buf);
}

static void dropping_the_last_byte_gives_the_whole_room_back(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "abcd");
    buf_drop(&buf, 4);
    assert_int_equal(buf.start, 0);
    assert_int_equal(buf.end, 0);
    buf_done(&buf);
}

static void what_fills_the_first_room_exactly_does_not_grow_it(void **state)
{
    static const size_t sizes[] = {FIRST_BYTES - 1, FIRST_BYTES};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct buf buf = {0};

        fill(&buf, 'x', sizes[i]);
        assert_int_equal(buf.size, FIRST_BYTES);
        buf_done(&buf);
    }
}

static void one_byte_more_than_the_first_room_doubles_it(void **state)
{
    struct buf buf = {0};

    (void)state;
    fill(&buf, 'x', FIRST_BYTES + 1);
    assert_int_equal(buf.size, 2 * FIRST_BYTES);
    buf_done(&buf);
}

static void growing_keeps_what_is_held(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "gone-kept");
    buf_drop(&buf, 5);
    fill(&buf, 'x', 10 * FIRST_BYTES);
    assert_int_equal(buf_len(&buf), 4 + 10 * FIRST_BYTES);
    assert_memory_equal(buf_at(&buf), "keptxxxx", 8);
    buf_done(&buf);
}

static void room_freed_at_the_front_is_used_before_growing(void **state)
{
    struct buf buf = {0};

    (void)state;
    fill(&buf, 'a', FIRST_BYTES - 4);
    buf_add_text(&buf, "tail");
    buf_drop(&buf, FIRST_BYTES - 4);
    fill(&buf, 'b', FIRST_BYTES - 4);
    assert_int_equal(buf.size, FIRST_BYTES);
    assert_memory_equal(buf_at(&buf), "tailbbbb", 8);
    buf_done(&buf);
}

static void a_reset_keeps_memory_up_to_the_given_size(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "x");
    buf_reset(&buf, FIRST_BYTES);
    assert_int_equal(buf_len(&buf), 0);
    assert_int_equal(buf.size, FIRST_BYTES);
    buf_done(&buf);
}

static void a_reset_gives_back_memory_above_the_given_size(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "x");
    buf_reset(&buf, FIRST_BYTES - 1);
    assert_int_equal(buf.size, 0);
    assert_null(buf.bytes);
    buf_done(&buf);
}

static void done_may_be_called_twice(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_add_text(&buf, "x");
    buf_done(&buf);
    buf_done(&buf);
    assert_null(buf.bytes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_buf_is_empty),
        cmocka_unit_test(what_is_added_is_held_in_order),
        cmocka_unit_test(adding_nothing_allocates_nothing),
        cmocka_unit_test(bytes_leave_at_the_front),
        cmocka_unit_test(dropping_the_last_byte_gives_the_whole_room_back),
        cmocka_unit_test(what_fills_the_first_room_exactly_does_not_grow_it),
        cmocka_unit_test(one_byte_more_than_the_first_room_doubles_it),
        cmocka_unit_test(growing_keeps_what_is_held),
        cmocka_unit_test(room_freed_at_the_front_is_used_before_growing),
        cmocka_unit_test(a_reset_keeps_memory_up_to_the_given_size),
        cmocka_unit_test(a_reset_gives_back_memory_above_the_given_size),
        cmocka_unit_test(done_may_be_called_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
