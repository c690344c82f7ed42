/* outlet: every byte once and in its order, and what becomes of a reader that stalls or leaves. */

#include "test.h"

#include "filter/outlet.h"
#include "stream_fixture.h"

#define MUCH (4 << 20) /* bytes, more than a pipe or a socket holds */

struct fixture {
    struct streams s;
    struct outlet outlet;
    size_t n_written; /* of MUCH */
    size_t n_read;
    int reader; /* borrowed */
};

/* What is written: no period that a pipe has, so that what is lost or doubled shows. */
static unsigned char much[MUCH];

static int set_up(void **state)
{
    struct fixture *f = streams_set_up(state, sizeof(*f));

    outlet_init(&f->outlet);
    for (size_t i = 0; i < MUCH; i++)
        much[i] = (unsigned char)(i % 251);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    outlet_close(&f->outlet);
    return streams_tear_down(state);
}

static void open_it(struct fixture *f, const char *path)
{
    struct err err;

    assert_int_equal(outlet_open(&f->outlet, f->s.loop, path, &f->s.told, &err), 0);
}

static int reader_of(struct fixture *f)
{
    int fd = open(f->s.fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* In two pieces. */
static size_t write_text(struct fixture *f, const char *text)
{
    struct iovec pieces[] = {{(char *)(uintptr_t)text, 1},
                             {(char *)(uintptr_t)text + 1, strlen(text) - 1}};

    return outlet_write(&f->outlet, pieces, 2);
}

static void assert_comes(int reader, const char *wanted)
{
    char text[64];

    assert_int_equal(read(reader, text, sizeof(text)), strlen(wanted));
    assert_memory_equal(text, wanted, strlen(wanted));
}

static void is_told(struct fixture *f)
{
    loop_until(f->s.loop, was_told, &f->s);
    f->s.n_told = 0;
}

/* Write from where it stopped, in pieces of odd sizes, until there is no room. */
static void write_on(struct fixture *f)
{
    size_t n;

    do {
        size_t left = MUCH - f->n_written;
        size_t first = left < 777 ? left : 777;
        struct iovec pieces[] = {{much + f->n_written, first},
                                 {much + f->n_written + first, left - first}};

        n = left > 0 ? outlet_write(&f->outlet, pieces, 2) : 0;
        f->n_written += n;
    } while (n > 0);
}

static bool all_is_read(void *subject)
{
    struct fixture *f = subject;
    unsigned char bytes[60000];
    ssize_t n = read(f->reader, bytes, sizeof(bytes));

    if (n > 0) {
        assert_memory_equal(bytes, much + f->n_read, (size_t)n);
        f->n_read += (size_t)n;
    }
    if (f->s.n_told > 0) {
        f->s.n_told = 0;
        write_on(f);
    }
    return f->n_read == MUCH;
}

/* The reader is slow, so what is written stops again and again. */
static void assert_all_arrives(struct fixture *f, int reader)
{
    f->reader = reader;
    assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
    write_on(f);
    assert_in_range(f->n_written, 1, MUCH - 1);
    loop_turn(f->s.loop, 5);
    assert_int_equal(f->s.n_told, 0); /* no room, nothing to tell */
    loop_until(f->s.loop, all_is_read, f);
    assert_int_equal(f->n_written, MUCH);
}

/* ---- room ---- */

static void what_a_pipe_has_no_room_for_goes_on_where_it_stopped(void **state)
{
    struct fixture *f = *state;

    stand_in_pipe(&f->s, STDOUT_FILENO);
    open_it(f, NULL);
    assert_all_arrives(f, f->s.others[STDOUT_FILENO]);
}

static void so_it_is_with_a_socket(void **state)
{
    struct fixture *f = *state;

    stand_in_socket(&f->s);
    open_it(f, NULL);
    assert_all_arrives(f, f->s.others[0]);
}

static void so_it_is_with_a_named_pipe(void **state)
{
    struct fixture *f = *state;
    auto_fd int reader = reader_of(f);

    open_it(f, f->s.fifo);
    is_told(f);
    assert_all_arrives(f, reader);
}

static void a_file_takes_all(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/file", f->s.folder.outer);

    folder_write(f->s.folder.outer, "file", "", 0600);
    stand_in_file(&f->s, STDOUT_FILENO, path);
    open_it(f, NULL);
    assert_int_equal(write_text(f, "abc\n"), 4);
    assert_int_equal(write_text(f, "de\n"), 3);
    assert_string_equal(folder_read(f->s.folder.outer, "file"), "abc\nde\n");
}

static void nothing_to_write_is_nothing(void **state)
{
    struct fixture *f = *state;

    stand_in_pipe(&f->s, STDOUT_FILENO);
    open_it(f, NULL);
    assert_int_equal(outlet_write(&f->outlet, NULL, 0), 0);
    assert_int_equal(f->outlet.err.kind, ERR_NONE);
}

/* ---- readers that leave ---- */

static void the_reader_of_stdout_has_no_successor(void **state)
{
    struct fixture *f = *state;

    stand_in_pipe(&f->s, STDOUT_FILENO);
    open_it(f, NULL);
    loop_turn(f->s.loop, 5);
    assert_int_equal(f->s.n_told, 0);
    fd_close(&f->s.others[STDOUT_FILENO]);
    is_told(f); /* though nothing was written */
    assert_true(f->outlet.left);
    assert_string_equal(f->outlet.err.text, "the reader of stdout has left");
    assert_int_equal(write_text(f, "abc\n"), 0);
}

static void a_reader_that_left_is_missed_by_the_next_write_at_the_latest(void **state)
{
    struct fixture *f = *state;

    stand_in_socket(&f->s);
    open_it(f, NULL);
    fd_close(&f->s.others[0]);
    assert_int_equal(write_text(f, "abc\n"), 0);
    is_told(f);
    assert_true(f->outlet.left);
    assert_string_equal(f->outlet.err.text, "the reader of stdout has left");
}

static void a_reader_may_leave_while_there_is_no_room(void **state)
{
    struct fixture *f = *state;

    stand_in_pipe(&f->s, STDOUT_FILENO);
    open_it(f, NULL);
    write_on(f);
    assert_in_range(f->n_written, 1, MUCH - 1);
    fd_close(&f->s.others[STDOUT_FILENO]);
    is_told(f);
    if (!f->outlet.left)
        assert_int_equal(write_text(f, "abc\n"), 0);
    assert_true(f->outlet.left);
}

static void a_disk_that_is_full_is_told(void **state)
{
    struct fixture *f = *state;

    stand_in_file(&f->s, STDOUT_FILENO, "/dev/full");
    open_it(f, NULL);
    assert_int_equal(write_text(f, "abc\n"), 0);
    is_told(f);
    assert_false(f->outlet.left);
    assert_string_equal(f->outlet.err.text, "cannot write stdout: No space left on device");
    assert_int_equal(write_text(f, "abc\n"), 0);
}

/* ---- named pipes ---- */

static void a_named_pipe_waits_for_its_reader(void **state)
{
    struct fixture *f = *state;
    auto_fd int reader = -1;

    open_it(f, f->s.fifo);
    assert_int_equal(write_text(f, "abc\n"), 0);
    loop_turn(f->s.loop, 5);
    assert_int_equal(f->s.n_told, 0);
    reader = reader_of(f);
    is_told(f);
    assert_int_equal(write_text(f, "abc\n"), 4);
    assert_comes(reader, "abc\n");
}

static void one_reader_may_follow_another(void **state)
{
    struct fixture *f = *state;
    auto_fd int reader = reader_of(f);

    open_it(f, f->s.fifo);
    is_told(f);
    for (int i = 0; i < 3; i++) {
        assert_false(f->outlet.left);
        assert_int_equal(write_text(f, "abc\n"), 4); /* nobody takes it */
        fd_close(&reader);
        is_told(f);
        assert_true(f->outlet.left);
        assert_int_equal(f->outlet.err.kind, ERR_NONE);
        f->outlet.left = false;
        assert_int_equal(write_text(f, "de\n"), 0);
        reader = reader_of(f);
        is_told(f);
        assert_int_equal(write_text(f, "fg\n"), 3);
        assert_comes(reader, "fg\n");
    }
}

static void a_named_pipe_that_was_removed_is_told(void **state)
{
    struct fixture *f = *state;
    auto_fd int reader = reader_of(f);

    open_it(f, f->s.fifo);
    is_told(f);
    assert_int_equal(unlink(f->s.fifo), 0);
    fd_close(&reader);
    is_told(f);
    assert_true(f->outlet.left);
    assert_int_equal(f->outlet.err.kind, ERR_NONE);
    is_told(f); /* at the next look */
    assert_int_equal(f->outlet.err.kind, ERR_REQUEST);
    assert_int_equal(f->outlet.err.os, ENOENT);
}

static void what_is_no_named_pipe_is_not_opened(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(outlet_open(&f->outlet, f->s.loop, "/dev/null", &f->s.told, &err), -1);
    assert_string_equal(err.text, "--out: \"/dev/null\" is no named pipe (mkfifo makes one)");
}

/* ---- after the loop ---- */

static void what_is_late_has_room_or_has_not(void **state)
{
    struct fixture *f = *state;
    struct iovec piece = {(char[]){'a', 'b'}, 2};

    stand_in_pipe(&f->s, STDOUT_FILENO);
    open_it(f, NULL);
    assert_int_equal(outlet_write_late(&f->outlet, &piece, 1, LIMIT_MS), 2);
    assert_comes(f->s.others[STDOUT_FILENO], "ab");
    write_on(f);
    assert_int_equal(outlet_write_late(&f->outlet, &piece, 1, 1), 0);
    assert_int_equal(f->outlet.err.kind, ERR_NONE);
}

static void what_is_late_does_not_wait_for_who_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct iovec piece = {(char[]){'a', 'b'}, 2};

    open_it(f, f->s.fifo);
    assert_int_equal(outlet_write_late(&f->outlet, &piece, 1, 1000 * STUCK_S), 0);
    outlet_close(&f->outlet);
    stand_in_pipe(&f->s, STDOUT_FILENO);
    open_it(f, NULL);
    fd_close(&f->s.others[STDOUT_FILENO]);
    assert_int_equal(outlet_write_late(&f->outlet, &piece, 1, 1000 * STUCK_S), 0);
    assert_int_equal(f->outlet.err.os, EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_a_pipe_has_no_room_for_goes_on_where_it_stopped),
        TEST(so_it_is_with_a_socket),
        TEST(so_it_is_with_a_named_pipe),
        TEST(a_file_takes_all),
        TEST(nothing_to_write_is_nothing),
        TEST(the_reader_of_stdout_has_no_successor),
        TEST(a_reader_that_left_is_missed_by_the_next_write_at_the_latest),
        TEST(a_reader_may_leave_while_there_is_no_room),
        TEST(a_disk_that_is_full_is_told),
        TEST(a_named_pipe_waits_for_its_reader),
        TEST(one_reader_may_follow_another),
        TEST(a_named_pipe_that_was_removed_is_told),
        TEST(what_is_no_named_pipe_is_not_opened),
        TEST(what_is_late_has_room_or_has_not),
        TEST(what_is_late_does_not_wait_for_who_is_not_there),
    };

    return cmocka_run_group_tests_name("outlet", tests, NULL, NULL);
}
