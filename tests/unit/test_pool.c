/* Who gets which activation and when; what a death costs; what is refused, late or given up. */

#include "test.h"

#include "pool_fixture.h"

#define END SENTINEL "\n"

/* ---- the first start ---- */

static void the_owner_hears_once_that_the_action_is_ready(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    (void)run(f, "line3:{};exit:0");
    (void)run(f, "line3:{}");
    assert_int_equal(f->n_started, 1);
    assert_int_equal(f->start_err.kind, ERR_NONE);
}

static void the_owner_hears_why_a_start_failed(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, true, "line3:{\"ok\":false,\"error\":\"why\"}", NULL));
    assert_int_equal(f->start_err.kind, ERR_CODE);
    assert_string_equal(f->start_err.text, "why");
    assert_int_equal(pool_n_processes(f->pool), 0);
}

static void the_owner_hears_of_a_program_that_is_missing(void **state)
{
    struct fixture *f = *state;

    start(f, launch_of("/nowhere/program"));
    assert_int_equal(f->start_err.kind, ERR_ACTION);
}

static void the_owner_hears_of_a_start_that_takes_too_long(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.start_ms = 20;
    start(f, launch_child(ANSWERS_FD3, true, "deaf", NULL));
    assert_int_equal(f->start_err.kind, ERR_LIMIT);
}

static void the_owner_hears_of_a_worker_that_closes_its_answers(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, false, "close3", "serve", NULL));
    assert_int_equal(f->start_err.kind, ERR_ACTION);
}

static void a_first_start_that_failed_is_not_repeated(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, true, "line2:started", "exit:1", NULL));
    loop_turn(f->loop, 20);
    assert_captured(&f->err, "started\n");
}

static void jobs_that_wait_for_the_first_start_run_after_it(void **state)
{
    struct fixture *f = *state;

    begin(f, serve());
    assert_answer(run(f, "line3:{\"a\":1}"), "{\"a\":1}");
}

/* ---- order and room ---- */

static void jobs_run_in_the_order_in_which_they_came(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    for (int i = 0; i < 10; i++)
        (void)submit(f, "line3:{}");
    loop_until(f->loop, all_are_done, f);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(f->tasks[i].place, i);
}

static void each_job_gets_its_own_answer(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 3;
    start(f, serve());
    for (int i = 0; i < TASKS_MAX; i++) {
        auto_free char *script = xasprintf("line3:{\"n\":%d}", i);

        (void)submit(f, script);
    }
    loop_until(f->loop, all_are_done, f);
    for (int i = 0; i < TASKS_MAX; i++) {
        auto_free char *wanted = xasprintf("{\"n\":%d}", i);

        assert_answer(&f->tasks[i], wanted);
    }
}

static bool two_processes_run(void *subject)
{
    return pool_n_processes(((struct fixture *)subject)->pool) == 2;
}

static bool one_is_done(void *subject)
{
    return ((struct fixture *)subject)->n_done == 1;
}

static void a_busy_worker_does_not_keep_the_others_from_working(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 2;
    start(f, serve());
    loop_until(f->loop, two_processes_run, f);
    (void)submit(f, "deaf");
    (void)submit(f, "line3:{}");
    loop_until(f->loop, one_is_done, f);
    assert_answer(&f->tasks[1], "{}");
    stop(f);
}

static void done_is_never_called_inside_a_call(void **state)
{
    struct fixture *f = *state; /* on_done() looks */

    start(f, serve());
    (void)submit(f, "line3:{}");
    (void)submit(f, "line3:{}");
    assert_int_equal(f->n_done, 0);
    stop(f);
    assert_int_equal(f->n_done, 0);
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->n_done, 2);
}

static void jobs_are_counted_until_they_are_done(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    assert_int_equal(pool_n_jobs(f->pool), 0);
    (void)submit(f, "line3:{}");
    (void)submit(f, "line3:{}");
    assert_int_equal(pool_n_jobs(f->pool), 2);
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(pool_n_jobs(f->pool), 0);
}

/* ---- the queue's bound ---- */

static void the_queue_takes_the_last_job_that_fits(void **state)
{
    struct fixture *f = *state;

    start_and_occupy(f, 3);
    for (int i = 0; i < 3; i++)
        assert_true(submit_until(f, "line3:{}", FAR_MS));
    stop(f);
}

static void the_queue_refuses_the_first_job_too_many(void **state)
{
    struct fixture *f = *state;

    start_and_occupy(f, 3);
    for (int i = 0; i < 3; i++)
        (void)submit(f, "line3:{}");
    assert_false(submit_until(f, "line3:{}", FAR_MS));
    assert_false(submit_until(f, "line3:{}", FAR_MS));
    stop(f);
}

static void a_job_for_a_free_worker_takes_no_place_in_the_queue(void **state)
{
    struct fixture *f = *state;

    f->opts.queue_max = 1;
    start(f, serve());
    assert_true(submit_until(f, "line3:{}", FAR_MS));
    assert_true(submit_until(f, "line3:{}", FAR_MS));
    assert_false(submit_until(f, "line3:{}", FAR_MS));
    loop_until(f->loop, all_are_done, f);
}

static void without_a_queue_a_free_worker_takes_one_job(void **state)
{
    struct fixture *f = *state;

    f->opts.queue_max = 0;
    start(f, serve());
    assert_true(submit_until(f, "line3:{}", FAR_MS));
    assert_false(submit_until(f, "line3:{}", FAR_MS));
    loop_until(f->loop, all_are_done, f);
    assert_true(submit_until(f, "line3:{}", FAR_MS));
    loop_until(f->loop, all_are_done, f);
}

static void without_a_queue_a_worker_that_died_idle_is_started_again(void **state)
{
    struct fixture *f = *state;

    f->opts.queue_max = 0;
    start(f, serve());
    spawn_kill(f->pool->workers[0].worker.pid, SIGKILL);
    loop_until(f->loop, nothing_runs, f);
    assert_true(submit_until(f, "line3:{\"a\":1}", FAR_MS));
    loop_until(f->loop, all_are_done, f);
    assert_answer(&f->tasks[0], "{\"a\":1}");
}

/* ---- deadlines ---- */

static void a_job_that_waits_past_its_deadline_is_late(void **state)
{
    struct fixture *f = *state;

    start_and_occupy(f, 10);
    assert_true(submit_until(f, "line2:ran;line3:{}", 20));
    loop_until(f->loop, one_is_done, f);
    assert_int_equal(f->tasks[1].job.outcome, JOB_LATE);
    assert_captured(&f->out, END);
    assert_captured(&f->err, END);
    stop(f);
}

static void the_soonest_deadline_counts_whatever_the_order(void **state)
{
    struct fixture *f = *state;

    start_and_occupy(f, 10);
    assert_true(submit_until(f, "line3:{}", FAR_MS));
    assert_true(submit_until(f, "line3:{}", 20));
    loop_until(f->loop, one_is_done, f);
    assert_int_equal(f->tasks[2].job.outcome, JOB_LATE);
    assert_int_equal(f->tasks[1].n_done, 0);
    stop(f);
}

static bool two_are_done(void *subject)
{
    return ((struct fixture *)subject)->n_done == 2;
}

static void each_deadline_in_the_queue_is_kept(void **state)
{
    struct fixture *f = *state;

    start_and_occupy(f, 10);
    assert_true(submit_until(f, "line3:{}", 20));
    assert_true(submit_until(f, "line3:{}", 40));
    loop_until(f->loop, two_are_done, f);
    assert_int_equal(f->tasks[1].job.outcome, JOB_LATE);
    assert_int_equal(f->tasks[2].job.outcome, JOB_LATE);
    stop(f);
}

static void a_job_that_runs_past_its_deadline_is_late_and_the_next_one_runs(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    assert_true(submit_until(f, "deaf", 20));
    (void)submit(f, "line3:{\"a\":2}");
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_LATE);
    assert_answer(&f->tasks[1], "{\"a\":2}");
}

static void a_job_that_is_late_on_arrival_is_not_run(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    assert_true(submit_until(f, "line1:ran;line3:{}", 0));
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_LATE);
    assert_captured(&f->out, END);
}

/* ---- death and restart ---- */

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
    while (!f->pool->workers[0].worker.announced)
        loop_turn(f->loop, 1);
    {
        auto_free char *text = capture_text(&f->err);

        assert_int_equal(count_of("started\n", text), 2);
    }
}

static void a_worker_that_died_idle_waits_for_the_next_job(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    spawn_kill(f->pool->workers[0].worker.pid, SIGKILL);
    loop_until(f->loop, nothing_runs, f);
    loop_turn(f->loop, 20);
    assert_int_equal(pool_n_processes(f->pool), 0);
    assert_answer(run(f, "line3:{\"a\":1}"), "{\"a\":1}");
}

/* A launch that works once: the first start finds the file, and removes it with its first line. */
static struct launch launch_that_works_once(char *path)
{
    struct launch launch = launch_of("sh");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    fd_close(&fd);
    strv_push(&launch.argv, xstrdup("-c"));
    strv_push(&launch.argv,
              xasprintf("echo started >&2; test -e %s || exit 1; echo '{\"ok\":true}' "
                        ">&3; read line; rm %s; echo '{}' >&3; exit 1",
                        path, path));
    launch.answers = ANSWERS_FD3;
    launch.reports_ready = true;
    return launch;
}

static bool a_start_failed(void *subject)
{
    return ((struct fixture *)subject)->pool->workers[0].start_failed;
}

static void a_restart_that_failed_is_repeated_for_the_next_job_only(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/whisk-test-XXXXXX";
    auto_free char *text = NULL;

    start(f, launch_that_works_once(path));
    assert_answer(run(f, "line"), "{}");
    loop_until(f->loop, a_start_failed, f);
    loop_turn(f->loop, 20);
    text = capture_text(&f->err);
    assert_int_equal(count_of("started\n", text), 2);
    assert_int_equal(run(f, "line")->job.outcome, JOB_UNSTARTED);
    assert_int_equal(run(f, "line")->job.outcome, JOB_UNSTARTED);
    free(text);
    text = capture_text(&f->err);
    assert_int_equal(count_of("started\n", text), 4);
}

static void all_who_wait_are_told_why_a_restart_failed(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/whisk-test-XXXXXX";
    auto_free char *text = NULL;

    start(f, launch_that_works_once(path));
    for (int i = 0; i < 4; i++)
        (void)submit(f, "line");
    loop_until(f->loop, all_are_done, f);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(f->tasks[i].job.outcome, JOB_UNSTARTED);
        assert_string_equal(f->tasks[i].job.reason,
                            "Command exited abruptly during initialization.");
    }
    text = capture_text(&f->out);
    assert_int_equal(count_of(END, text), 4);
}

static void a_job_that_nobody_reads_is_tried_twice_and_not_for_ever(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.settle_ms = 1;
    start(f, launch_child(ANSWERS_FD3, true, OK, "nap:20", "exit:0", NULL));
    assert_int_equal(run(f, "never read")->job.outcome, JOB_DIED);
    assert_int_equal(f->tasks[0].job.n_returned, 1);
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
        TEST(the_owner_hears_once_that_the_action_is_ready),
        TEST(the_owner_hears_why_a_start_failed),
        TEST(the_owner_hears_of_a_program_that_is_missing),
        TEST(the_owner_hears_of_a_start_that_takes_too_long),
        TEST(the_owner_hears_of_a_worker_that_closes_its_answers),
        TEST(a_first_start_that_failed_is_not_repeated),
        TEST(jobs_that_wait_for_the_first_start_run_after_it),
        TEST(jobs_run_in_the_order_in_which_they_came),
        TEST(each_job_gets_its_own_answer),
        TEST(a_busy_worker_does_not_keep_the_others_from_working),
        TEST(done_is_never_called_inside_a_call),
        TEST(jobs_are_counted_until_they_are_done),
        TEST(the_queue_takes_the_last_job_that_fits),
        TEST(the_queue_refuses_the_first_job_too_many),
        TEST(a_job_for_a_free_worker_takes_no_place_in_the_queue),
        TEST(without_a_queue_a_free_worker_takes_one_job),
        TEST(without_a_queue_a_worker_that_died_idle_is_started_again),
        TEST(a_job_that_waits_past_its_deadline_is_late),
        TEST(the_soonest_deadline_counts_whatever_the_order),
        TEST(each_deadline_in_the_queue_is_kept),
        TEST(a_job_that_runs_past_its_deadline_is_late_and_the_next_one_runs),
        TEST(a_job_that_is_late_on_arrival_is_not_run),
        TEST(a_death_costs_the_job_that_ran_and_no_other),
        TEST(a_worker_that_worked_is_started_again_at_once),
        TEST(a_worker_that_died_idle_waits_for_the_next_job),
        TEST(a_restart_that_failed_is_repeated_for_the_next_job_only),
        TEST(all_who_wait_are_told_why_a_restart_failed),
        TEST(a_job_that_nobody_reads_is_tried_twice_and_not_for_ever),
        TEST(jobs_that_come_back_keep_their_order),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
