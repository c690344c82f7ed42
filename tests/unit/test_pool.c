/* Who gets which activation and when; what is refused, late or given up. */

#include "test.h"

#include "pool_fixture.h"

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

    start(f, spec_of("/nowhere/program"));
    assert_int_equal(f->start_err.kind, ERR_ACTION);
}

static void the_owner_hears_of_a_start_that_takes_too_long(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.start_ms = 20;
    start(f, launch_child(ANSWERS_FD3, true, "deaf", NULL));
    assert_int_equal(f->start_err.kind, ERR_TIMEOUT);
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

static bool two_are_ready(void *subject)
{
    const struct pool *pool = ((struct fixture *)subject)->pool;

    return worker_is_ready(&pool->workers[0].worker) && worker_is_ready(&pool->workers[1].worker);
}

#define MANY 10 /* enough for light work not to be spread */

/* All but the long activation and the one whose line went ahead to the same worker. */
static bool all_but_two_are_done(void *subject)
{
    return ((struct fixture *)subject)->n_done == MANY - 2;
}

/* Light work stays with one worker even if its window is full, but not behind a long activation. */
static void a_worker_whose_light_work_turns_long_does_not_keep_the_others_from_working(void **state)
{
    struct fixture *f = *state;
    struct pacing *pacing;

    f->opts.n_workers = 2;
    f->opts.worker.vouched = f->opts.worker.ahead_max = 2;
    start(f, serve());
    loop_until(f->loop, two_are_ready, f);
    pacing = &f->pool->workers[0].worker.session.pacing;
    pacing->work_ns = 1000; /* as after many light activations */
    pacing->n_silent = 1000;
    (void)submit(f, "deaf");
    for (unsigned i = 1; i < MANY; i++)
        (void)submit(f, "line3:{}");
    loop_until(f->loop, all_but_two_are_done, f);
    assert_int_equal(f->tasks[0].n_done, 0);
    assert_answer(&f->tasks[MANY - 1], "{}");
    stop(f);
}

/* Start two workers that write lines ahead, the first of which had so many quick activations. */
static void start_two(struct fixture *f, unsigned n_quick)
{
    struct pacing *pacing;

    f->opts.n_workers = f->opts.n_light = 2;
    f->opts.worker.vouched = f->opts.worker.ahead_max = 8;
    start(f, serve());
    loop_until(f->loop, two_are_ready, f);
    pacing = &f->pool->workers[0].worker.session.pacing;
    pacing->work_ns = 1000;
    pacing->least_ns = 1000;
    pacing->n_silent = 1000;
    pacing->n_quick = n_quick;
    for (int i = 0; i < 3; i++)
        (void)submit(f, "line3:{}");
    loop_until(f->loop, all_are_done, f);
}

static void a_few_light_jobs_wake_one_worker_only(void **state)
{
    struct fixture *f = *state;

    start_two(f, 5000);
    assert_true(worker_got_line(&f->pool->workers[0].worker));
    assert_false(worker_got_line(&f->pool->workers[1].worker));
    stop(f);
}

static void a_few_jobs_that_may_take_long_are_spread(void **state)
{
    struct fixture *f = *state;

    start_two(f, 4000);
    assert_true(worker_got_line(&f->pool->workers[1].worker));
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
    kill_idle(f);
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

static bool both_are_ready(void *subject)
{
    const struct pool_worker *workers = ((struct fixture *)subject)->pool->workers;

    return workers[0].worker.state == WORKER_READY && workers[1].worker.state == WORKER_READY;
}

/* It was written ahead to a worker that did not come to it, and its time ended with the other's. */
static void a_job_that_comes_back_late_is_given_to_no_other_worker(void **state)
{
    struct fixture *f = *state;
    pid_t pid;

    f->opts.n_workers = 2;
    f->opts.worker.ahead_max = 64;
    start(f, launch_child(ANSWERS_FD3, true, "line3:{\"ok\":true,\"pipeline\":64}", "serve", NULL));
    loop_until(f->loop, both_are_ready, f);
    for (int i = 0; i < 2; i++) {
        f->pool->workers[i].worker.session.pacing.n_silent = 1000;
        f->pool->workers[i].worker.session.pacing.work_ns = 1000;
    }
    pid = f->pool->workers[1].worker.pid;
    assert_true(submit_until(f, "deaf", 100));
    assert_true(submit_until(f, "nap:10;line3:{}", FAR_MS));
    assert_true(submit_until(f, "line3:{}", 100)); /* behind the first one */
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_LATE);
    assert_answer(&f->tasks[1], "{}");
    assert_int_equal(f->tasks[2].job.outcome, JOB_LATE);
    assert_int_equal(f->pool->workers[1].worker.pid, pid);
    assert_int_equal(f->pool->workers[1].worker.state, WORKER_READY);
}

static void a_cancelled_job_in_the_queue_ends_at_once(void **state)
{
    struct fixture *f = *state;
    struct task *task;

    start_and_occupy(f, TASKS_MAX);
    task = submit(f, "line3:{}");
    job_cancel(&task->job);
    loop_until(f->loop, one_is_done, f);
    assert_int_equal(task->n_done, 1);
    assert_int_equal(task->job.outcome, JOB_CANCELLED);
}

static void a_cancelled_job_that_comes_back_is_given_to_no_other_process(void **state)
{
    struct fixture *f = *state;
    struct task *task;

    start(f, launch_child(ANSWERS_FD3, true, OK, "deaf", NULL));
    task = submit(f, "never read");
    loop_until(f->loop, one_runs, f);
    job_cancel(&task->job);
    spawn_kill(f->pool->workers[0].worker.pid, SIGKILL);
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(task->job.outcome, JOB_CANCELLED);
}

/* It was given to a process that was elsewhere; what it says in the end is nobody's. */
static void an_activation_that_was_given_up_makes_room_once_it_is_answered(void **state)
{
    struct fixture *f = *state;
    auto_free char *stop = xasprintf("line3:{\"n\":1};kill:%d", SIGSTOP);
    pid_t pid;
    struct task *last;

    start(f, serve());
    pid = f->pool->workers[0].worker.pid;
    assert_answer(run(f, stop), "{\"n\":1}");
    assert_true(submit_until(f, "line3:{\"n\":2}", 20));
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[1].job.outcome, JOB_LATE);
    last = submit(f, "line3:{\"n\":3}");
    spawn_kill(pid, SIGCONT);
    loop_until(f->loop, all_are_done, f);
    assert_answer(last, "{\"n\":3}");
}

/* What a process logs that is killed, or dies, does not tell where the others answer. */
static void a_log_line_of_a_process_that_ended_does_not_fix_the_answers(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_AUTO, false, "serve", NULL));
    assert_true(submit_until(f, "line1:{\"log\":1};deaf", 20));
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_LATE);
    assert_answer(run(f, "line1:{\"log\":2};exit:0"), "{\"log\":2}");
    assert_answer(run(f, "line1:{\"log\":3};line3:{\"n\":3}"), "{\"n\":3}");
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
        TEST(a_worker_whose_light_work_turns_long_does_not_keep_the_others_from_working),
        TEST(a_few_light_jobs_wake_one_worker_only),
        TEST(a_few_jobs_that_may_take_long_are_spread),
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
        TEST(a_job_that_comes_back_late_is_given_to_no_other_worker),
        TEST(a_cancelled_job_in_the_queue_ends_at_once),
        TEST(a_cancelled_job_that_comes_back_is_given_to_no_other_process),
        TEST(an_activation_that_was_given_up_makes_room_once_it_is_answered),
        TEST(a_log_line_of_a_process_that_ended_does_not_fix_the_answers),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
