/* Posted work, timers and the turns of the loop. */

#include "test.h"

#include <errno.h>
#include <h2o.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "loop_parts.h"

/* ---- posted work ---- */

static void posted_work_runs_once_however_often_it_was_posted(void **state)
{
    struct fixture *f = *state;

    loop_post(f->loop, &f->parts[0].post);
    loop_post(f->loop, &f->parts[0].post);
    loop_turn(f->loop, 3);
    assert_string_equal(f->seen, "a");
}

static void posted_work_never_runs_inside_the_call(void **state)
{
    struct fixture *f = *state;

    loop_post(f->loop, &f->parts[0].post);
    assert_int_equal(f->n_seen, 0);
}

static void posted_work_runs_in_the_order_of_posting(void **state)
{
    struct fixture *f = *state;

    loop_post(f->loop, &f->parts[2].post);
    loop_post(f->loop, &f->parts[0].post);
    loop_post(f->loop, &f->parts[1].post);
    loop_turn(f->loop, 1);
    assert_string_equal(f->seen, "cab");
}

static void cancelled_work_does_not_run(void **state)
{
    struct fixture *f = *state;

    loop_post(f->loop, &f->parts[0].post);
    loop_post(f->loop, &f->parts[1].post);
    loop_post_cancel(&f->parts[0].post);
    loop_turn(f->loop, 1);
    assert_string_equal(f->seen, "b");
}

static void work_may_post_itself_again(void **state)
{
    struct fixture *f = *state;

    f->parts[0].n_again = 2;
    loop_post(f->loop, &f->parts[0].post);
    loop_turn(f->loop, 3);
    assert_string_equal(f->seen, "aaa");
}

static void work_in_a_circle_leaves_descriptors_their_turn(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_read(f, on_watch_then_close);
    f->parts[0].name = 'w';
    f->parts[1].n_again = UINT32_MAX;
    loop_post(f->loop, &f->parts[1].post);
    assert_int_equal(write(f->ours, "x", 1), 1);
    loop_turn(f->loop, 2);
    assert_non_null(strchr(f->seen, 'w'));
}

/* ---- libh2o's sockets ---- */

/* What a write took whole, leaving no room for more. */
struct full {
    struct loop_post post;
    h2o_socket_t *sock;
    int peer;
    bool written;
    char bytes[100000];
};

static void ignore_read(h2o_socket_t *sock, const char *error)
{
    (void)sock;
    (void)error;
}

static void on_written(h2o_socket_t *sock, const char *error)
{
    struct full *full = sock->data;

    assert_null(error);
    full->written = true;
}

static void write_whole(struct loop_post *post)
{
    struct full *full = container_of(post, struct full, post);
    h2o_iovec_t bytes = {full->bytes, sizeof(full->bytes)};

    h2o_socket_read_start(full->sock,
                          ignore_read); /* so that libh2o looks at the socket's state anew */
    h2o_socket_write(full->sock, &bytes, 1, on_written);
}

/* Else libh2o would watch the socket for room, forget that nothing is left to write, and abort once
 * there is room. */
static void what_posted_work_has_written_is_done_before_events_are_awaited(void **state)
{
    struct fixture *f = *state;
    static struct full full;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    full.peer = ends[1];
    full.sock = h2o_evloop_socket_create(loop_h2o(f->loop), ends[0], 0);
    full.sock->data = &full;
    loop_post_init(&full.post, write_whole);
    loop_post(f->loop, &full.post);
    loop_turn(f->loop, 1);
    assert_true(full.written);
    loop_turn(f->loop, 1);
    assert_int_equal(recv(full.peer, full.bytes, sizeof(full.bytes), MSG_WAITALL),
                     sizeof(full.bytes));
    loop_turn(f->loop, 2);
    h2o_socket_close(full.sock);
    (void)close(full.peer);
}

/* ---- timers ---- */

static bool one_was_seen(void *subject)
{
    return ((struct fixture *)subject)->n_seen == 1;
}

static void timers_fire_in_the_order_of_their_moments(void **state)
{
    struct fixture *f = *state;
    uint64_t now_ms = loop_now_ms(f->loop);

    loop_timer_set(f->loop, &f->parts[3].timer, now_ms + 1);
    loop_timer_set(f->loop, &f->parts[0].timer, now_ms + 4);
    loop_timer_set(f->loop, &f->parts[2].timer, now_ms + 2);
    loop_timer_set(f->loop, &f->parts[1].timer, now_ms + 3);
    loop_until(f->loop, all_were_seen, f);
    assert_string_equal(f->seen, "dcba");
}

static void timers_of_one_moment_fire_in_the_order_of_setting(void **state)
{
    struct fixture *f = *state;

    loop_timer_set(f->loop, &f->parts[2].timer, 1);
    loop_timer_set(f->loop, &f->parts[0].timer, 1);
    loop_timer_set(f->loop, &f->parts[1].timer, 1);
    loop_turn(f->loop, 1);
    assert_string_equal(f->seen, "cab");
}

static void a_timer_does_not_fire_before_its_moment(void **state)
{
    struct fixture *f = *state;

    loop_timer_set(f->loop, &f->parts[0].timer, loop_now_ms(f->loop) + 1000000);
    loop_turn(f->loop, 3);
    assert_int_equal(f->n_seen, 0);
    assert_true(loop_timer_is_set(&f->parts[0].timer));
}

static void freeze(struct loop_post *post)
{
    (void)post;
    ahead_ms += 1500;
}

static void time_in_which_the_process_did_not_run_is_left_out(void **state)
{
    struct fixture *f = *state;
    uint64_t before_ms = loop_now_ms(f->loop);
    struct loop_post pause;

    loop_timer_set(f->loop, &f->parts[0].timer, before_ms + 1400);
    loop_post_init(&pause, freeze);
    loop_post(f->loop, &pause);
    loop_turn(f->loop, 2);
    assert_int_equal(f->n_seen, 0);
    assert_true(loop_now_ms(f->loop) < before_ms + 1000);
    hurry_ms = HURRY_MS;
    loop_until(f->loop, one_was_seen, f);
}

static void time_is_left_out_however_long_the_process_did_not_run(void **state)
{
    struct fixture *f = *state;
    uint64_t before_ms = loop_now_ms(f->loop);

    loop_timer_set(f->loop, &f->parts[0].timer, before_ms + 60000);
    loop_turn(f->loop, 2);
    ahead_ms += 30 * 86400 * UINT64_C(1000);
    loop_turn(f->loop, 2);
    assert_int_equal(f->n_seen, 0);
    assert_true(loop_now_ms(f->loop) < before_ms + 60000);
}

static void setting_again_moves_a_timer(void **state)
{
    struct fixture *f = *state;

    loop_timer_set(f->loop, &f->parts[0].timer, 1);
    loop_timer_set(f->loop, &f->parts[1].timer, 2);
    loop_timer_set(f->loop, &f->parts[0].timer, 3);
    loop_turn(f->loop, 1);
    assert_string_equal(f->seen, "ba");
}

static void a_cleared_timer_does_not_fire(void **state)
{
    struct fixture *f = *state;

    loop_timer_set(f->loop, &f->parts[0].timer, 1);
    loop_timer_clear(&f->parts[0].timer);
    assert_false(loop_timer_is_set(&f->parts[0].timer));
    loop_turn(f->loop, 2);
    assert_int_equal(f->n_seen, 0);
}

static void a_timer_that_fired_is_not_set(void **state)
{
    struct fixture *f = *state;

    loop_timer_set(f->loop, &f->parts[0].timer, 1);
    loop_turn(f->loop, 1);
    assert_string_equal(f->seen, "a");
    assert_false(loop_timer_is_set(&f->parts[0].timer));
}

static void a_timer_may_set_itself_again(void **state)
{
    struct fixture *f = *state;

    f->parts[0].n_again = N - 1;
    loop_timer_set(f->loop, &f->parts[0].timer, 1);
    loop_until(f->loop, all_were_seen, f);
    assert_string_equal(f->seen, "aaaa");
}

static void work_that_a_timer_posts_runs_in_the_same_turn(void **state)
{
    struct fixture *f = *state;

    f->parts[0].timer.fn = on_timer_then_post;
    loop_timer_set(f->loop, &f->parts[0].timer, 1);
    loop_turn(f->loop, 1);
    assert_string_equal(f->seen, "aa");
}

/* ---- the loop ---- */

static void the_loop_can_run_again_after_a_stop(void **state)
{
    struct fixture *f = *state;

    loop_turn(f->loop, 1);
    loop_post(f->loop, &f->parts[0].post);
    loop_turn(f->loop, 1);
    assert_string_equal(f->seen, "a");
}

static void time_stands_still_within_a_turn(void **state)
{
    struct fixture *f = *state;
    uint64_t now_ms = loop_now_ms(f->loop);
    struct timespec start;
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec == start.tv_sec && now.tv_nsec / 1000000 == start.tv_nsec / 1000000);
    assert_int_equal(loop_now_ms(f->loop), now_ms);
    loop_turn(f->loop, 1);
    assert_true(loop_now_ms(f->loop) > now_ms);
}

static void freeing_leaves_null_and_may_be_repeated(void **state)
{
    struct fixture *f = *state;

    loop_free(&f->loop);
    assert_null(f->loop);
    loop_free(&f->loop);
    assert_null(f->loop);
}

static void without_descriptors_there_is_an_error_and_no_loop(void **state)
{
    struct rlimit before;
    struct rlimit none;
    struct err err = {.kind = ERR_NONE};
    struct loop *loop;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    loop = loop_new(&err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(loop);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_int_equal(err.os, EMFILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(posted_work_runs_once_however_often_it_was_posted),
        TEST(posted_work_never_runs_inside_the_call),
        TEST(posted_work_runs_in_the_order_of_posting),
        TEST(cancelled_work_does_not_run),
        TEST(work_may_post_itself_again),
        TEST(work_in_a_circle_leaves_descriptors_their_turn),
        TEST(what_posted_work_has_written_is_done_before_events_are_awaited),
        TEST(timers_fire_in_the_order_of_their_moments),
        TEST(timers_of_one_moment_fire_in_the_order_of_setting),
        TEST(a_timer_does_not_fire_before_its_moment),
        TEST(time_in_which_the_process_did_not_run_is_left_out),
        TEST(time_is_left_out_however_long_the_process_did_not_run),
        TEST(setting_again_moves_a_timer),
        TEST(a_cleared_timer_does_not_fire),
        TEST(a_timer_that_fired_is_not_set),
        TEST(a_timer_may_set_itself_again),
        TEST(work_that_a_timer_posts_runs_in_the_same_turn),
        TEST(the_loop_can_run_again_after_a_stop),
        TEST(time_stands_still_within_a_turn),
        TEST(freeing_leaves_null_and_may_be_repeated),
        TEST(without_descriptors_there_is_an_error_and_no_loop),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
