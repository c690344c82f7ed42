/* filter: order, bounds and ends, with lines that are no activations: they are answered by no
 * pool. */

#include "test.h"

#include "filter/filter.h"
#include "stream_fixture.h"

#define HELD_MAX_BYTES 100000
#define ANSWERS_A_TURN 2048 /* 32 writes of 64 answers */
#define SHUT_DOWN      "{\"error\":\"The action is being shut down.\",\"kind\":\"unavailable\"}\n"

struct fixture {
    struct streams s;
    struct filter_opts opts;
    struct filter *filter;
    unsigned n_ended;
    struct err err;  /* with which it ended */
    struct buf read; /* of its answers */
};

static void on_ended(void *owner, const struct err *err)
{
    struct fixture *f = owner;

    f->n_ended++;
    f->err = *err;
}

static int set_up(void **state)
{
    struct fixture *f = streams_set_up(state, sizeof(*f));

    f->opts = (struct filter_opts){.run_ms = LIMIT_MS,
                                   .line_max_bytes = 1000,
                                   .answer_max_bytes = 1000,
                                   .held_max_bytes = HELD_MAX_BYTES,
                                   .given_max = 1};
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    filter_free(&f->filter);
    buf_done(&f->read);
    return streams_tear_down(state);
}

static void begin(struct fixture *f)
{
    struct err err;

    f->filter = filter_new(f->s.loop, &f->opts, on_ended, f, &err);
    assert_non_null(f->filter);
}

/* A pipe on each side, and its ends are the case's. */
static void begin_with_pipes(struct fixture *f)
{
    stand_in_pipe(&f->s, STDIN_FILENO);
    stand_in_pipe(&f->s, STDOUT_FILENO);
    assert_int_equal(fcntl(f->s.others[STDOUT_FILENO], F_SETFL, O_NONBLOCK), 0);
    begin(f);
}

/* Read what is there. */
static void read_answers(struct fixture *f)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(f->s.others[STDOUT_FILENO], bytes, sizeof(bytes))) > 0)
        buf_add(&f->read, bytes, (size_t)n);
}

static bool has_ended(void *subject)
{
    struct fixture *f = subject;

    read_answers(f);
    return f->n_ended > 0;
}

static void assert_answers(struct fixture *f, const char *wanted)
{
    read_answers(f);
    assert_int_equal(buf_len(&f->read), strlen(wanted));
    assert_memory_equal(buf_at(&f->read), wanted, strlen(wanted));
}

/* What is said of a line whose first byte, this one, makes it no JSON. */
static char *answer_to(char c)
{
    return xasprintf("{\"error\":\"Error unmarshaling request: invalid character '%c' looking for "
                     "beginning of value\",\"kind\":\"request\"}\n",
                     c);
}

/* A file as stdin, of lines of so many bytes, newline included. */
static void stand_in_lines(struct fixture *f, size_t n_lines, size_t line_bytes)
{
    auto_free char *path = xasprintf("%s/in-file", f->s.folder.outer);
    auto_free char *lines = xcalloc(n_lines * line_bytes + 1, 1);

    memset(lines, 'x', n_lines * line_bytes);
    for (size_t i = 1; i <= n_lines; i++)
        lines[i * line_bytes - 1] = '\n';
    folder_write(f->s.folder.outer, "in-file", lines, 0600);
    stand_in_file(&f->s, STDIN_FILENO, path);
}

/* Leave no room in the pipe that stdout is. Returns bytes written. */
static size_t fill_stdout(void)
{
    size_t n = (size_t)fcntl(STDOUT_FILENO, F_GETPIPE_SZ);
    auto_free char *bytes = xcalloc(n, 1);

    assert_int_equal(fd_write_all(STDOUT_FILENO, bytes, n), 0);
    return n;
}

static void answers_leave_in_the_order_of_the_lines_and_then_it_ends(void **state)
{
    struct fixture *f = *state;
    struct buf wanted = {0};

    begin_with_pipes(f);
    for (char c = 'g'; c <= 'l'; c++) {
        auto_free char *line = xasprintf("%c%s", c, c == 'l' ? "" : "\n");
        auto_free char *answer = answer_to(c);

        put(f->s.others[STDIN_FILENO], line);
        buf_add_text(&wanted, answer);
    }
    fd_close(&f->s.others[STDIN_FILENO]);
    loop_until(f->s.loop, has_ended, f);
    buf_add(&wanted, "", 1);
    assert_answers(f, buf_at(&wanted));
    assert_int_equal(f->err.kind, ERR_NONE);
    loop_turn(f->s.loop, 5);
    assert_int_equal(f->n_ended, 1);
    assert_true(filter_is_done(f->filter));
    buf_done(&wanted);
}

static void what_waits_is_answered_when_it_is_stopped(void **state)
{
    struct fixture *f = *state;
    auto_free char *bad = answer_to('x');
    auto_free char *wanted = xasprintf(SHUT_DOWN "%s" SHUT_DOWN, bad);

    begin_with_pipes(f);
    put(f->s.others[STDIN_FILENO], "{}\nx\n{}\n");
    while (n_unread(STDIN_FILENO) > 0)
        loop_turn(f->s.loop, 1);
    loop_turn(f->s.loop, 5);
    assert_answers(f, ""); /* the first one holds its place */
    filter_stop(f->filter);
    loop_until(f->s.loop, has_ended, f);
    assert_answers(f, wanted);
    assert_int_equal(f->err.kind, ERR_NONE);
}

/* Neither are more lines read, once so many answers wait, nor is one of them lost. */
static void a_reader_that_stalls_stops_the_reading(void **state)
{
    enum {
        N_LINES = 10000,
        LINE_BYTES = 500
    };
    struct fixture *f = *state;
    auto_free char *answer = answer_to('x');
    size_t n_answer = strlen(answer);
    size_t n_pipe;

    stand_in_lines(f, N_LINES, LINE_BYTES);
    stand_in_pipe(&f->s, STDOUT_FILENO);
    assert_int_equal(fcntl(f->s.others[STDOUT_FILENO], F_SETFL, O_NONBLOCK), 0);
    begin(f);
    n_pipe = fill_stdout();
    loop_turn(f->s.loop, 100);
    assert_in_range(lseek(STDIN_FILENO, 0, SEEK_CUR), 1, N_LINES * LINE_BYTES / 2);
    assert_int_equal(f->n_ended, 0);
    loop_until(f->s.loop, has_ended, f);
    read_answers(f);
    assert_int_equal(lseek(STDIN_FILENO, 0, SEEK_CUR), N_LINES * LINE_BYTES);
    assert_int_equal(buf_len(&f->read), n_pipe + N_LINES * n_answer);
    for (size_t i = 0; i < N_LINES; i++)
        assert_memory_equal(buf_at(&f->read) + n_pipe + i * n_answer, answer, n_answer);
}

static uint64_t bytes_in_stdout(void *subject)
{
    struct stat info;

    (void)subject;
    assert_int_equal(fstat(STDOUT_FILENO, &info), 0);
    return (uint64_t)info.st_size;
}

/* Others would wait while all that is held is written. */
static void no_more_is_written_in_a_turn_than_its_share(void **state)
{
    enum {
        N_LINES = 10 * ANSWERS_A_TURN
    };
    struct fixture *f = *state;
    struct growth growth = {.loop = f->s.loop, .count = bytes_in_stdout};
    auto_free char *answer = answer_to('x');
    auto_free char *out = xasprintf("%s/out-file", f->s.folder.outer);

    stand_in_lines(f, N_LINES, 2);
    folder_write(f->s.folder.outer, "out-file", "", 0600);
    stand_in_file(&f->s, STDOUT_FILENO, out);
    f->opts.held_max_bytes = 1 << 30;
    begin(f);
    growth_begin(&growth);
    loop_until(f->s.loop, has_ended, f);
    growth_end(&growth);
    assert_int_equal(growth.n, N_LINES * strlen(answer));
    assert_int_equal(growth.most, ANSWERS_A_TURN * strlen(answer));
}

static void a_reader_that_leaves_ends_it(void **state)
{
    struct fixture *f = *state;

    begin_with_pipes(f);
    loop_turn(f->s.loop, 3);
    fd_close(&f->s.others[STDOUT_FILENO]);
    hurry_ms = HURRY_MS; /* until a parent would have closed our input, too */
    loop_until(f->s.loop, has_ended, f);
    assert_int_equal(f->err.os, EPIPE);
    loop_turn(f->s.loop, 5);
    assert_int_equal(f->n_ended, 1);
}

static void what_is_left_at_the_end_is_written_or_counted(void **state)
{
    struct fixture *f = *state;

    begin_with_pipes(f);
    put(f->s.others[STDIN_FILENO], "{}\nx\n");
    while (n_unread(STDIN_FILENO) > 0)
        loop_turn(f->s.loop, 1);
    loop_turn(f->s.loop, 5);
    assert_int_equal(filter_finish(f->filter, LIMIT_MS), 2); /* what has not ended is not written */
    assert_answers(f, "");
    filter_stop(f->filter);
    loop_until(f->s.loop, has_ended, f);
    assert_int_equal(filter_finish(f->filter, LIMIT_MS), 0);
}

static void what_cannot_be_opened_is_told(void **state)
{
    struct fixture *f = *state;
    struct err err;

    f->opts.in = f->s.fifo;
    f->opts.out = "/dev/null";
    assert_null(filter_new(f->s.loop, &f->opts, on_ended, f, &err));
    assert_string_equal(err.text, "--out: \"/dev/null\" is no named pipe (mkfifo makes one)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(answers_leave_in_the_order_of_the_lines_and_then_it_ends),
        TEST(what_waits_is_answered_when_it_is_stopped),
        TEST(a_reader_that_stalls_stops_the_reading),
        TEST(no_more_is_written_in_a_turn_than_its_share),
        TEST(a_reader_that_leaves_ends_it),
        TEST(what_is_left_at_the_end_is_written_or_counted),
        TEST(what_cannot_be_opened_is_told),
    };

    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
