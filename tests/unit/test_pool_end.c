/* What a pool does when it is stopped, and while nobody reads its logs. */

#include "test.h"

#include "pool_fixture.h"

/* ---- the end ---- */

static void stopping_ends_all_workers(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 2;
    start(f, launch_child(ANSWERS_FD3, false, "stubborn", "serve", NULL));
    stop(f);
    loop_until(f->loop, nothing_runs, f);
}

static void stopping_answers_what_runs_and_what_waits(void **state)
{
    struct fixture *f = *state;

    start_and_occupy(f, 10);
    (void)submit(f, "line3:{}");
    while (f->pool->workers[0].worker.session.window.unsent != NULL)
        loop_turn(f->loop, 1);
    while (stdin_pipe_unread(&f->pool->workers[0].worker.session.channel.in) > 0)
        loop_turn(f->loop, 1);
    stop(f);
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_STOPPED);
    assert_int_equal(f->tasks[1].job.outcome, JOB_ABANDONED);
}

static void stopping_answers_what_was_given_and_never_read(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, true, OK, "deaf", NULL));
    (void)submit(f, "never read");
    loop_until(f->loop, one_runs, f);
    stop(f);
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_ABANDONED);
}

static void a_stopped_pool_abandons_what_comes_later(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    stop(f);
    (void)submit(f, "line3:{}");
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_ABANDONED);
}

static void a_stopped_pool_starts_nothing_again(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    (void)submit(f, "deaf");
    loop_until(f->loop, one_runs, f);
    stop(f);
    loop_until(f->loop, nothing_runs, f);
    loop_turn(f->loop, 20);
    assert_int_equal(pool_n_processes(f->pool), 0);
}

static void an_abandoned_job_leaves_its_sentinels(void **state)
{
    struct fixture *f = *state;

    make(f, serve());
    (void)submit(f, "line3:{}");
    stop(f);
    loop_until(f->loop, all_are_done, f);
    assert_captured(&f->out, END);
    assert_captured(&f->err, END);
}

static void a_pool_with_running_workers_can_be_freed(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    pool_free(&f->pool);
    assert_null(f->pool);
    pool_free(&f->pool);
}

/* ---- logs that nobody reads ---- */

/* Put our stdout on a pipe that is full. */
static void stall_stdout(struct fixture *f, int ends[2])
{
    char bytes[4096] = {0};

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(ends[1], bytes, sizeof(bytes)) > 0) {
    }
    capture_close(&f->out);
    f->out.fd = dup(ends[1]);
    output_init(&f->out.output, f->loop, f->out.fd);
}

static bool is_full(void *subject)
{
    return output_is_full(&((struct fixture *)subject)->out.output);
}

static int stalled_reader;

static bool all_are_done_while_somebody_reads(void *subject)
{
    char bytes[65536];

    while (read(stalled_reader, bytes, sizeof(bytes)) > 0) {
    }
    return all_are_done(subject);
}

static void assert_bounded_then_resumed(struct fixture *f, const char *script, size_t max_bytes)
{
    int ends[2];

    stall_stdout(f, ends);
    start(f, launch_child(ANSWERS_AUTO, false, "serve", NULL));
    for (int i = 0; i < TASKS_MAX; i++)
        (void)submit(f, script);
    loop_until(f->loop, is_full, f);
    loop_turn(f->loop, 50);
    assert_true(buf_len(&f->out.output.pending) <= max_bytes);
    assert_true(f->n_done < TASKS_MAX);
    stalled_reader = ends[0];
    loop_until(f->loop, all_are_done_while_somebody_reads, f);
    for (int i = 0; i < TASKS_MAX; i++)
        assert_answer(&f->tasks[i], "{}");
    fd_close(&ends[0]);
    fd_close(&ends[1]);
}

static void without_a_log_reader_no_more_activations_begin(void **state)
{
    assert_bounded_then_resumed(*state, "fill1:60000;line1:;line3:{}", OUTPUT_FULL_BYTES + 100000);
}

static void without_a_log_reader_log_lines_among_answers_wait(void **state)
{
    assert_bounded_then_resumed(*state, "fill1:500000;line1:;line1:{}", OUTPUT_FULL_BYTES + 600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(stopping_ends_all_workers),
        TEST(stopping_answers_what_runs_and_what_waits),
        TEST(stopping_answers_what_was_given_and_never_read),
        TEST(a_stopped_pool_abandons_what_comes_later),
        TEST(a_stopped_pool_starts_nothing_again),
        TEST(an_abandoned_job_leaves_its_sentinels),
        TEST(a_pool_with_running_workers_can_be_freed),
        TEST(without_a_log_reader_no_more_activations_begin),
        TEST(without_a_log_reader_log_lines_among_answers_wait),
    };

    return cmocka_run_group_tests_name("pool_end", tests, NULL, NULL);
}
