/* No answer reaches an activation that it does not belong to. */

#include "test.h"

#include <sys/wait.h>

#include "worker_fixture.h"

static bool has_only_prefix(void *subject)
{
    return window_has_only_prefix(&((struct fixture *)subject)->worker.session.window);
}

static void a_second_answer_at_once_is_dropped(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_answer(run(f, "line3:{\"n\":1};line3:{\"stale\":1}"), "{\"n\":1}");
    assert_answer(run(f, "line3:{\"n\":2}"), "{\"n\":2}");
    assert_int_equal(f->worker.session.channel.n_stale, 1);
}

static void a_second_answer_after_a_pause_is_dropped(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_answer(run(f, "line3:{\"n\":1};nap:20;line3:{\"stale\":1}"), "{\"n\":1}");
    assert_answer(run(f, "line3:{\"n\":2}"), "{\"n\":2}");
}

static void many_second_answers_are_all_dropped(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    for (int i = 0; i < JOBS_MAX; i++) {
        auto_free char *script =
            xasprintf("line3:{\"n\":%d};line3:{\"stale\":1};nap:2;line3:{\"stale\":2}", i);
        auto_free char *wanted = xasprintf("{\"n\":%d}", i);

        assert_answer(run(f, script), wanted);
    }
}

static void a_second_answer_on_stdout_is_log_of_its_own_activation_or_later(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = NULL;

    start(f, serve(ANSWERS_STDOUT));
    assert_answer(run(f, "line1:{\"n\":1};nap:20;line1:{\"stale\":1}"), "{\"n\":1}");
    assert_answer(run(f, "line1:{\"n\":2}"), "{\"n\":2}");
    text = capture_text(&f->out);
    assert_int_equal(count_of("{\"stale\":1}\n", text), 1);
}

static void a_late_acknowledgement_is_no_answer(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, false, "nap:20", OK, "serve", NULL));
    assert_answer(run(f, "line3:{\"n\":1}"), "{\"n\":1}");
}

static void an_acknowledgement_at_once_is_no_answer(void **state)
{
    static const enum answers modes[] = {ANSWERS_FD3, ANSWERS_AUTO};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct fixture *f;

        (void)set_up((void **)&f);
        start(f, launch_child(modes[i], false, OK, "serve", NULL));
        assert_answer(run(f, "line3:{\"n\":1}"), "{\"n\":1}");
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void one_that_announces_a_pipeline_amid_a_prefix_gets_the_rest_of_the_line(void **state)
{
    struct fixture *f = *state;
    auto_free char *stop = xasprintf("kill:%d", SIGSTOP);
    struct job *job;

    f->opts.settle_ms = 1;
    start(f, launch_child(ANSWERS_FD3, false, stop, "write3:{\"ok\":true,\"pipeline\":64}\n",
                          "serve", NULL));
    job = give(f, "line3:{\"n\":1}");
    loop_until(f->loop, has_only_prefix, f);
    assert_int_equal(waitid(P_PID, (id_t)f->worker.pid, &(siginfo_t){0}, WSTOPPED | WNOWAIT), 0);
    spawn_kill(f->worker.pid, SIGCONT);
    loop_until(f->loop, all_came_back, f);
    assert_answer(job, "{\"n\":1}");
}

static void two_acknowledgements_are_no_answer(void **state)
{
    struct fixture *f = *state;

    start(f,
          launch_child(ANSWERS_FD3, true, "write3:{\"ok\":true}\n{\"ok\":true}\n", "serve", NULL));
    assert_answer(run(f, "line3:{\"n\":1}"), "{\"n\":1}");
}

static void an_unfinished_line_is_no_part_of_the_next_answer(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_answer(run(f, "line3:{\"n\":1};write3:{\"half"), "{\"n\":1}");
    assert_answer(run(f, "line3:{\"n\":2}"), "{\"n\":2}");
}

static void an_unfinished_log_line_is_no_part_of_the_next_answer(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_STDOUT));
    assert_answer(run(f, "line1:{\"n\":1};write1:half"), "{\"n\":1}");
    assert_answer(run(f, "line1:{\"n\":2}"), "{\"n\":2}");
    assert_captured(&f->out, SENTINEL "\nhalf\n" SENTINEL "\n");
}

static void json_logs_before_the_first_activation_are_no_answer(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_AUTO, false, "line1:{\"level\":\"info\"}", "serve", NULL));
    assert_answer(run(f, "line1:{\"n\":1}"), "{\"n\":1}");
}

static void answers_on_both_descriptors_count_once(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_AUTO));
    assert_answer(run(f, "line3:{\"n\":1};line1:{\"log\":1}"), "{\"n\":1}");
    assert_answer(run(f, "line1:{\"log\":2};line3:{\"n\":2}"), "{\"n\":2}");
    assert_answer(run(f, "line3:{\"n\":3}"), "{\"n\":3}");
}

/* What stands in its pipe meanwhile has no end, and cannot be begun. */
static void a_worker_that_does_not_come_back_to_its_input_begins_nothing(void **state)
{
    static const char *const scripts[] = {"line3:{\"n\":1};deaf", "line3:{\"n\":1};spin"};

    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct fixture *f;
        struct job *job;

        (void)set_up((void **)&f);
        start(f, serve(ANSWERS_FD3));
        (void)run(f, scripts[i]);
        job = give(f, "never read");
        loop_until(f->loop, has_only_prefix, f);
        worker_stop(&f->worker);
        loop_until(f->loop, all_came_back, f);
        assert_int_equal(job->outcome, JOB_PENDING);
        assert_int_equal(f->n_returned, 1);
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void one_that_does_not_come_back_to_its_input_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "line3:{\"n\":1};deaf");
    job = give_until(f, "never read", 20);
    hurry_ms = HURRY_MS;
    loop_until(f->loop, is_down, f);
    assert_int_equal(job->outcome, JOB_LATE);
}

static void an_answer_to_the_dead_is_no_answer_to_the_next(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "line3:{\"n\":1};line3:{\"stale\":1};exit:0");
    loop_until(f->loop, is_down, f);
    worker_start(&f->worker);
    assert_answer(run(f, "line3:{\"n\":2}"), "{\"n\":2}");
}

static void an_answer_after_the_deadline_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    start(f, launch_child(ANSWERS_FD3, false, "polite3:{\"late\":1}", "serve", NULL));
    job = give_until(f, "deaf", 20);
    loop_until(f->loop, is_down, f);
    assert_int_equal(job->outcome, JOB_LATE);
    assert_null(job->answer);
    worker_start(&f->worker);
    assert_answer(run(f, "line3:{\"n\":2}"), "{\"n\":2}");
}

static void a_second_answer_of_one_that_was_frozen_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct job *job;
    uint64_t until_ms;

    start(f, serve(ANSWERS_FD3));
    assert_answer(run(f, "line3:{\"n\":0}"), "{\"n\":0}");
    assert_answer(run(f, "line3:{\"n\":1};nap:30;line3:{\"stale\":1}"), "{\"n\":1}");
    spawn_kill(f->worker.pid, SIGSTOP);
    job = give(f, "line3:{\"n\":2}");
    until_ms = loop_now_ms(f->loop) + 100;
    while (loop_now_ms(f->loop) < until_ms)
        loop_turn(f->loop, 10);
    spawn_kill(f->worker.pid, SIGCONT);
    loop_until(f->loop, all_came_back, f);
    assert_answer(job, "{\"n\":2}");
}

static void a_refusal_before_the_first_activation_ends_the_worker(void **state)
{
    struct fixture *f = *state;

    f->opts.settle_ms = 1;
    start(f, launch_child(ANSWERS_FD3, false, "nap:50", "line3:{\"ok\":false}", "serve", NULL));
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->worker.start_err.kind, ERR_ACTION);
}

static void what_one_activation_logged_is_no_question_of_the_next(void **state)
{
    struct fixture *f = *state;

    f->opts.vouched = 64;
    start(f, serve(ANSWERS_STDOUT));
    assert_answer(run(f, "line1:{broken;line1:{\"n\":1}"), "{\"n\":1}");
    assert_int_equal(channel_oddity(&f->worker.session.channel), ODD_NOTHING);
    assert_answer(run(f, "nap:50;line1:{\"n\":2}"), "{\"n\":2}");
    assert_false(f->worker.session.window.sent_brace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_second_answer_at_once_is_dropped),
        TEST(a_second_answer_after_a_pause_is_dropped),
        TEST(many_second_answers_are_all_dropped),
        TEST(a_second_answer_on_stdout_is_log_of_its_own_activation_or_later),
        TEST(a_late_acknowledgement_is_no_answer),
        TEST(an_acknowledgement_at_once_is_no_answer),
        TEST(one_that_announces_a_pipeline_amid_a_prefix_gets_the_rest_of_the_line),
        TEST(two_acknowledgements_are_no_answer),
        TEST(an_unfinished_line_is_no_part_of_the_next_answer),
        TEST(an_unfinished_log_line_is_no_part_of_the_next_answer),
        TEST(json_logs_before_the_first_activation_are_no_answer),
        TEST(answers_on_both_descriptors_count_once),
        TEST(a_worker_that_does_not_come_back_to_its_input_begins_nothing),
        TEST(one_that_does_not_come_back_to_its_input_is_replaced),
        TEST(an_answer_to_the_dead_is_no_answer_to_the_next),
        TEST(an_answer_after_the_deadline_is_dropped),
        TEST(a_second_answer_of_one_that_was_frozen_is_dropped),
        TEST(what_one_activation_logged_is_no_question_of_the_next),
        TEST(a_refusal_before_the_first_activation_ends_the_worker),
    };

    return cmocka_run_group_tests_name("worker_gate", tests, NULL, NULL);
}
