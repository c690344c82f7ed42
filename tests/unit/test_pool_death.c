/* What a death costs, who is started again and when, and what an action that is broken answers. */

#include "test.h"

#include "pool_fixture.h"

static void a_death_costs_the_job_that_ran_and_no_other(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    (void)submit(f, "exit:1");
    for (int i = 0; i < 5; i++)
        (void)submit(f, "line3:{}");
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_DIED);
    for (unsigned i = 1; i <= 5; i++) {
        assert_answer(&f->tasks[i], "{}");
        assert_int_equal(f->tasks[i].place, i);
    }
}

static void a_worker_that_worked_is_started_again_at_once(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, true, "line2:started", OK, "serve", NULL));
    (void)run(f, "exit:1");
    while (f->pool->workers[0].worker.state != WORKER_READY)
        loop_turn(f->loop, 1);
    {
        auto_free char *text = capture_text(&f->err);

        assert_int_equal(count_of("started\n", text), 2);
    }
}

static void a_worker_that_died_idle_comes_back_once_and_then_for_the_next_job(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    kill_idle(f);
    assert_int_equal(pool_n_processes(f->pool), 1);
    kill_idle(f);
    loop_turn(f->loop, 20);
    assert_int_equal(pool_n_processes(f->pool), 0);
    assert_answer(run(f, "line3:{\"a\":1}"), "{\"a\":1}");
}

static bool all_are_there(void *subject)
{
    const struct fixture *f = subject;

    return pool_n_processes(f->pool) == f->opts.n_workers;
}

/* Where the others have room nothing ever waits, and yet there is work for it. */
static void it_comes_back_for_a_job_that_another_worker_got_too(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 2;
    start(f, serve());
    loop_until(f->loop, all_are_there, f);
    kill_idle(f);
    loop_until(f->loop, all_are_there, f);
    kill_idle(f);
    loop_turn(f->loop, 20);
    assert_int_equal(pool_n_processes(f->pool), 1);
    assert_answer(run(f, "line3:{\"a\":1}"), "{\"a\":1}");
    loop_until(f->loop, all_are_there, f);
}

/* A launch that works once: the first start finds the file, and removes it with its first line. */
static struct exec_spec launch_that_works_once(char *path)
{
    struct exec_spec spec = spec_of("sh");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    fd_close(&fd);
    strv_push(&spec.argv, xstrdup("-c"));
    strv_push(&spec.argv, xasprintf("echo started >&2; test -e %s || exit 1; echo '{\"ok\":true}' "
                                    ">&3; read line; rm %s; echo '{}' >&3; exit 1",
                                    path, path));
    spec.answers = ANSWERS_FD3;
    spec.reports_ready = true;
    return spec;
}

#define BROKEN "it ended 3 times in a row without serving (--broken-after), the last time: "

static bool is_broken(void *subject)
{
    return ((struct fixture *)subject)->pool->state == POOL_BROKEN;
}

static void who_waits_for_a_broken_action_is_told_why(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/whisk-test-XXXXXX";
    auto_free char *text = NULL;

    start(f, launch_that_works_once(path));
    for (int i = 0; i < 4; i++)
        (void)submit(f, "line");
    loop_until(f->loop, all_are_done, f);
    assert_answer(&f->tasks[0], "{}");
    for (int i = 1; i < 4; i++) {
        assert_int_equal(f->tasks[i].job.outcome, JOB_UNSTARTED);
        assert_string_equal(f->tasks[i].job.reason,
                            BROKEN "Command exited abruptly during initialization.");
    }
    text = capture_text(&f->out);
    assert_int_equal(count_of(END, text), 4);
    assert_true(is_broken(f));
}

/* Unlike nothing_runs(): the pool has heard of its end and said when the next start is due. */
static bool the_first_is_given_up(void *subject)
{
    return !((struct fixture *)subject)->pool->workers[0].up;
}

static void a_broken_action_is_not_started_for_each_job(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/whisk-test-XXXXXX";
    auto_free char *text = NULL;
    unsigned n_starts;

    start(f, launch_that_works_once(path));
    assert_answer(run(f, "line"), "{}");
    (void)run(f, "line");
    do /* the next start may fall into the turn that ends the wait */
        loop_until(f->loop, the_first_is_given_up, f);
    while (!the_first_is_given_up(f));
    /* A pause that does not end: only a job that is told without a start gets an outcome. */
    f->pool->workers[0].backoff.at_ms = UINT64_MAX / 2000;
    text = capture_text(&f->err);
    n_starts = count_of("started\n", text);
    for (int i = 0; i < 10; i++)
        assert_int_equal(run(f, "line")->job.outcome, JOB_UNSTARTED);
    free(text);
    text = capture_text(&f->err);
    assert_int_equal(count_of("started\n", text), n_starts);
}

static bool is_serving_again(void *subject)
{
    const struct fixture *f = subject;

    return f->pool->state != POOL_BROKEN && f->pool->workers[0].worker.state == WORKER_READY;
}

static void a_trial_that_starts_ends_the_broken_state(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/whisk-test-XXXXXX";

    start(f, launch_that_works_once(path));
    assert_answer(run(f, "line"), "{}");
    assert_int_equal(run(f, "line")->job.outcome, JOB_UNSTARTED);
    assert_true(is_broken(f));
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    loop_until(f->loop, is_serving_again, f);
    assert_answer(run(f, "line"), "{}");
}

static unsigned n_ready(const struct pool *pool)
{
    unsigned n = 0;

    for (unsigned i = 0; i < pool->opts.n_workers; i++)
        n += pool->workers[i].worker.state == WORKER_READY;
    return n;
}

static bool all_are_ready(void *subject)
{
    const struct fixture *f = subject;

    return n_ready(f->pool) == f->opts.n_workers;
}

static bool none_is_ready(void *subject)
{
    return n_ready(((struct fixture *)subject)->pool) == 0;
}

static bool at_most_one_runs(void *subject)
{
    return pool_n_processes(((struct fixture *)subject)->pool) <= 1;
}

static void a_broken_pool_tries_with_one_worker_at_a_time(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/whisk-test-XXXXXX";
    unsigned n_trials = 0;

    f->opts.n_workers = 3;
    start(f, launch_that_works_once(path));
    loop_until(f->loop, all_are_ready, f);
    unlink(path);
    for (unsigned i = 0; i < 3; i++)
        spawn_kill(f->pool->workers[i].worker.pid, SIGKILL);
    loop_until(f->loop, none_is_ready, f); /* one that is dying could still read the line */
    (void)submit(f, "line");
    loop_until(f->loop, is_broken, f);
    loop_until(f->loop, at_most_one_runs, f); /* those that were on their way already */
    for (int i = 0; i < 100; i++) {
        loop_turn(f->loop, 1);
        assert_true(at_most_one_runs(f));
        n_trials += pool_n_processes(f->pool);
    }
    assert_true(n_trials > 0);
}

static void activations_that_end_their_workers_cost_themselves_only(void **state)
{
    struct fixture *f = *state;

    f->opts.restart.pause_ms = FAR_MS; /* would stop all that comes after a counted death */
    start(f, serve());
    for (int i = 0; i < 10; i++)
        assert_int_equal(run(f, "exit:1")->job.outcome, JOB_DIED);
    assert_answer(run(f, "line3:{}"), "{}");
    assert_false(is_broken(f));
}

static void deaths_between_answers_do_not_make_it_broken(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    for (int i = 0; i < 5; i++) {
        kill_idle(f);
        assert_answer(run(f, "line3:{}"), "{}");
    }
    assert_false(is_broken(f));
    assert_int_equal(f->pool->workers[0].backoff.n_deaths, 0);
}

static void a_death_while_idle_counts_after_one_that_cost_an_activation(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    assert_int_equal(run(f, "exit:1")->job.outcome, JOB_DIED);
    loop_until(f->loop, all_are_ready, f);
    assert_int_equal(f->pool->workers[0].backoff.n_deaths, 0);
    kill_idle(f);
    assert_int_equal(f->pool->workers[0].backoff.n_deaths, 1);
}

/* Not only when the next job comes, as after one more death while idle. */
static void a_death_that_cost_an_activation_is_followed_by_a_start_whatever_was_before(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    kill_idle(f);
    kill_idle(f);
    assert_int_equal(run(f, "exit:1")->job.outcome, JOB_DIED);
    loop_until(f->loop, all_are_ready, f);
}

static void a_death_after_a_long_life_is_the_first_in_a_row(void **state)
{
    struct fixture *f = *state;

    f->opts.restart.broken_life_ms = 1;
    start(f, serve());
    for (int i = 0; i < 3; i++) {
        loop_until(f->loop, all_are_ready, f);
        f->pool->workers[0].worker.started_at_ms -= 2;
        kill_idle(f);
        assert_int_equal(f->pool->workers[0].backoff.n_deaths, 1);
    }
}

static void starts_that_fail_make_it_broken_however_long_they_take(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/whisk-test-XXXXXX";

    f->opts.restart.broken_life_ms = 0; /* each start takes longer */
    start(f, launch_that_works_once(path));
    assert_answer(run(f, "line"), "{}");
    assert_int_equal(run(f, "line")->job.outcome, JOB_UNSTARTED);
}

static void it_is_not_broken_while_another_worker_is_ready(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 2;
    f->opts.restart.broken_after = 1;
    start(f, serve());
    loop_until(f->loop, all_are_ready, f);
    kill_idle(f);
    assert_false(is_broken(f));
    assert_answer(run(f, "line3:{}"), "{}");
}

static void a_job_that_nobody_reads_is_told_that_the_action_is_broken(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.settle_ms = 1;
    start(f, launch_child(ANSWERS_FD3, true, OK, "nap:20", "exit:0", NULL));
    assert_int_equal(run(f, "never read")->job.outcome, JOB_UNSTARTED);
    assert_string_equal(f->tasks[0].job.reason, BROKEN "command exited");
}

static void jobs_that_come_back_keep_their_order(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.settle_ms = 1;
    start(f, launch_child(ANSWERS_FD3, true, OK, "nap:20", "exit:0", NULL));
    for (int i = 0; i < 3; i++)
        (void)submit(f, "never read");
    loop_until(f->loop, all_are_done, f);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(f->tasks[i].place, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_death_costs_the_job_that_ran_and_no_other),
        TEST(a_worker_that_worked_is_started_again_at_once),
        TEST(a_worker_that_died_idle_comes_back_once_and_then_for_the_next_job),
        TEST(it_comes_back_for_a_job_that_another_worker_got_too),
        TEST(who_waits_for_a_broken_action_is_told_why),
        TEST(a_broken_action_is_not_started_for_each_job),
        TEST(a_trial_that_starts_ends_the_broken_state),
        TEST(a_broken_pool_tries_with_one_worker_at_a_time),
        TEST(activations_that_end_their_workers_cost_themselves_only),
        TEST(deaths_between_answers_do_not_make_it_broken),
        TEST(a_death_while_idle_counts_after_one_that_cost_an_activation),
        TEST(a_death_that_cost_an_activation_is_followed_by_a_start_whatever_was_before),
        TEST(a_death_after_a_long_life_is_the_first_in_a_row),
        TEST(starts_that_fail_make_it_broken_however_long_they_take),
        TEST(it_is_not_broken_while_another_worker_is_ready),
        TEST(a_job_that_nobody_reads_is_told_that_the_action_is_broken),
        TEST(jobs_that_come_back_keep_their_order),
    };

    return cmocka_run_group_tests_name("pool death", tests, NULL, NULL);
}
