#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "loop_fixture.h"
#include "worker/forwarder.h"

#define PARTIAL_BYTES 65536      /* kept of an unfinished line; see HOLD_BYTES in forwarder.c */
#define TURN_BYTES    (1u << 20) /* read per turn; see TURN_BYTES in forwarder.c */
#define HARMLESS      "xxx_the_end_of_a_whisk_activation_xxx"

struct fixture {
    struct loop *loop;
    struct capture out;
    struct forwarder forwarder;
    int pipe; /* the action's end */
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    int ends[2];

    f->loop = loop_for_test();
    capture_open(&f->out, f->loop);
    forwarder_init(&f->forwarder, &f->out.output);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    f->pipe = ends[1];
    assert_true(fcntl(f->pipe, F_SETPIPE_SZ, 1 << 20) > 0);
    forwarder_open(&f->forwarder, f->loop, ends[0]);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    forwarder_close(&f->forwarder);
    fd_close(&f->pipe);
    capture_close(&f->out);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static void say(struct fixture *f, const char *text)
{
    assert_int_equal(fd_write_all(f->pipe, text, strlen(text)), 0);
}

static void say_many(struct fixture *f, size_t n)
{
    auto_free char *bytes = xmalloc(n);

    memset(bytes, 'y', n);
    assert_int_equal(fd_write_all(f->pipe, bytes, n), 0);
}

/* ---- lines ---- */

static void whole_lines_are_forwarded_as_they_come(void **state)
{
    struct fixture *f = *state;

    say(f, "one\ntwo\n");
    loop_turn(f->loop, 2);
    assert_captured(&f->out, "one\ntwo\n");
}

static void an_unfinished_line_waits_for_its_end(void **state)
{
    struct fixture *f = *state;

    say(f, "one\ntw");
    loop_turn(f->loop, 2);
    assert_captured(&f->out, "one\n");
    say(f, "o\n");
    loop_turn(f->loop, 2);
    assert_captured(&f->out, "one\ntwo\n");
}

static void what_was_read_elsewhere_is_forwarded_alike(void **state)
{
    struct fixture *f = *state;

    forwarder_feed(&f->forwarder, "on", 2);
    forwarder_feed(&f->forwarder, "e\ntw", 4);
    assert_captured(&f->out, "one\n");
}

static void forwarded_bytes_are_counted(void **state)
{
    struct fixture *f = *state;

    forwarder_feed(&f->forwarder, "one\ntwo\nrest", 12);
    assert_int_equal(f->forwarder.n_bytes, 8);
}

static void the_count_starts_anew_with_the_next_pipe(void **state)
{
    struct fixture *f = *state;
    int ends[2];

    forwarder_feed(&f->forwarder, "one\n", 4);
    forwarder_close(&f->forwarder);
    fd_close(&f->pipe);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    f->pipe = ends[1];
    forwarder_open(&f->forwarder, f->loop, ends[0]);
    assert_int_equal(f->forwarder.n_bytes, 0);
}

static void two_actions_lines_do_not_mix(void **state)
{
    struct fixture *f = *state;
    struct forwarder other;
    auto_free char *text = NULL;

    forwarder_init(&other, &f->out.output);
    say_many(f, PARTIAL_BYTES + 1); /* so long that a part of it went on already */
    loop_turn(f->loop, 3);
    forwarder_feed(&other, "other\n", 6);
    text = capture_text(&f->out);
    assert_non_null(strstr(text, "y\nother\n"));
    forwarder_close(&other);
}

/* ---- the end of an activation ---- */

static void settle(struct fixture *f)
{
    forwarder_settle_lines(&f->forwarder);
    forwarder_end_line(&f->forwarder);
}

static void settling_forwards_what_the_pipe_holds(void **state)
{
    struct fixture *f = *state;

    say(f, "one\n");
    settle(f);
    assert_captured(&f->out, "one\n");
}

static void settling_ends_an_unfinished_line(void **state)
{
    struct fixture *f = *state;

    say(f, "one");
    settle(f);
    settle(f);
    assert_captured(&f->out, "one\n");
}

static void settling_adds_nothing_to_finished_lines(void **state)
{
    struct fixture *f = *state;

    settle(f);
    say(f, "one\n");
    settle(f);
    assert_captured(&f->out, "one\n");
}

static void settling_ends_a_line_of_which_a_part_went_on_already(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = NULL;

    say_many(f, PARTIAL_BYTES + 1);
    loop_turn(f->loop, 3);
    settle(f);
    text = capture_text(&f->out);
    assert_int_equal(strlen(text), PARTIAL_BYTES + 2);
    assert_int_equal(count_of("\n", text), 1);
}

static void settling_empties_a_full_pipe(void **state)
{
    struct fixture *f = *state;
    size_t size = (size_t)fcntl(f->pipe, F_GETPIPE_SZ);
    auto_free char *text = NULL;

    say_many(f, size);
    settle(f);
    text = capture_text(&f->out);
    assert_int_equal(strlen(text), size + 1);
}

/* ---- forged sentinels ---- */

static void a_forged_sentinel_is_altered(void **state)
{
    static const struct {
        const char *said;
        const char *wanted;
    } cases[] = {
        {SENTINEL "\n", HARMLESS "\n"},
        {"a " SENTINEL " b\n", "a " HARMLESS " b\n"},
        {SENTINEL SENTINEL "\n", HARMLESS HARMLESS "\n"},
        {SENTINEL "\n" SENTINEL "\n", HARMLESS "\n" HARMLESS "\n"},
        {"XXX_" SENTINEL "\n", "XXX_" HARMLESS "\n"},
        {"XXX_THE_END_OF_A_WHISK_ACTIVATION_XX\n", "XXX_THE_END_OF_A_WHISK_ACTIVATION_XX\n"},
        {"XXX_THE_END_OF_A_WHISK_\nACTIVATION_XXX\n", "XXX_THE_END_OF_A_WHISK_\nACTIVATION_XXX\n"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(ftruncate(f->out.fd, 0), 0);
        assert_int_equal(lseek(f->out.fd, 0, SEEK_SET), 0);
        say(f, cases[i].said);
        loop_turn(f->loop, 2);
        assert_captured(&f->out, cases[i].wanted);
    }
}

static void a_forged_sentinel_without_a_newline_is_altered(void **state)
{
    struct fixture *f = *state;

    say(f, SENTINEL);
    settle(f);
    assert_captured(&f->out, HARMLESS "\n");
}

static void a_sentinel_split_between_two_reads_is_altered(void **state)
{
    struct fixture *f = *state;
    static const char line[] = SENTINEL "\n";
    size_t n = strlen(SENTINEL);

    for (size_t cut = 1; cut < n; cut++) {
        forwarder_feed(&f->forwarder, line, cut);
        forwarder_feed(&f->forwarder, line + cut, n + 1 - cut);
    }
    {
        auto_free char *text = capture_text(&f->out);

        assert_int_equal(count_of(HARMLESS "\n", text), n - 1);
        assert_int_equal(count_of(SENTINEL, text), 0);
    }
}

static void a_sentinel_fed_byte_by_byte_is_altered(void **state)
{
    struct fixture *f = *state;

    for (const char *at = SENTINEL "\n"; *at != '\0'; at++)
        forwarder_feed(&f->forwarder, at, 1);
    assert_captured(&f->out, HARMLESS "\n");
}

static void a_sentinel_across_the_border_of_a_long_piece_is_altered(void **state)
{
    size_t n = strlen(SENTINEL);

    /* The piece is cut when it passes PARTIAL_BYTES: each way in which a sentinel can lie there. */
    for (size_t before = 0; before <= n + 1; before++) {
        struct fixture *f = *state;
        auto_free char *text = NULL;
        auto_free char *pad = xmalloc(PARTIAL_BYTES);
        size_t n_pad = PARTIAL_BYTES - before;

        assert_int_equal(ftruncate(f->out.fd, 0), 0);
        assert_int_equal(lseek(f->out.fd, 0, SEEK_SET), 0);
        memset(pad, 'y', n_pad);
        forwarder_feed(&f->forwarder, pad, n_pad);
        for (const char *at = SENTINEL "yy\n"; *at != '\0'; at++)
            forwarder_feed(&f->forwarder, at, 1);
        text = capture_text(&f->out);
        assert_int_equal(strlen(text), n_pad + n + 3);
        assert_int_equal(count_of(HARMLESS "yy\n", text), 1);
    }
}

static void long_lines_pass_unchanged_on_both_sides_of_the_border(void **state)
{
    static const size_t lengths[] = {PARTIAL_BYTES - 1, PARTIAL_BYTES, PARTIAL_BYTES + 1,
                                     3 * PARTIAL_BYTES + 7};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        auto_free char *text = NULL;

        assert_int_equal(ftruncate(f->out.fd, 0), 0);
        assert_int_equal(lseek(f->out.fd, 0, SEEK_SET), 0);
        say_many(f, lengths[i]);
        say(f, "\n");
        loop_turn(f->loop, 3);
        text = capture_text(&f->out);
        assert_int_equal(strlen(text), lengths[i] + 1);
        assert_int_equal(strspn(text, "y"), lengths[i]);
    }
}

/* ---- an output stream that stalls ---- */

struct stalled {
    struct output output;
    struct forwarder forwarder;
    int reader;
    int writer;
    int action; /* the action's end of its log pipe, filled whenever there is room */
    size_t n_said;
    size_t n_read;
};

static void stalled_open(struct stalled *s, struct loop *loop)
{
    int output_ends[2];
    int log_ends[2];

    assert_int_equal(pipe2(output_ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(log_ends, O_CLOEXEC | O_NONBLOCK), 0);
    s->reader = output_ends[0];
    s->writer = output_ends[1];
    s->action = log_ends[1];
    s->n_said = s->n_read = 0;
    output_init(&s->output, loop, s->writer);
    forwarder_init(&s->forwarder, &s->output);
    forwarder_open(&s->forwarder, loop, log_ends[0]);
}

static void stalled_close(struct stalled *s)
{
    forwarder_close(&s->forwarder);
    output_done(&s->output, 0);
    fd_close(&s->reader);
    fd_close(&s->writer);
    fd_close(&s->action);
}

/* The action says what it can. true: its pipe is full, and nobody empties it. */
static bool action_is_held_up(void *subject)
{
    struct stalled *s = subject;
    char lines[4096];
    ssize_t n;

    memset(lines, '\n', sizeof(lines));
    while ((n = write(s->action, lines, sizeof(lines))) > 0)
        s->n_said += (size_t)n;
    return !list_empty(&s->forwarder.waiter.node);
}

static bool all_said_was_read(void *subject)
{
    struct stalled *s = subject;
    char bytes[65536];
    ssize_t n;

    while ((n = read(s->reader, bytes, sizeof(bytes))) > 0)
        s->n_read += (size_t)n;
    return s->n_read == s->n_said;
}

static void a_sink_that_stalls_holds_up_the_action(void **state)
{
    struct fixture *f = *state;
    struct stalled s;

    stalled_open(&s, f->loop);
    loop_until(f->loop, action_is_held_up, &s);
    loop_turn(f->loop, 10);
    assert_true(buf_len(&s.output.pending) <= OUTPUT_FULL_BYTES + TURN_BYTES);
    stalled_close(&s);
}

static void a_sink_that_goes_on_gets_all(void **state)
{
    struct fixture *f = *state;
    struct stalled s;

    stalled_open(&s, f->loop);
    loop_until(f->loop, action_is_held_up, &s);
    loop_until(f->loop, all_said_was_read, &s);
    stalled_close(&s);
}

static void a_relay_may_be_closed_while_it_waits_for_room(void **state)
{
    struct fixture *f = *state;
    struct stalled s;

    stalled_open(&s, f->loop);
    loop_until(f->loop, action_is_held_up, &s);
    forwarder_close(&s.forwarder);
    assert_true(list_empty(&s.output.waiters));
    stalled_close(&s);
}

/* ---- the end of the stream ---- */

static bool forwarder_ended(void *subject)
{
    return ((struct fixture *)subject)->forwarder.ended;
}

static void the_end_of_the_stream_is_seen_after_its_last_bytes(void **state)
{
    struct fixture *f = *state;

    say(f, "one\nlast");
    fd_close(&f->pipe);
    loop_until(f->loop, forwarder_ended, f);
    forwarder_close(&f->forwarder);
    assert_captured(&f->out, "one\nlast\n");
}

static void closing_forwards_what_the_pipe_holds(void **state)
{
    struct fixture *f = *state;

    say(f, "one\nlast");
    forwarder_close(&f->forwarder);
    assert_captured(&f->out, "one\nlast\n");
}

static void closing_twice_is_harmless(void **state)
{
    struct fixture *f = *state;

    forwarder_close(&f->forwarder);
    forwarder_close(&f->forwarder);
    assert_captured(&f->out, "");
}

static void settling_a_closed_relay_is_harmless(void **state)
{
    struct fixture *f = *state;

    forwarder_close(&f->forwarder);
    settle(f);
    assert_captured(&f->out, "");
}

static void a_pipe_that_is_watched_can_be_taken_over(void **state)
{
    struct fixture *f = *state;
    struct loop_watch watch;
    struct forwarder other;

    loop_watch_init(&watch);
    forwarder_init(&other, &f->out.output);
    loop_watch_move(&f->forwarder.watch, &watch);
    forwarder_take_over(&other, &watch);
    say(f, "one\n");
    loop_turn(f->loop, 2);
    assert_captured(&f->out, "one\n");
    forwarder_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(whole_lines_are_forwarded_as_they_come),
        TEST(an_unfinished_line_waits_for_its_end),
        TEST(what_was_read_elsewhere_is_forwarded_alike),
        TEST(forwarded_bytes_are_counted),
        TEST(the_count_starts_anew_with_the_next_pipe),
        TEST(two_actions_lines_do_not_mix),
        TEST(settling_forwards_what_the_pipe_holds),
        TEST(settling_ends_an_unfinished_line),
        TEST(settling_adds_nothing_to_finished_lines),
        TEST(settling_ends_a_line_of_which_a_part_went_on_already),
        TEST(settling_empties_a_full_pipe),
        TEST(a_forged_sentinel_is_altered),
        TEST(a_forged_sentinel_without_a_newline_is_altered),
        TEST(a_sentinel_split_between_two_reads_is_altered),
        TEST(a_sentinel_fed_byte_by_byte_is_altered),
        TEST(a_sentinel_across_the_border_of_a_long_piece_is_altered),
        TEST(long_lines_pass_unchanged_on_both_sides_of_the_border),
        TEST(a_sink_that_stalls_holds_up_the_action),
        TEST(a_sink_that_goes_on_gets_all),
        TEST(a_relay_may_be_closed_while_it_waits_for_room),
        TEST(the_end_of_the_stream_is_seen_after_its_last_bytes),
        TEST(closing_forwards_what_the_pipe_holds),
        TEST(closing_twice_is_harmless),
        TEST(settling_a_closed_relay_is_harmless),
        TEST(a_pipe_that_is_watched_can_be_taken_over),
    };

    return cmocka_run_group_tests_name("forwarder", tests, NULL, NULL);
}
