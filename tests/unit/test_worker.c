/* The states of a worker: what ends them, and what an end, a delay or a stop does in each. */

#include "test.h"

#include "worker_fixture.h"

/* ---- starting ---- */

static void a_worker_that_waits_for_input_is_ready(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(worker_room(&f->worker), 1);
    assert_int_equal(f->worker.start_err.kind, ERR_NONE);
}

static void a_worker_that_is_starting_takes_no_jobs(void **state)
{
    struct fixture *f = *state;

    make(f, serve(ANSWERS_FD3));
    assert_int_equal(worker_room(&f->worker), 0);
    worker_start(&f->worker);
    assert_int_equal(f->worker.state, WORKER_STARTING);
    assert_int_equal(worker_room(&f->worker), 0);
}

static void a_worker_that_is_never_seen_waiting_is_ready_in_the_end(void **state)
{
    struct fixture *f = *state;

    f->opts.settle_ms = 1;
    start(f, launch_child(ANSWERS_FD3, false, "spin", NULL));
    assert_int_equal(worker_room(&f->worker), 1);
}

/* On a busy machine a start takes longer than the settle time: what it says last is no answer. */
static void a_worker_at_work_is_given_more_time_to_settle(void **state)
{
    struct fixture *f = *state;

    f->opts.settle_ms = 50;
    start(f, launch_child(ANSWERS_FD3, false, "spin:100", OK, "serve", NULL));
    assert_answer(run(f, "line3:{\"a\":1}"), "{\"a\":1}");
}

/* Its time is that of the processor: ten times 40 ms are over long before it has used them, even if
 * the machine stops for a moment, which counts as use. */
static void a_worker_that_gets_no_processor_is_given_more_time_to_settle(void **state)
{
    struct fixture *f = *state;

    f->opts.settle_ms = 40;
    start_in_vain(f, launch_child(ANSWERS_FD3, false, "starve", "spin:450", "exit:1", NULL));
    assert_string_equal(f->worker.start_err.text, "command exited");
}

static void a_worker_that_must_report_is_ready_with_its_line(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, true, OK, "serve", NULL));
    assert_int_equal(f->worker.session.pacing.pipeline, 0);
}

static void a_report_that_takes_its_time_is_waited_for(void **state)
{
    struct fixture *f = *state;

    f->opts.settle_ms = 1;
    start(f, launch_child(ANSWERS_FD3, true, "nap:20", OK, "serve", NULL));
}

static void a_report_may_tell_what_the_launcher_can_do(void **state)
{
    struct fixture *f = *state;

    start(f,
          launch_child(ANSWERS_STDOUT, true, "line1:{\"ok\":true,\"pipeline\":64}", "serve", NULL));
    assert_int_equal(f->worker.session.pacing.pipeline, 64);
}

static void wrong_reports_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *step;
        const char *why;
        enum err_kind kind; /* the launcher's own words are told apart: they are for the client */
    } cases[] = {
        {"line3:{\"ok\":false}", "The action did not initialize properly.", ERR_ACTION},
        {"line3:{\"ok\":1}", "The action did not initialize properly.", ERR_ACTION},
        {"line3:{}", "The action did not initialize properly.", ERR_ACTION},
        {"line3:[]", "The action did not initialize properly.", ERR_ACTION},
        {"line3:{\"ok\":false,\"error\":\"no \\u0061ction\"}", "no action", ERR_CODE},
        {"line3:{\"ok\":false,\"error\":7}", "The action did not initialize properly.", ERR_ACTION},
        {"line3:hello", "invalid character 'h' looking for beginning of value", ERR_ACTION},
        {"line3:{", "unexpected end of JSON input", ERR_ACTION},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;

        (void)set_up((void **)&f);
        start_in_vain(f, launch_child(ANSWERS_FD3, true, cases[i].step, "serve", NULL));
        assert_int_equal(f->worker.start_err.kind, cases[i].kind);
        assert_string_equal(f->worker.start_err.text, cases[i].why);
        assert_false(f->was_ready);
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void a_report_that_is_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    auto_free char *fill = xasprintf("fill3:%d", 2 * ANSWER_MAX_BYTES);

    start_in_vain(f, launch_child(ANSWERS_FD3, true, fill, "serve", NULL));
    assert_string_equal(f->worker.start_err.text, "The action did not initialize properly.");
}

static void a_report_that_never_comes_is_not_waited_for_forever(void **state)
{
    struct fixture *f = *state;

    f->opts.start_ms = 20;
    start_in_vain(f, launch_child(ANSWERS_FD3, true, "deaf", NULL));
    assert_int_equal(f->worker.start_err.kind, ERR_TIMEOUT);
    assert_non_null(strstr(f->worker.start_err.text, "20 ms"));
}

static void what_is_said_after_a_start_was_given_up_changes_nothing(void **state)
{
    struct fixture *f = *state;

    f->opts.start_ms = 20;
    start_in_vain(f, launch_child(ANSWERS_FD3, true, "polite3:{\"ok\":false}", "deaf", NULL));
    assert_int_equal(f->worker.start_err.kind, ERR_TIMEOUT);
}

static void a_worker_that_dies_before_its_report_failed_to_start(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, launch_child(ANSWERS_FD3, true, "exit:3", NULL));
    assert_int_equal(f->worker.start_err.kind, ERR_ACTION);
    assert_string_equal(f->worker.start_err.text, "Command exited abruptly during initialization.");
}

static void a_worker_that_dies_at_once_failed_to_start(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, launch_child(ANSWERS_FD3, false, "exit:0", NULL));
    assert_string_equal(f->worker.start_err.text, "command exited");
}

static void a_worker_that_closes_its_answers_failed_to_start(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, launch_child(ANSWERS_FD3, false, "close3", "serve", NULL));
    assert_int_equal(f->worker.start_err.kind, ERR_ACTION);
    assert_string_equal(f->worker.start_err.text, "command exited");
}

static void a_worker_that_closes_its_answers_instead_of_a_report_failed_to_start(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, launch_child(ANSWERS_FD3, true, "close3", "serve", NULL));
    assert_int_equal(f->worker.start_err.kind, ERR_ACTION);
}

static void the_last_words_of_a_failed_start_are_logged(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, launch_child(ANSWERS_FD3, true, "line1:out", "write2:why", "exit:1", NULL));
    assert_captured(&f->out, "out\n");
    assert_captured(&f->err, "why\n");
}

static void a_program_that_is_missing_leaves_the_worker_down(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, spec_of("/nowhere/program"));
    assert_int_equal(f->worker.pid, 0);
    assert_int_equal(f->worker.start_err.kind, ERR_ACTION);
    assert_string_equal(f->worker.start_err.text, "command exited");
}

static void a_program_that_is_missing_says_what_is_needed(void **state)
{
    struct fixture *f = *state;
    struct exec_spec spec = spec_of("no-such-program");

    spec.shortfall = xstrdup("the package p");
    start_in_vain(f, spec);
    assert_non_null(strstr(f->worker.start_err.text, "the package p"));
}

static void a_worker_can_be_stopped_while_it_starts(void **state)
{
    struct fixture *f = *state;

    make(f, launch_child(ANSWERS_FD3, true, "deaf", NULL));
    worker_start(&f->worker);
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
    assert_false(f->was_ready);
    assert_int_equal(f->worker.start_err.kind, ERR_NONE);
}

/* ---- ready ---- */

static void a_worker_that_dies_idle_is_down(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    spawn_kill(f->worker.pid, SIGKILL);
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->n_finished, 0);
    assert_int_equal(f->worker.pid, 0);
    assert_int_equal(f->worker.start_err.kind, ERR_NONE);
}

static void a_worker_that_works_takes_no_other_job(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)give(f, "deaf");
    assert_int_equal(worker_room(&f->worker), 0);
}

static void a_worker_that_is_late_is_stopped(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    start(f, serve(ANSWERS_FD3));
    job = give_until(f, "deaf", 20);
    loop_until(f->loop, is_down, f);
    assert_int_equal(job->outcome, JOB_LATE);
    assert_int_equal(f->n_finished, 1);
}

static void a_worker_that_closes_its_answers_is_stopped(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    start(f, serve(ANSWERS_FD3));
    job = give(f, "close3;deaf");
    loop_until(f->loop, is_down, f);
    assert_int_equal(job->outcome, JOB_DIED);
}

static void a_worker_that_closes_its_input_is_stopped(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, true, "close0", OK, "deaf", NULL));
    (void)give(f, "line3:{}");
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->n_returned, 1);
    assert_int_equal(f->n_finished, 0);
}

static void a_worker_that_works_can_be_stopped(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    start(f, serve(ANSWERS_FD3));
    job = give(f, "deaf");
    loop_until(f->loop, nothing_is_unread, f);
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
    assert_int_equal(job->outcome, JOB_STOPPED);
}

static void an_idle_worker_can_be_stopped(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    worker_stop(&f->worker);
    assert_int_equal(worker_room(&f->worker), 0);
    loop_until(f->loop, is_down, f);
}

static void a_worker_that_never_stops_talking_can_be_stopped(void **state)
{
    static const enum answers modes[] = {ANSWERS_AUTO, ANSWERS_STDOUT, ANSWERS_FD3};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct fixture *f;
        struct job *job;

        (void)set_up((void **)&f);
        start(f, serve(modes[i]));
        job = give(f, "flood1");
        loop_until(f->loop, nothing_is_unread, f);
        worker_stop(&f->worker);
        loop_until(f->loop, is_down, f);
        assert_int_equal(job->outcome, JOB_STOPPED);
        (void)tear_down((void **)&f);
    }
    (void)state;
}

/* ---- stopping ---- */

static void a_worker_that_ignores_sigterm_is_killed(void **state)
{
    struct fixture *f = *state;

    f->opts.kill_ms = 20;
    start(f, launch_child(ANSWERS_FD3, false, "stubborn", "serve", NULL));
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
}

static void without_a_grace_time_a_worker_is_killed_at_once(void **state)
{
    struct fixture *f = *state;

    f->opts.kill_ms = 0;
    start(f, launch_child(ANSWERS_FD3, false, "stubborn", "serve", NULL));
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
}

static void a_worker_that_is_late_and_ignores_sigterm_is_killed(void **state)
{
    struct fixture *f = *state;

    f->opts.kill_ms = 20;
    start(f, launch_child(ANSWERS_FD3, false, "stubborn", "serve", NULL));
    (void)give_until(f, "deaf", 20);
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->n_finished, 1);
}

static void a_worker_may_say_last_words_when_it_is_stopped(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, false, "polite2:bye", "serve", NULL));
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
    assert_captured(&f->err, "bye\n");
}

static void a_worker_that_dies_while_it_is_stopped_is_down(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, false, "stubborn", "serve", NULL));
    worker_stop(&f->worker);
    loop_until(f->loop, is_stopping, f);
    spawn_kill(f->worker.pid, SIGKILL);
    loop_until(f->loop, is_down, f);
}

static void stopping_twice_is_harmless(void **state)
{
    struct fixture *f = *state;

    f->opts.kill_ms = 20;
    start(f, launch_child(ANSWERS_FD3, false, "stubborn", "serve", NULL));
    worker_stop(&f->worker);
    loop_until(f->loop, is_stopping, f);
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
}

/* ---- down, and up again ---- */

static void a_worker_can_be_started_again(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_AUTO));
    assert_int_equal(run(f, "line1:{\"a\":1};exit:0")->outcome, JOB_ANSWERED);
    loop_until(f->loop, is_down, f);
    worker_start(&f->worker);
    assert_answer(run(f, "line3:{\"a\":2}"), "{\"a\":2}");
}

static void a_worker_can_be_started_again_after_a_failure(void **state)
{
    struct fixture *f = *state;

    start_in_vain(f, launch_child(ANSWERS_FD3, true, "exit:1", NULL));
    worker_start(&f->worker);
    assert_int_equal(f->worker.start_err.kind, ERR_NONE);
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->worker.start_err.kind, ERR_ACTION);
}

static void what_a_dead_worker_started_in_its_group_ends_too(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    start(f, serve(ANSWERS_FD3));
    job = run(f, "grandchild:deaf;exit:0");
    loop_until(f->loop, is_down, f);
    assert_int_equal(job->outcome, JOB_DIED);
}

static void a_process_that_keeps_the_pipes_does_not_keep_the_worker(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "runaway:deaf;exit:0");
    loop_until(f->loop, is_down, f);
}

static void a_process_that_floods_the_pipes_does_not_keep_the_loop(void **state)
{
    static const char *const scripts[] = {"runaway:flood1;exit:0", "runaway:flood2;exit:0",
                                          "runaway:flood3;exit:0"};
    static const enum answers modes[] = {ANSWERS_FD3, ANSWERS_STDOUT, ANSWERS_AUTO};

    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++)
        for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
            struct fixture *f;

            (void)set_up((void **)&f);
            start(f, serve(modes[mode]));
            (void)run(f, scripts[i]);
            loop_until(f->loop, is_down, f);
            (void)tear_down((void **)&f);
        }
    (void)state;
}

static void a_worker_that_still_runs_can_be_freed(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    worker_done(&f->worker);
    worker_done(&f->worker);
    assert_int_equal(f->worker.state, WORKER_DOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_worker_that_waits_for_input_is_ready),
        TEST(a_worker_that_is_starting_takes_no_jobs),
        TEST(a_worker_that_is_never_seen_waiting_is_ready_in_the_end),
        TEST(a_worker_at_work_is_given_more_time_to_settle),
        TEST(a_worker_that_gets_no_processor_is_given_more_time_to_settle),
        TEST(a_worker_that_must_report_is_ready_with_its_line),
        TEST(a_report_that_takes_its_time_is_waited_for),
        TEST(a_report_may_tell_what_the_launcher_can_do),
        TEST(wrong_reports_are_refused_with_a_reason),
        TEST(a_report_that_is_too_long_is_refused),
        TEST(a_report_that_never_comes_is_not_waited_for_forever),
        TEST(what_is_said_after_a_start_was_given_up_changes_nothing),
        TEST(a_worker_that_dies_before_its_report_failed_to_start),
        TEST(a_worker_that_dies_at_once_failed_to_start),
        TEST(a_worker_that_closes_its_answers_failed_to_start),
        TEST(a_worker_that_closes_its_answers_instead_of_a_report_failed_to_start),
        TEST(the_last_words_of_a_failed_start_are_logged),
        TEST(a_program_that_is_missing_leaves_the_worker_down),
        TEST(a_program_that_is_missing_says_what_is_needed),
        TEST(a_worker_can_be_stopped_while_it_starts),
        TEST(a_worker_that_dies_idle_is_down),
        TEST(a_worker_that_works_takes_no_other_job),
        TEST(a_worker_that_is_late_is_stopped),
        TEST(a_worker_that_closes_its_answers_is_stopped),
        TEST(a_worker_that_closes_its_input_is_stopped),
        TEST(a_worker_that_works_can_be_stopped),
        TEST(an_idle_worker_can_be_stopped),
        TEST(a_worker_that_never_stops_talking_can_be_stopped),
        TEST(a_worker_that_ignores_sigterm_is_killed),
        TEST(without_a_grace_time_a_worker_is_killed_at_once),
        TEST(a_worker_that_is_late_and_ignores_sigterm_is_killed),
        TEST(a_worker_may_say_last_words_when_it_is_stopped),
        TEST(a_worker_that_dies_while_it_is_stopped_is_down),
        TEST(stopping_twice_is_harmless),
        TEST(a_worker_can_be_started_again),
        TEST(a_worker_can_be_started_again_after_a_failure),
        TEST(what_a_dead_worker_started_in_its_group_ends_too),
        TEST(a_process_that_keeps_the_pipes_does_not_keep_the_worker),
        TEST(a_process_that_floods_the_pipes_does_not_keep_the_loop),
        TEST(a_worker_that_still_runs_can_be_freed),
    };

    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
