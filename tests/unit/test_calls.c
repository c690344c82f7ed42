/* calls: order, bounds, refused lines, and those whose reader has left. */

#include "test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "filter/calls.h"

#define NOW_MS 5000
#define RUN_MS 700
#define PIECES 64

struct fixture {
    struct calls calls;
    uint64_t end_at; /* of the last line */
};

static void on_done(struct job *job)
{
    (void)job;
    fail_msg("no pool is there to tell");
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    calls_init(&f->calls,
               &(struct calls_opts){
                   .run_ms = RUN_MS, .line_max_bytes = 99, .answer_max_bytes = 9, .done = on_done});
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    calls_free(&f->calls);
    assert_int_equal(calls_held(&f->calls), 0);
    free(f);
    return 0;
}

static void add(struct fixture *f, const char *line)
{
    f->end_at += strlen(line) + 1;
    calls_add(&f->calls, line, strlen(line), NOW_MS, f->end_at);
}

/* Give the next one; its line must be this. */
static struct job *give(struct fixture *f, const char *line)
{
    struct job *job = calls_give(&f->calls);

    assert_non_null(job);
    assert_int_equal(job->len, strlen(line) + 1);
    assert_memory_equal(job->line, line, strlen(line));
    return job;
}

static void answer(struct fixture *f, struct job *job, const char *text)
{
    job->outcome = JOB_ANSWERED;
    job->answer = xstrdup(text);
    job->answer_len = strlen(text);
    calls_done(&f->calls, job);
}

/* What may be written now is this. */
static void assert_answers(struct fixture *f, const char *wanted)
{
    struct iovec pieces[PIECES];
    int n = calls_answers(&f->calls, pieces, PIECES);
    char text[1024] = "";

    for (int i = 0; i < n; i++)
        (void)strncat(text, pieces[i].iov_base, pieces[i].iov_len);
    assert_string_equal(text, wanted);
}

static void answers_leave_in_the_order_of_their_lines(void **state)
{
    struct fixture *f = *state;
    struct job *jobs[3];

    add(f, "{\"a\":1}");
    add(f, "{\"b\":2}");
    add(f, "{\"c\":3}");
    jobs[0] = give(f, "{\"a\":1}");
    jobs[1] = give(f, "{\"b\":2}");
    jobs[2] = give(f, "{\"c\":3}");
    assert_null(calls_give(&f->calls));
    assert_int_equal(f->calls.n_given, 3);
    answer(f, jobs[2], "{\"r\":3}");
    assert_answers(f, "");
    answer(f, jobs[0], "{\"r\":1}");
    assert_answers(f, "{\"r\":1}\n");
    answer(f, jobs[1], "{\"r\":2}");
    assert_answers(f, "{\"r\":1}\n{\"r\":2}\n{\"r\":3}\n");
    calls_wrote(&f->calls, strlen("{\"r\":1}\n{\"r\":2}\n{\"r\":3}\n"));
    assert_int_equal(f->calls.n, 0);
}

static void what_was_written_in_part_goes_on_where_it_stopped(void **state)
{
    static const char whole[] = "{\"r\":1}\n{\"r\":2}\n";
    struct fixture *f = *state;

    add(f, "{\"a\":1}");
    add(f, "{\"b\":2}");
    answer(f, give(f, "{\"a\":1}"), "{\"r\":1}");
    answer(f, give(f, "{\"b\":2}"), "{\"r\":2}");
    for (size_t i = 0; i < strlen(whole); i++) {
        assert_answers(f, whole + i);
        calls_wrote(&f->calls, 1);
    }
    assert_answers(f, "");
}

static void a_line_that_is_no_activation_is_answered_in_its_place(void **state)
{
    struct fixture *f = *state;
    struct job *first;
    struct job *last;

    add(f, "x");
    add(f, "{\"a\":1}");
    add(f, "");
    calls_add_too_long(&f->calls, f->end_at += 200);
    add(f, "[]");
    add(f, "{\"b\":2}");
    first = give(f, "{\"a\":1}");
    last = give(f, "{\"b\":2}");
    assert_null(calls_give(&f->calls));
    answer(f, last, "[]");
    answer(f, first, "3");
    assert_answers(
        f,
        "{\"error\":\"Error unmarshaling request: invalid character 'x' looking for beginning of "
        "value\",\"kind\":\"request\"}\n"
        "{\"error\":\"The action did not return a dictionary or array.\",\"kind\":\"action\"}\n"
        "{\"error\":\"Error unmarshaling request: unexpected end of JSON input\",\"kind\":\"request\"}\n"
        "{\"error\":\"The line is longer than 99 bytes (--run-max-bytes).\",\"kind\":\"request\"}\n"
        "{\"error\":\"Error unmarshaling request: the body must be a JSON object\",\"kind\":\"request\"}\n"
        "[]\n");
}

static void an_argument_is_an_object_where_the_action_wants_one(void **state)
{
    struct fixture *f = *state;

    add(f, "{\"value\":1}");
    answer(f, give(f, "{\"value\":1}"), "{\"any\":1}");
    f->calls.opts.wants_object = true;
    add(f, "{\"value\":1}");
    assert_null(calls_give(&f->calls));
    assert_answers(f, "{\"any\":1}\n{\"error\":\"The action did not receive a dictionary or array "
                      "as an argument.\",\"kind\":\"request\"}\n");
}

static void time_counts_from_its_turn_or_by_the_lines_deadline(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    add(f, "{}");
    job = give(f, "{}");
    assert_true(job->deadline_at_ms == JOB_BY_TURN);
    assert_int_equal(job->limit_ms, RUN_MS);
    answer(f, job, "{}");
    add(f, "{\"deadline\":99999999999999}"); /* later than the limit */
    job = give(f, "{\"deadline\":99999999999999}");
    assert_true(job->deadline_at_ms == JOB_BY_TURN);
    answer(f, job, "{}");
}

static void a_line_whose_deadline_passed_on_its_way_never_begins(void **state)
{
    struct fixture *f = *state;
    struct timespec now;
    char line[64];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(line, sizeof(line), "{\"deadline\":%lld000}", (long long)now.tv_sec - 1);
    add(f, line);
    assert_null(calls_give(&f->calls));
    assert_answers(f, "{\"error\":\"The deadline passed before the line was read.\","
                      "\"kind\":\"late\"}\n");
    f->calls.opts.began_at_ms = NOW_MS; /* the deadline was before that: a recorded line */
    add(f, line);
    answer(f, give(f, line), "{}");
    f->calls.opts.began_at_ms = 0;
    f->calls.opts.no_deadlines = true;
    add(f, line);
    answer(f, give(f, line), "{}");
}

static void what_is_held_is_counted(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    assert_int_equal(calls_held(&f->calls), 0);
    add(f, "{\"a\":1}");
    assert_int_equal(f->calls.line_bytes, sizeof(struct call) + strlen("{\"a\":1}\n"));
    assert_int_equal(f->calls.answer_bytes, 0);
    job = give(f, "{\"a\":1}");
    answer(f, job, "{\"longer\":\"than the line\"}");
    assert_int_equal(f->calls.line_bytes, 0);
    assert_int_equal(f->calls.answer_bytes,
                     sizeof(struct call) + strlen("{\"longer\":\"than the line\"}"));
    calls_add_too_long(&f->calls, 500);
    assert_int_equal(f->calls.line_bytes, 0);
    calls_wrote(&f->calls, strlen("{\"longer\":\"than the line\"}\n"));
}

static void who_waits_is_answered_when_all_must_end(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    add(f, "{\"a\":1}");
    add(f, "{\"b\":2}");
    add(f, "x");
    add(f, "{\"c\":3}");
    job = give(f, "{\"a\":1}");
    calls_abandon(&f->calls, NULL);
    assert_null(calls_give(&f->calls));
    job->outcome = JOB_DIED;
    calls_done(&f->calls, job);
    assert_answers(
        f,
        "{\"error\":\"command exited\",\"kind\":\"died\"}\n"
        "{\"error\":\"The action is being shut down.\",\"kind\":\"unavailable\"}\n"
        "{\"error\":\"Error unmarshaling request: invalid character 'x' looking for beginning of "
        "value\",\"kind\":\"request\"}\n"
        "{\"error\":\"The action is being shut down.\",\"kind\":\"unavailable\"}\n");
}

static void nothing_of_a_reader_that_left_reaches_the_next(void **state)
{
    struct fixture *f = *state;
    struct job *running;
    struct job *next;

    add(f, "{\"a\":1}");
    add(f, "{\"b\":2}");
    add(f, "{\"c\":3}");
    answer(f, give(f, "{\"a\":1}"), "{\"r\":1}");
    running = give(f, "{\"b\":2}");
    calls_wrote(&f->calls, 3); /* of the first: the reader leaves amid it */
    calls_drop(&f->calls, f->end_at);
    assert_null(calls_give(&f->calls)); /* the third had not begun */
    add(f, "{\"d\":4}");
    next = give(f, "{\"d\":4}");
    answer(f, next, "{\"r\":4}");
    assert_answers(f, ""); /* the second still runs */
    answer(f, running, "{\"r\":2}");
    assert_answers(f, "{\"r\":4}\n");
    calls_wrote(&f->calls, strlen("{\"r\":4}\n"));
    assert_int_equal(f->calls.n, 0);
}

static void dropping_ends_at_its_offset(void **state)
{
    struct fixture *f = *state;
    uint64_t up_to;

    add(f, "x");
    add(f, "{\"a\":1}");
    up_to = f->end_at;
    add(f, "{\"b\":2}");
    calls_drop(&f->calls, up_to);
    answer(f, give(f, "{\"b\":2}"), "{\"r\":2}");
    assert_answers(f, "{\"r\":2}\n");
}

static void answers_with_an_id_wait_for_nobody(void **state)
{
    struct fixture *f = *state;
    struct job *jobs[4];

    add(f, "{\"a\":1}");
    add(f, " [ 7 , {\"b\":2} ] ");
    add(f, "[\"x,\\\"y\",{\"c\":3}]");
    add(f, "{\"d\":4}");
    jobs[0] = give(f, "{\"a\":1}");
    jobs[1] = give(f, "{\"b\":2}");
    jobs[2] = give(f, "{\"c\":3}");
    jobs[3] = give(f, "{\"d\":4}");
    answer(f, jobs[3], "{\"r\":4}");
    assert_answers(f, "");
    answer(f, jobs[2], "{\"r\":3}");
    answer(f, jobs[1], "{\"r\":2}");
    assert_answers(f, "[\"x,\\\"y\",{\"r\":3}]\n[7,{\"r\":2}]\n");
    calls_wrote(&f->calls, 3); /* in its middle; what comes now must stand behind it */
    answer(f, jobs[0], "{\"r\":1}");
    assert_answers(f, ",\\\"y\",{\"r\":3}]\n[7,{\"r\":2}]\n{\"r\":1}\n{\"r\":4}\n");
    for (size_t n = strlen(",\\\"y\",{\"r\":3}]\n[7,{\"r\":2}]\n{\"r\":1}\n{\"r\":4}\n"); n > 0;
         n--)
        calls_wrote(&f->calls, 1);
    assert_answers(f, "");
    assert_int_equal(f->calls.n, 0);
}

static void a_line_that_is_no_activation_is_answered_with_its_id(void **state)
{
    static const struct {
        const char *line;
        const char *id; /* NULL: none can be told */
        const char *why;
    } cases[] = {
        {"[7,{\"a\":}]", "7", "invalid character '}' looking for beginning of value"},
        {"[7,{}", "7", "unexpected end of JSON input"},
        {"[7,]", "7", "unexpected end of JSON input"},
        {"[7,{},1]", "7", "invalid character ',' after top-level value"},
        {"[-1.5e3,[]]", "-1.5e3", "the body must be a JSON object"},
        {"[7]", NULL, "the body must be a JSON object"},
        {"[true,{}]", NULL, "the body must be a JSON object"},
        {"[{},{}]", NULL, "the body must be a JSON object"},
        {"[\"open,{}]", NULL, "unexpected end of JSON input"},
        {"[07,{}]", NULL, "invalid character '7' after array element"},
    };
    struct fixture *f = *state;
    struct job *slow;
    char wanted[256];

    add(f, "{}");
    slow = give(f, "{}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        add(f, cases[i].line);
        assert_null(calls_give(&f->calls));
        if (cases[i].id == NULL) {
            answer(f, slow, "{}");
            calls_wrote(&f->calls, strlen("{}\n"));
        }
        (void)snprintf(
            wanted, sizeof(wanted),
            "%s%s%s{\"error\":\"Error unmarshaling request: %s\",\"kind\":\"request\"}%s\n",
            cases[i].id != NULL ? "[" : "", cases[i].id != NULL ? cases[i].id : "",
            cases[i].id != NULL ? "," : "", cases[i].why, cases[i].id != NULL ? "]" : "");
        assert_answers(f, wanted);
        calls_wrote(&f->calls, strlen(wanted));
        if (cases[i].id == NULL) {
            add(f, "{}");
            slow = give(f, "{}");
        }
    }
    answer(f, slow, "{}");
}

static void an_id_is_bounded(void **state)
{
    struct fixture *f = *state;
    char line[CALL_ID_MAX + 16];
    char body[] = ",{}]";

    memset(line, '1', sizeof(line));
    line[0] = '[';
    memcpy(line + 1 + CALL_ID_MAX, body, sizeof(body));
    add(f, line);
    answer(f, give(f, "{}"), "{}");
    calls_wrote(&f->calls, strlen(line) + 1);
    assert_int_equal(f->calls.n, 0);
    memset(line + 1, '1', CALL_ID_MAX + 1);
    memcpy(line + 2 + CALL_ID_MAX, body, sizeof(body));
    add(f, line);
    assert_null(calls_give(&f->calls));
}

static void text_is_a_line_in_and_a_line_out(void **state)
{
    static const struct {
        const char *line;
        const char *given;
        const char *result;
        const char *out;
    } cases[] = {
        {"100", "{\"value\":{\"line\":\"100\"}}", "101", "101\n"},
        {"[7,{}]", "{\"value\":{\"line\":\"[7,{}]\"}}", "\"a \\u00e9\\n\"", "a \xc3\xa9\n"},
        {"", "{\"value\":{\"line\":\"\"}}", "\"a\\nb\"", "a b\n"},
        {"\"", "{\"value\":{\"line\":\"\\\"\"}}", "null", ""},
        {"x", "{\"value\":{\"line\":\"x\"}}", " {\"a\":1} ", "{\"a\":1}\n"},
        {"x", "{\"value\":{\"line\":\"x\"}}", "{\"error\":1}",
         "{\"error\":1,\"kind\":\"action\"}\n"},
    };
    struct fixture *f = *state;

    f->calls.opts.form = CALL_TEXT;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        add(f, cases[i].line);
        answer(f, give(f, cases[i].given), cases[i].result);
        assert_answers(f, cases[i].out);
        calls_wrote(&f->calls, strlen(cases[i].out));
        assert_int_equal(f->calls.n, 0);
    }
}

static void a_value_alone_is_the_argument_where_any_will_do(void **state)
{
    struct fixture *f = *state;

    f->calls.opts.form = CALL_ANY;
    add(f, " 100 ");
    answer(f, give(f, "{\"value\":100}"), "101");
    add(f, "[\"a\",false]");
    answer(f, give(f, "{\"value\":false}"), "null");
    add(f, "{\"value\":\"x\"}");
    answer(f, give(f, "{\"value\":\"x\"}"), "\"y\"");
    assert_answers(f, "101\n[\"a\",null]\n\"y\"\n");
}

static void an_error_of_the_action_gets_its_kind(void **state)
{
    static const struct {
        const char *answer;
        const char *out;
    } cases[] = {
        {"{\"error\":\"e\"}", "{\"error\":\"e\",\"kind\":\"action\"}\n"},
        {"{\"error\":{} }", "{\"error\":{} ,\"kind\":\"action\"}\n"},
        {"{\"error\":\"e\",\"kind\":\"mine\"}", "{\"error\":\"e\",\"kind\":\"mine\"}\n"},
        {"{\"error\":\"method not found: \\\"x\\\"; want a\"}",
         "{\"error\":\"method not found: \\\"x\\\"; want a\",\"kind\":\"method\"}\n"},
        {"{\"a\":{\"error\":1}}", "{\"a\":{\"error\":1}}\n"},
        {"[\"error\"]", "[\"error\"]\n"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        add(f, "{}");
        answer(f, give(f, "{}"), cases[i].answer);
        assert_answers(f, cases[i].out);
        calls_wrote(&f->calls, strlen(cases[i].out));
    }
}

static void bare_answers_are_unchanged_and_a_failure_is_not_written(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    f->calls.opts.is_bare = true;
    calls_add_made(&f->calls, xstrdup("{\"a\":1}\n"), strlen("{\"a\":1}\n"));
    job = give(f, "{\"a\":1}");
    assert_int_equal(job->limit_ms, RUN_MS);
    assert_int_equal(job->deadline_at_ms, JOB_BY_TURN);
    answer(f, job, "{\"error\":1}");
    assert_answers(f, "{\"error\":1}\n");
    calls_wrote(&f->calls, strlen("{\"error\":1}\n"));
    calls_add_made(&f->calls, xstrdup("{}\n"), strlen("{}\n"));
    answer(f, give(f, "{}"), "no JSON");
    assert_answers(f, "");
    assert_int_equal(f->calls.n, 0);
}

static void no_more_pieces_than_there_is_room_for(void **state)
{
    struct fixture *f = *state;
    struct iovec pieces[PIECES];

    for (int i = 0; i < 5; i++)
        add(f, "x");
    assert_int_equal(calls_answers(&f->calls, pieces, 1), 0);
    assert_int_equal(calls_answers(&f->calls, pieces, 2), 2);
    assert_int_equal(calls_answers(&f->calls, pieces, 3), 2);
    assert_int_equal(calls_answers(&f->calls, pieces, 4), 4);
    assert_int_equal(calls_answers(&f->calls, pieces, PIECES), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(answers_leave_in_the_order_of_their_lines),
        TEST(what_was_written_in_part_goes_on_where_it_stopped),
        TEST(a_line_that_is_no_activation_is_answered_in_its_place),
        TEST(an_argument_is_an_object_where_the_action_wants_one),
        TEST(time_counts_from_its_turn_or_by_the_lines_deadline),
        TEST(a_line_whose_deadline_passed_on_its_way_never_begins),
        TEST(what_is_held_is_counted),
        TEST(who_waits_is_answered_when_all_must_end),
        TEST(nothing_of_a_reader_that_left_reaches_the_next),
        TEST(dropping_ends_at_its_offset),
        TEST(answers_with_an_id_wait_for_nobody),
        TEST(a_line_that_is_no_activation_is_answered_with_its_id),
        TEST(an_id_is_bounded),
        TEST(text_is_a_line_in_and_a_line_out),
        TEST(a_value_alone_is_the_argument_where_any_will_do),
        TEST(an_error_of_the_action_gets_its_kind),
        TEST(bare_answers_are_unchanged_and_a_failure_is_not_written),
        TEST(no_more_pieces_than_there_is_room_for),
    };

    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
