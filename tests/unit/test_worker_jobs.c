/* What comes of an activation: its outcome, its log lines and its two sentinels. */

#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "worker_fixture.h"

#define END SENTINEL "\n"

/* ---- outcomes ---- */

static void an_answer_is_the_actions_own_bytes(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_answer(run(f, "line3:{ \"a\" : 1 } "), "{ \"a\" : 1 } ");
}

static void activations_are_answered_one_after_the_other(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_STDOUT));
    for (int i = 0; i < JOBS_MAX; i++) {
        auto_free char *script = xasprintf("line1:{\"n\":%d}", i);

        assert_answer(run(f, script), script + strlen("line1:"));
    }
    assert_int_equal(f->n_finished, JOBS_MAX);
}

static void an_action_that_exits_before_its_answer_died(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, "exit:0")->outcome, JOB_DIED);
}

static void an_action_that_is_killed_before_its_answer_died(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, "kill:9")->outcome, JOB_DIED);
}

static void an_action_that_exits_in_the_middle_of_its_answer_died(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, "write3:{\"a\":;exit:0")->outcome, JOB_DIED);
    assert_null(f->jobs[0].answer);
}

static void an_action_that_exits_after_its_answer_answered(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_answer(run(f, "line3:{\"a\":1};exit:1"), "{\"a\":1}");
}

static void an_action_that_exits_before_the_newline_answered(void **state)
{
    static const struct {
        enum answers answers;
        const char *script;
    } cases[] = {{ANSWERS_FD3, "write3:{\"a\":1};exit:1"},
                 {ANSWERS_STDOUT, "write1:{\"a\":1};exit:1"},
                 {ANSWERS_AUTO, "write1:{\"a\":1};exit:1"},
                 {ANSWERS_AUTO, "write3:{\"a\":1};exit:1"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;

        (void)set_up((void **)&f);
        start(f, serve(cases[i].answers));
        assert_answer(run(f, cases[i].script), "{\"a\":1}");
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void the_mark_of_a_failed_function_is_taken_off(void **state)
{
    static const struct {
        const char *ready;
        enum answers answers;
        const char *script;
        const char *answer;
        bool failed;
    } cases[] = {
        {"line1:{\"ok\":true,\"pipeline\":64}", ANSWERS_STDOUT, "line1:!{\"a\":1}", "{\"a\":1}",
         true},
        {"line1:{\"ok\":true,\"pipeline\":64}", ANSWERS_STDOUT, "line1:{\"a\":1}", "{\"a\":1}",
         false},
        {"line3:{\"ok\":true}", ANSWERS_FD3, "line3:!{\"a\":1}", "!{\"a\":1}", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;

        (void)set_up((void **)&f);
        start(f, launch_child(cases[i].answers, true, cases[i].ready, "serve", NULL));
        assert_answer(run(f, cases[i].script), cases[i].answer);
        assert_int_equal(f->jobs[0].failed, cases[i].failed);
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void an_answer_of_the_bound_is_taken(void **state)
{
    struct fixture *f = *state;
    auto_free char *script = xasprintf("fill3:%d;line3:", ANSWER_MAX_BYTES);

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, script)->outcome, JOB_ANSWERED);
    assert_int_equal(f->jobs[0].answer_len, ANSWER_MAX_BYTES);
}

static void an_answer_above_the_bound_is_too_long(void **state)
{
    struct fixture *f = *state;
    auto_free char *script = xasprintf("fill3:%d;line3:", ANSWER_MAX_BYTES + 1);

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, script)->outcome, JOB_TOO_LONG);
}

static void the_activation_after_an_answer_that_was_too_long_is_answered(void **state)
{
    struct fixture *f = *state;
    auto_free char *script = xasprintf("fill3:%d;line3:", 10 * ANSWER_MAX_BYTES);

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, script)->outcome, JOB_TOO_LONG);
    assert_answer(run(f, "line3:{\"a\":2}"), "{\"a\":2}");
}

static void a_line_larger_than_the_pipe_arrives_whole(void **state)
{
    struct fixture *f = *state;
    size_t n = 1 << 20;
    auto_free char *script = xmalloc(n + 64);

    memset(script, '#', n);
    (void)snprintf(script + n, 64, ";line3:{\"a\":1}");
    start(f, serve(ANSWERS_FD3));
    assert_answer(run(f, script), "{\"a\":1}");
}

static void an_action_that_answers_before_it_has_read_a_large_line_answered(void **state)
{
    struct fixture *f = *state;
    size_t n = 1 << 20;
    auto_free char *script = xmalloc(n + 1);

    memset(script, '#', n);
    script[n] = '\0';
    start(f, launch_child(ANSWERS_FD3, true, OK, "poll0", "line3:{\"a\":1}", "deaf", NULL));
    f->worker.session.pacing.pipeline = 1; /* it gets its line at once */
    assert_answer(run(f, script), "{\"a\":1}");
}

static void an_activation_past_its_deadline_is_late(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    start(f, serve(ANSWERS_FD3));
    job = give_until(f, "swallow", 20);
    loop_until(f->loop, all_came_back, f);
    assert_int_equal(job->outcome, JOB_LATE);
}

/* On descriptor 1 it waits behind the log, which nobody reads here. */
static void an_answer_that_came_in_time_is_not_late_though_the_log_is_full(void **state)
{
    struct fixture *f = *state;
    char bytes[4096] = {0};
    struct job *job;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(ends[1], bytes, sizeof(bytes)) > 0) {
    }
    capture_close(&f->out);
    f->out.fd = ends[1];
    output_init(&f->out.output, f->loop, f->out.fd);
    while (!output_is_full(&f->out.output))
        output_add(&f->out.output, f, bytes, sizeof(bytes));
    start(f, serve(ANSWERS_STDOUT));
    job = give_until(f, "line1:{\"a\":1}", 500);
    loop_until(f->loop, all_came_back, f);
    assert_answer(job, "{\"a\":1}");
    fd_close(&ends[0]);
}

static void an_activation_that_the_worker_does_not_even_read_is_late_too(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    start(f, launch_child(ANSWERS_FD3, true, OK, "deaf", NULL));
    job = give_until(f, "never read", 20);
    loop_until(f->loop, all_came_back, f);
    assert_int_equal(job->outcome, JOB_LATE);
}

/* ---- a worker that dies before it has read ---- */

static bool something_is_sent(void *subject)
{
    return ((struct fixture *)subject)->worker.session.window.n_written > 0;
}

static struct job *give_to_one_that_dies_unread(struct fixture *f, struct job *job)
{
    make(f, launch_child(ANSWERS_FD3, true, OK, "deaf", NULL));
    worker_start(&f->worker);
    loop_until(f->loop, is_ready, f);
    if (job == NULL)
        job = give(f, "never read");
    loop_until(f->loop, something_is_sent, f);
    spawn_kill(f->worker.pid, SIGKILL);
    loop_until(f->loop, is_down, f);
    return job;
}

static void an_activation_that_was_not_read_comes_back(void **state)
{
    struct fixture *f = *state;
    struct job *job = give_to_one_that_dies_unread(f, NULL);

    assert_int_equal(f->n_returned, 1);
    assert_int_equal(job->outcome, JOB_PENDING);
}

static void an_activation_that_comes_back_leaves_no_sentinel(void **state)
{
    struct fixture *f = *state;

    (void)give_to_one_that_dies_unread(f, NULL);
    assert_captured(&f->out, "");
    assert_captured(&f->err, "");
}

static void an_activation_that_was_read_in_part_does_not_come_back(void **state)
{
    struct fixture *f = *state;
    size_t n = 1 << 20;
    auto_free char *script = xmalloc(n + 1);
    struct job *job;

    memset(script, '#', n);
    script[n] = '\0';
    start(f, launch_child(ANSWERS_FD3, true, OK, "take:1", "exit:0", NULL));
    f->worker.session.pacing.pipeline = 1; /* it gets its line at once */
    job = give(f, script);
    loop_until(f->loop, all_came_back, f);
    assert_int_equal(job->outcome, JOB_DIED);
}

static void an_activation_of_which_a_prefix_was_read_comes_back(void **state)
{
    struct fixture *f = *state;

    start(f, launch_child(ANSWERS_FD3, true, OK, "poll0", "take:1", "exit:0", NULL));
    (void)give(f, "longer than what is read");
    loop_until(f->loop, all_came_back, f);
    assert_int_equal(f->n_returned, 1);
}

/* ---- logs and sentinels ---- */

static void an_activation_without_a_word_leaves_one_sentinel_on_each_stream(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "line3:{}");
    assert_captured(&f->out, END);
    assert_captured(&f->err, END);
}

static void log_lines_stand_before_the_sentinel(void **state)
{
    static const struct {
        enum answers answers;
        const char *script;
    } cases[] = {
        {ANSWERS_FD3, "line1:out;line2:err;line3:{}"},
        {ANSWERS_STDOUT, "line3:out;line2:err;line1:{}"},
        {ANSWERS_STDOUT, "line1:out;line2:err;line1:{}"},
        {ANSWERS_AUTO, "line1:out;line2:err;line1:{}"},
        {ANSWERS_AUTO, "line1:out;line2:err;line3:{}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;

        (void)set_up((void **)&f);
        start(f, serve(cases[i].answers));
        (void)run(f, cases[i].script);
        assert_captured(&f->out, "out\n" END);
        assert_captured(&f->err, "err\n" END);
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void an_unfinished_log_line_is_ended_before_the_sentinel(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "write1:out;write2:err;line3:{}");
    assert_captured(&f->out, "out\n" END);
    assert_captured(&f->err, "err\n" END);
}

static void each_activation_has_its_own_lines_and_sentinels(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "line1:1;line3:{}");
    (void)run(f, "write1:2;line3:{}");
    (void)run(f, "line2:3;line3:{}");
    assert_captured(&f->out, "1\n" END "2\n" END END);
    assert_captured(&f->err, END END "3\n" END);
}

static void on_changed_with_sentinels(struct loop_post *post)
{
    struct fixture *f = container_of(post, struct fixture, worker.changed);

    if (!list_empty(&f->worker.session.finished)) {
        assert_captured(&f->out, "out\n" END);
        assert_captured(&f->err, END);
    }
    on_changed(post);
}

static void the_sentinels_stand_before_the_job_is_done(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    f->worker.changed.fn = on_changed_with_sentinels;
    (void)run(f, "line1:out;line3:{}");
}

static bool has_logged(void *subject)
{
    auto_free char *text = capture_text(subject);

    return *text != '\0';
}

static void each_outcome_leaves_one_sentinel_on_each_stream(void **state)
{
    static const struct {
        const char *script;
        uint64_t span_ms;
        enum job_outcome outcome;
    } cases[] = {
        {"line1:log;line3:{}", FAR_MS, JOB_ANSWERED},
        {"line1:log;exit:1", FAR_MS, JOB_DIED},
        {"line1:log;kill:9", FAR_MS, JOB_DIED},
        {"line1:log;line3:{};exit:0", FAR_MS, JOB_ANSWERED},
        {"line1:log;deaf", 20000, JOB_LATE} /* time to write the line */,
        {"line1:log;fill3:100001;line3:", FAR_MS, JOB_TOO_LONG},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;
        struct job *job;

        (void)set_up((void **)&f);
        start(f, serve(ANSWERS_FD3));
        job = give_until(f, cases[i].script, cases[i].span_ms);
        if (cases[i].outcome == JOB_LATE) {
            loop_until(f->loop, has_logged, &f->out);
            hurry_ms = 10 * HURRY_MS;
        }
        loop_until(f->loop, all_came_back, f);
        assert_int_equal(job->outcome, cases[i].outcome);
        worker_stop(&f->worker);
        loop_until(f->loop, is_down, f);
        assert_captured(&f->out, "log\n" END);
        assert_captured(&f->err, END);
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void the_last_words_of_an_action_stand_before_the_sentinel(void **state)
{
    static const enum answers modes[] = {ANSWERS_FD3, ANSWERS_STDOUT, ANSWERS_AUTO};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct fixture *f;

        (void)set_up((void **)&f);
        start(f, serve(modes[i]));
        (void)run(f, "write1:out;write2:err;exit:1");
        loop_until(f->loop, is_down, f);
        assert_captured(&f->out, "out\n" END);
        assert_captured(&f->err, "err\n" END);
        (void)tear_down((void **)&f);
    }
    (void)state;
}

static void last_words_on_descriptor_3_are_log_in_stdout_mode(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_STDOUT));
    (void)run(f, "write3:out;exit:1");
    assert_captured(&f->out, "out\n" END);
}

static void a_forged_sentinel_is_altered_and_the_real_one_is_not(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "line1:" SENTINEL ";write2:" SENTINEL ";line3:{}");
    assert_captured(&f->out, "xxx_the_end_of_a_whisk_activation_xxx\n" END);
    assert_captured(&f->err, "xxx_the_end_of_a_whisk_activation_xxx\n" END);
}

static void much_log_arrives_whole_before_the_sentinel(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = NULL;

    start(f, serve(ANSWERS_FD3));
    (void)run(f, "fill1:3000000;line1:;line3:{}");
    text = capture_text(&f->out);
    assert_int_equal(strspn(text, "x"), 3000000);
    assert_string_equal(text + 3000000, "\n" END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(an_answer_is_the_actions_own_bytes),
        TEST(activations_are_answered_one_after_the_other),
        TEST(an_action_that_exits_before_its_answer_died),
        TEST(an_action_that_is_killed_before_its_answer_died),
        TEST(an_action_that_exits_in_the_middle_of_its_answer_died),
        TEST(an_action_that_exits_after_its_answer_answered),
        TEST(an_action_that_exits_before_the_newline_answered),
        TEST(the_mark_of_a_failed_function_is_taken_off),
        TEST(an_answer_of_the_bound_is_taken),
        TEST(an_answer_above_the_bound_is_too_long),
        TEST(the_activation_after_an_answer_that_was_too_long_is_answered),
        TEST(a_line_larger_than_the_pipe_arrives_whole),
        TEST(an_action_that_answers_before_it_has_read_a_large_line_answered),
        TEST(an_activation_past_its_deadline_is_late),
        TEST(an_answer_that_came_in_time_is_not_late_though_the_log_is_full),
        TEST(an_activation_that_the_worker_does_not_even_read_is_late_too),
        TEST(an_activation_that_was_not_read_comes_back),
        TEST(an_activation_that_comes_back_leaves_no_sentinel),
        TEST(an_activation_that_was_read_in_part_does_not_come_back),
        TEST(an_activation_of_which_a_prefix_was_read_comes_back),
        TEST(an_activation_without_a_word_leaves_one_sentinel_on_each_stream),
        TEST(log_lines_stand_before_the_sentinel),
        TEST(an_unfinished_log_line_is_ended_before_the_sentinel),
        TEST(each_activation_has_its_own_lines_and_sentinels),
        TEST(the_sentinels_stand_before_the_job_is_done),
        TEST(each_outcome_leaves_one_sentinel_on_each_stream),
        TEST(the_last_words_of_an_action_stand_before_the_sentinel),
        TEST(last_words_on_descriptor_3_are_log_in_stdout_mode),
        TEST(a_forged_sentinel_is_altered_and_the_real_one_is_not),
        TEST(much_log_arrives_whole_before_the_sentinel),
    };

    return cmocka_run_group_tests_name("worker_jobs", tests, NULL, NULL);
}
