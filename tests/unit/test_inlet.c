/* inlet: lines as they were written, however they come; ends, bounds, and one writer after
 * another. */

#include "test.h"

#include "filter/inlet.h"
#include "stream_fixture.h"

#define MAX_BYTES  64
#define READ_BYTES 262144 /* as inlet.c has it: at most so much in one turn */

struct fixture {
    struct streams s;
    struct inlet inlet;
    struct loop_post want;
    struct buf seen;     /* lines handed out, each as "OFFSET:TEXT|" */
    size_t wanted_bytes; /* of `seen` */
};

static void on_want(struct loop_post *post)
{
    inlet_want(&container_of(post, struct fixture, want)->inlet, true);
}

static int set_up(void **state)
{
    struct fixture *f = streams_set_up(state, sizeof(*f));

    inlet_init(&f->inlet);
    loop_post_init(&f->want, on_want);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    loop_post_cancel(&f->want);
    inlet_close(&f->inlet);
    buf_done(&f->seen);
    return streams_tear_down(state);
}

static void open_it(struct fixture *f, const char *path)
{
    struct err err;

    assert_int_equal(inlet_open(&f->inlet, f->s.loop, path, MAX_BYTES, &f->s.told, &err), 0);
}

/* Hand out what is there; the text of a line that is too long is "long". */
static void take(struct fixture *f)
{
    enum line_result result;
    const char *text;
    uint64_t end_at;
    size_t n;

    while ((result = inlet_next(&f->inlet, &text, &n, &end_at)) != LINE_NONE) {
        auto_free char *offset = xasprintf("%ju:", (uintmax_t)end_at);

        buf_add_text(&f->seen, offset);
        if (result == LINE_READY)
            buf_add(&f->seen, text, n);
        else
            buf_add_text(&f->seen, "long");
        buf_add_text(&f->seen, "|");
    }
}

/* An owner that has room for everything; only what it was told of does it look at. */
static bool has_ended(void *subject)
{
    struct fixture *f = subject;

    if (f->s.n_told > 0) {
        f->s.n_told = 0;
        take(f);
    }
    return f->inlet.ended;
}

static bool has_seen_enough(void *subject)
{
    struct fixture *f = subject;

    (void)has_ended(f);
    return buf_len(&f->seen) >= f->wanted_bytes;
}

static void assert_seen(struct fixture *f, const char *wanted)
{
    buf_add(&f->seen, "", 1);
    assert_string_equal(buf_at(&f->seen), wanted);
    f->seen.end--;
}

/* Turn the loop until so much was handed out; it must be this. */
static void comes(struct fixture *f, const char *wanted)
{
    f->wanted_bytes = strlen(wanted);
    loop_until(f->s.loop, has_seen_enough, f);
    assert_seen(f, wanted);
}

static void ends_with(struct fixture *f, const char *wanted)
{
    loop_until(f->s.loop, has_ended, f);
    assert_seen(f, wanted);
    assert_int_equal(f->inlet.err.kind, ERR_NONE);
}

/* Stdin holds this, and its writer has left. */
static void whole_input(struct fixture *f, const char *text)
{
    stand_in_pipe(&f->s, STDIN_FILENO);
    put(f->s.others[0], text);
    fd_close(&f->s.others[0]);
    open_it(f, NULL);
    inlet_want(&f->inlet, true);
}

/* The same with a fixture made anew, up to its end. */
static void input_becomes(void **state, const char *input, const char *lines)
{
    (void)tear_down(state);
    (void)set_up(state);
    whole_input(*state, input);
    ends_with(*state, lines);
}

/* A writer of the named pipe; the caller closes it. */
static int writer_of(struct fixture *f)
{
    int fd = open(f->s.fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    assert_true(fd >= 0); /* somebody reads it */
    return fd;
}

/* ---- lines ---- */

static void lines_are_what_stands_between_newlines(void **state)
{
    static const struct {
        const char *input;
        const char *lines;
    } cases[] = {
        {"", ""},
        {"a\n", "2:a|"},
        {"a", "1:a|"},
        {"a\nb", "2:a|3:b|"},
        {"\n", "1:|"},
        {"\n\na\n\n", "1:|2:|4:a|5:|"},
        {"\n\na", "1:|2:|3:a|"},
        {"a\r\n \n", "3:a\r|5: |"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        input_becomes(state, cases[i].input, cases[i].lines);
}

static void a_line_may_come_byte_by_byte(void **state)
{
    static const char input[] = "ab\n\ncd";
    struct fixture *f = *state;

    stand_in_pipe(&f->s, STDIN_FILENO);
    open_it(f, NULL);
    inlet_want(&f->inlet, true);
    for (size_t i = 0; i < strlen(input); i++) {
        put(f->s.others[0], (char[]){input[i], '\0'});
        while (n_unread(STDIN_FILENO) > 0)
            loop_turn(f->s.loop, 1);
        take(f);
    }
    assert_seen(f, "3:ab|4:|");
    fd_close(&f->s.others[0]);
    ends_with(f, "3:ab|4:|6:cd|");
}

static void a_line_may_be_as_long_as_the_bound_and_no_longer(void **state)
{
    for (size_t n = MAX_BYTES - 1; n <= MAX_BYTES + 1; n++) {
        auto_free char *line = xasprintf("%0*d", (int)n, 0);
        const char *seen = n <= MAX_BYTES ? line : "long";
        auto_free char *amid = xasprintf("%s\nb\n", line);
        auto_free char *amid_wanted = xasprintf("%zu:%s|%zu:b|", n + 1, seen, n + 3);
        auto_free char *last_wanted = xasprintf("%zu:%s|", n, seen);

        input_becomes(state, amid, amid_wanted);
        input_becomes(state, line, last_wanted);
    }
}

/* It comes in several reads, is told at the first, and its rest is no line. */
static void a_line_that_is_far_too_long_is_told_once_and_costs_no_other(void **state)
{
    struct fixture *f = *state;
    auto_free char *part = xasprintf("%0*d", 1000, 0);

    stand_in_pipe(&f->s, STDIN_FILENO);
    open_it(f, NULL);
    inlet_want(&f->inlet, true);
    for (int i = 0; i < 5; i++) {
        put(f->s.others[0], part);
        while (n_unread(STDIN_FILENO) > 0)
            loop_turn(f->s.loop, 1);
        take(f);
    }
    assert_seen(f, "1000:long|");
    put(f->s.others[0], "\na\n");
    fd_close(&f->s.others[0]);
    ends_with(f, "1000:long|5003:a|");
}

static void an_input_may_end_inside_a_line_that_is_too_long(void **state)
{
    struct fixture *f = *state;
    auto_free char *input = xasprintf("a\n%0*d", MAX_BYTES + 1, 0);

    whole_input(f, input);
    ends_with(f, "2:a|67:long|");
}

/* ---- how much is read, and when ---- */

static void nothing_is_read_before_it_is_wanted_nor_after(void **state)
{
    struct fixture *f = *state;

    stand_in_pipe(&f->s, STDIN_FILENO);
    open_it(f, NULL);
    put(f->s.others[0], "a\n");
    loop_turn(f->s.loop, 5);
    assert_int_equal(n_unread(STDIN_FILENO), 2);
    assert_int_equal(inlet_seen(&f->inlet), 2);
    inlet_want(&f->inlet, true);
    comes(f, "2:a|");
    inlet_want(&f->inlet, false);
    put(f->s.others[0], "b\n");
    fd_close(&f->s.others[0]);
    loop_turn(f->s.loop, 5);
    assert_int_equal(n_unread(STDIN_FILENO), 2);
    assert_int_equal(inlet_seen(&f->inlet), 4);
    inlet_want(&f->inlet, true);
    ends_with(f, "2:a|4:b|");
}

static uint64_t bytes_read(void *subject)
{
    return ((struct fixture *)subject)->inlet.n_read;
}

static bool is_read_whole(void *subject)
{
    return ((struct fixture *)subject)->inlet.at_end;
}

/* Nobody else would get a turn while a large file is read. */
static void a_file_is_read_once_in_a_turn(void **state)
{
    struct fixture *f = *state;
    struct growth growth = {.loop = f->s.loop, .count = bytes_read, .subject = f};
    auto_free char *path = xasprintf("%s/file", f->s.folder.outer);

    folder_write(f->s.folder.outer, "file", "", 0600);
    assert_int_equal(truncate(path, 4 * READ_BYTES + 1), 0);
    stand_in_file(&f->s, STDIN_FILENO, path);
    open_it(f, NULL);
    inlet_want(&f->inlet, true);
    growth_begin(&growth);
    loop_until(f->s.loop, is_read_whole, f);
    growth_end(&growth);
    assert_int_equal(f->inlet.n_read, 4 * READ_BYTES + 1);
    assert_int_equal(growth.most, READ_BYTES);
}

static void what_cannot_be_read_is_told_as_its_end(void **state)
{
    struct fixture *f = *state;

    stand_in_file(&f->s, STDIN_FILENO, f->s.folder.outer);
    open_it(f, NULL);
    inlet_want(&f->inlet, true);
    loop_until(f->s.loop, has_ended, f);
    assert_int_equal(f->inlet.err.kind, ERR_SYSTEM);
    assert_string_equal(f->inlet.err.text, "cannot read stdin: Is a directory");
}

static void what_was_not_handed_out_is_dropped_when_it_is_closed(void **state)
{
    struct fixture *f = *state;

    whole_input(f, "a\nb\n");
    loop_until(f->s.loop, was_told, &f->s);
    inlet_close(&f->inlet);
    assert_true(f->inlet.ended);
    inlet_want(&f->inlet, true); /* nothing any more */
    loop_turn(f->s.loop, 5);
    take(f);
    assert_seen(f, "");
}

/* ---- named pipes ---- */

static void a_named_pipe_waits_for_its_first_writer(void **state)
{
    struct fixture *f = *state;
    auto_fd int writer = -1;

    open_it(f, f->s.fifo);
    inlet_want(&f->inlet, true);
    loop_turn(f->s.loop, 10);
    assert_false(f->inlet.at_end);
    assert_int_equal(f->s.n_told, 0);
    writer = writer_of(f);
    put(writer, "a\n");
    comes(f, "2:a|");
}

static void one_writer_may_follow_another(void **state)
{
    struct fixture *f = *state;

    open_it(f, f->s.fifo);
    inlet_want(&f->inlet, true);
    for (int i = 0; i < 3; i++) {
        static const char *const wanted[] = {"2:a|3:b|", "2:a|3:b|5:a|6:b|",
                                             "2:a|3:b|5:a|6:b|8:a|9:b|"};
        auto_fd int writer = writer_of(f);

        put(writer, "a\nb"); /* its last line has no newline: its end shows that it is one */
        fd_close(&writer);
        comes(f, wanted[i]);
        assert_false(f->inlet.ended);
    }
}

static void a_writer_that_says_nothing_is_no_line(void **state)
{
    struct fixture *f = *state;
    auto_fd int writer = -1;

    open_it(f, f->s.fifo);
    inlet_want(&f->inlet, true);
    for (int i = 0; i < 3; i++) {
        writer = writer_of(f);
        fd_close(&writer);
        for (int turn = 0; turn < 10; turn++) {
            loop_turn(f->s.loop, 1);
            (void)has_ended(f);
        }
    }
    writer = writer_of(f);
    put(writer, "a\n");
    comes(f, "2:a|");
}

static bool is_opened_again(void *subject)
{
    struct fixture *f = subject;

    (void)has_ended(f);
    return f->inlet.opened_at > 0;
}

static void a_line_that_was_too_long_does_not_swallow_the_next_writers(void **state)
{
    struct fixture *f = *state;
    auto_free char *part = xasprintf("%0*d", 100, 0);
    auto_fd int writer = -1;

    open_it(f, f->s.fifo);
    inlet_want(&f->inlet, true);
    writer = writer_of(f);
    put(writer, part);
    fd_close(&writer);
    comes(f, "100:long|");
    loop_until(f->s.loop, is_opened_again, f);
    writer = writer_of(f);
    put(writer, "a\n");
    comes(f, "100:long|102:a|");
}

/* Held back by an owner without room, we come to a second writer only when it has left, too. Of an
 * end before the pipe was opened nobody is told. */
static void who_came_and_left_unseen_has_a_last_line_too(void **state)
{
    struct fixture *f = *state;
    auto_fd int writer = -1;

    open_it(f, f->s.fifo);
    inlet_want(&f->inlet, true);
    writer = writer_of(f);
    put(writer, "a");
    fd_close(&writer);
    loop_until(f->s.loop, is_read_whole, f);
    writer = writer_of(f);
    put(writer, "b\nc");
    fd_close(&writer);
    comes(f, "1:a|3:b|4:c|");
    writer = writer_of(f);
    put(writer, "d\n");
    comes(f, "1:a|3:b|4:c|6:d|");
}

static void a_named_pipe_as_stdin_ends_though_its_writer_left_before_us(void **state)
{
    static const struct {
        const char *input;
        const char *lines;
    } cases[] = {{"", ""}, {"a\n", "2:a|"}, {"a\nb", "2:a|3:b|"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;
        auto_fd int writer = -1;

        (void)tear_down(state);
        (void)set_up(state);
        f = *state;
        stand_in(&f->s, STDIN_FILENO, open(f->s.fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        writer = writer_of(f);
        put(writer, cases[i].input);
        fd_close(&writer);
        open_it(f, NULL);
        loop_post(f->s.loop, &f->want); /* within a turn, as its owner does */
        ends_with(f, cases[i].lines);
    }
}

static void a_named_pipe_that_was_removed_ends_it_with_the_reason(void **state)
{
    struct fixture *f = *state;
    auto_fd int writer = -1;

    open_it(f, f->s.fifo);
    inlet_want(&f->inlet, true);
    writer = writer_of(f);
    assert_int_equal(unlink(f->s.fifo), 0);
    put(writer, "a\nb");
    fd_close(&writer);
    loop_until(f->s.loop, has_ended, f);
    assert_seen(f, "2:a|3:b|");
    assert_int_equal(f->inlet.err.kind, ERR_REQUEST);
    assert_int_equal(f->inlet.err.os, ENOENT);
}

static void what_is_no_named_pipe_is_not_opened(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(inlet_open(&f->inlet, f->s.loop, "/dev/null", 1, &f->s.told, &err), -1);
    assert_string_equal(err.text, "--in: \"/dev/null\" is no named pipe (mkfifo makes one)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(lines_are_what_stands_between_newlines),
        TEST(a_line_may_come_byte_by_byte),
        TEST(a_line_may_be_as_long_as_the_bound_and_no_longer),
        TEST(a_line_that_is_far_too_long_is_told_once_and_costs_no_other),
        TEST(an_input_may_end_inside_a_line_that_is_too_long),
        TEST(nothing_is_read_before_it_is_wanted_nor_after),
        TEST(a_file_is_read_once_in_a_turn),
        TEST(what_cannot_be_read_is_told_as_its_end),
        TEST(what_was_not_handed_out_is_dropped_when_it_is_closed),
        TEST(a_named_pipe_waits_for_its_first_writer),
        TEST(one_writer_may_follow_another),
        TEST(a_writer_that_says_nothing_is_no_line),
        TEST(a_line_that_was_too_long_does_not_swallow_the_next_writers),
        TEST(who_came_and_left_unseen_has_a_last_line_too),
        TEST(a_named_pipe_as_stdin_ends_though_its_writer_left_before_us),
        TEST(a_named_pipe_that_was_removed_ends_it_with_the_reason),
        TEST(what_is_no_named_pipe_is_not_opened),
    };

    return cmocka_run_group_tests_name("inlet", tests, NULL, NULL);
}
