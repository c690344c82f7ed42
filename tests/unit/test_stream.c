/* stream: what can be opened, what others see of it, and that nothing of it blocks. */

#include "test.h"

#include <limits.h>

#include "base/stream.h"
#include "stream_fixture.h"

#define MUCH 100000 /* bytes, beyond what one write to something shared may have */

struct fixture {
    struct streams s;
    struct stream in;
    struct stream out;
};

static int set_up(void **state)
{
    struct fixture *f = streams_set_up(state, sizeof(*f));

    stream_init(&f->in);
    stream_init(&f->out);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    stream_close(&f->in);
    stream_close(&f->out);
    return streams_tear_down(state);
}

static void open_both(struct fixture *f)
{
    struct err err;

    assert_int_equal(stream_open_own(&f->in, f->s.loop, STDIN_FILENO, &err), 0);
    assert_int_equal(stream_open_own(&f->out, f->s.loop, STDOUT_FILENO, &err), 0);
    /* An action's processes do not inherit them. */
    assert_int_equal(fcntl(f->in.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(f->out.fd, F_GETFD), FD_CLOEXEC);
}

static int open_fifo(struct fixture *f, struct stream *stream, const char *path, struct err *err)
{
    return stream_open_fifo(stream, f->s.loop, "--x", path, stream == &f->out, err);
}

static ssize_t write_much(const struct stream *stream)
{
    static char much[MUCH];
    struct iovec pieces[] = {{much, PIPE_BUF}, {much, sizeof(much) - PIPE_BUF}};

    return stream_write(stream, pieces, 2);
}

static void assert_nothing_to_read(const struct stream *stream)
{
    char byte;

    assert_int_equal(stream_read(stream, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
}

/* Write until there is no room: a call that blocked would stay there. */
static void fill(const struct stream *stream)
{
    ssize_t n;

    while ((n = write_much(stream)) > 0)
        assert_in_range(n, 1, MUCH);
    assert_int_equal(n, -1);
    assert_int_equal(errno, EAGAIN);
}

/* Nor are they made non-blocking for others. */
static void assert_pipes_do_not_block(struct fixture *f)
{
    char bytes[8];

    assert_nothing_to_read(&f->in);
    put(f->s.others[0], "abc");
    assert_int_equal(stream_read(&f->in, bytes, sizeof(bytes)), 3);
    assert_memory_equal(bytes, "abc", 3);
    fill(&f->out);
    assert_true(is_blocking(STDIN_FILENO) && is_blocking(STDOUT_FILENO));
}

/* ---- our own streams ---- */

static void pipes_do_not_block_and_others_keep_theirs(void **state)
{
    struct fixture *f = *state;

    stand_in_pipe(&f->s, STDIN_FILENO);
    stand_in_pipe(&f->s, STDOUT_FILENO);
    open_both(f);
    assert_true(f->in.is_pipe && f->out.is_pipe);
    assert_pipes_do_not_block(f);
}

static void one_socket_as_both_stays_as_it_is_for_others(void **state)
{
    struct fixture *f = *state;

    stand_in_socket(&f->s);
    open_both(f);
    assert_false(f->in.is_pipe || f->out.is_pipe);
    assert_true(is_blocking(STDIN_FILENO));
    assert_nothing_to_read(&f->in);
    fill(&f->out);
    stream_close(&f->out);
    assert_true(is_blocking(STDIN_FILENO));
}

/* The end of the input is no reason to wait for a peer that does not read. */
static void one_socket_as_both_does_not_block_when_its_input_is_closed(void **state)
{
    struct fixture *f = *state;

    stand_in_socket(&f->s);
    open_both(f);
    stream_close(&f->in);
    fill(&f->out);
}

static void what_was_non_blocking_before_stays_so(void **state)
{
    struct fixture *f = *state;

    stand_in_socket(&f->s);
    assert_int_equal(fcntl(STDIN_FILENO, F_SETFL, O_RDWR | O_NONBLOCK), 0);
    open_both(f);
    stream_close(&f->in);
    stream_close(&f->out);
    assert_false(is_blocking(STDIN_FILENO));
}

/* As after sudo, or in a container with a user of its own: another user's pipe. */
static void a_pipe_that_cannot_be_opened_anew_does_not_block_either(void **state)
{
    struct fixture *f = *state;
    bool was_root = geteuid() == 0;

    stand_in_pipe(&f->s, STDIN_FILENO);
    stand_in_pipe(&f->s, STDOUT_FILENO);
    assert_int_equal(fchmod(STDIN_FILENO, 0), 0);
    assert_int_equal(fchmod(STDOUT_FILENO, 0), 0);
    if (was_root && seteuid(65534) < 0)
        skip();
    open_both(f);
    assert_true(!was_root || seteuid(0) == 0);
    assert_true(f->in.is_shared && f->out.is_shared);
    assert_pipes_do_not_block(f);
}

static void an_empty_first_piece_is_passed_over(void **state)
{
    struct fixture *f = *state;
    struct iovec pieces[] = {{NULL, 0}, {(char[]){"\n"}, 1}};
    bool was_root = geteuid() == 0;

    stand_in_pipe(&f->s, STDIN_FILENO);
    stand_in_pipe(&f->s, STDOUT_FILENO);
    assert_int_equal(fchmod(STDOUT_FILENO, 0), 0);
    if (was_root && seteuid(65534) < 0)
        skip();
    open_both(f);
    assert_true(!was_root || seteuid(0) == 0);
    assert_true(f->out.is_shared);
    assert_int_equal(stream_write(&f->out, pieces, 2), 1);
}

static void files_are_ready_always_and_not_watched(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = xasprintf("%s/file", f->s.folder.outer);
    char bytes[8];

    folder_write(f->s.folder.outer, "file", "abc", 0600);
    stand_in_file(&f->s, STDIN_FILENO, path);
    stand_in_file(&f->s, STDOUT_FILENO, "/dev/null");
    open_both(f);
    assert_null(f->in.watch.sock);
    assert_null(f->out.watch.sock);
    assert_int_equal(stream_read(&f->in, bytes, sizeof(bytes)), 3);
    assert_int_equal(stream_read(&f->in, bytes, sizeof(bytes)), 0);
    assert_int_equal(write_much(&f->out), MUCH);
}

static void closing_leaves_the_standard_descriptors_open(void **state)
{
    struct fixture *f = *state;
    int ours;

    stand_in_pipe(&f->s, STDIN_FILENO);
    stand_in_file(&f->s, STDOUT_FILENO, "/dev/null");
    open_both(f);
    ours = f->out.fd;
    stream_close(&f->in);
    stream_close(&f->out);
    assert_int_equal(f->in.fd, -1);
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0 && fcntl(STDOUT_FILENO, F_GETFD) >= 0);
    assert_int_equal(fcntl(ours, F_GETFD), -1);
    stream_close(&f->in); /* once more is nothing */
}

static void a_stream_that_is_closed_is_told_by_its_name(void **state)
{
    struct fixture *f = *state;
    struct err err;

    stand_in(&f->s, STDIN_FILENO, -1);
    assert_int_equal(stream_open_own(&f->in, f->s.loop, STDIN_FILENO, &err), -1);
    assert_string_equal(err.text, "stdin is closed");
    stand_in(&f->s, STDOUT_FILENO, -1);
    assert_int_equal(stream_open_own(&f->out, f->s.loop, STDOUT_FILENO, &err), -1);
    assert_string_equal(err.text, "stdout is closed");
    assert_int_equal(f->out.fd, -1);
}

static void a_named_pipe_as_stdout_whose_reader_has_left_is_told(void **state)
{
    struct fixture *f = *state;
    auto_fd int reader = open(f->s.fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct err err;

    stand_in_file(&f->s, STDOUT_FILENO, f->s.fifo);
    fd_close(&reader);
    assert_int_equal(stream_open_own(&f->out, f->s.loop, STDOUT_FILENO, &err), -1);
    assert_int_equal(err.os, ENXIO);
    assert_string_equal(err.text, "the reader of stdout has left");
}

/* ---- named pipes ---- */

static void what_is_no_named_pipe_is_refused_with_the_reason(void **state)
{
    struct fixture *f = *state;
    auto_free char *wanted =
        xasprintf("--x: \"%s\" is no named pipe (mkfifo makes one)", f->s.folder.outer);
    struct err err;

    assert_int_equal(open_fifo(f, &f->in, "/no/such", &err), -1);
    assert_int_equal(err.kind, ERR_REQUEST);
    assert_string_equal(err.text, "--x: cannot open \"/no/such\": No such file or directory; want "
                                  "a named pipe (mkfifo makes one)");
    assert_int_equal(open_fifo(f, &f->in, f->s.folder.outer, &err), -1);
    assert_int_equal(err.kind, ERR_REQUEST);
    assert_string_equal(err.text, wanted);
    assert_int_equal(open_fifo(f, &f->out, "/dev/null", &err), -1);
    assert_string_equal(err.text, "--x: \"/dev/null\" is no named pipe (mkfifo makes one)");
}

static void a_named_pipe_that_nobody_reads_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(open_fifo(f, &f->out, f->s.fifo, &err), -1);
    assert_int_equal(err.os, ENXIO);
    assert_int_equal(open_fifo(f, &f->in, f->s.fifo, &err), 0);
    assert_int_equal(open_fifo(f, &f->out, f->s.fifo, &err), 0);
}

static void what_is_open_stays_when_its_successor_cannot_be_opened(void **state)
{
    struct fixture *f = *state;
    struct err err;
    int fd;

    assert_int_equal(open_fifo(f, &f->in, f->s.fifo, &err), 0);
    fd = f->in.fd;
    assert_int_equal(open_fifo(f, &f->in, "/no/such", &err), -1);
    assert_int_equal(f->in.fd, fd);
    assert_true(fcntl(fd, F_GETFD) >= 0);
}

/* A moment without a reader would lose the bytes, and kill who writes them. */
static void opening_again_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct err err;
    char bytes[8];
    auto_fd int writer = -1;

    assert_int_equal(open_fifo(f, &f->in, f->s.fifo, &err), 0);
    writer = open(f->s.fifo, O_WRONLY | O_CLOEXEC);
    put(writer, "abc");
    fd_close(&writer);
    assert_int_equal(open_fifo(f, &f->in, f->s.fifo, &err), 0);
    assert_int_equal(stream_read(&f->in, bytes, sizeof(bytes)), 3);
    assert_memory_equal(bytes, "abc", 3);
}

static void only_the_writing_end_of_a_pipe_is_deserted(void **state)
{
    struct fixture *f = *state;

    stand_in_pipe(&f->s, STDOUT_FILENO);
    stand_in_pipe(&f->s, STDIN_FILENO);
    open_both(f);
    assert_false(stream_is_deserted(&f->out));
    fd_close(&f->s.others[STDIN_FILENO]);
    assert_false(stream_is_deserted(&f->in));
    fd_close(&f->s.others[STDOUT_FILENO]);
    assert_false(stream_is_deserted(&f->in));
    assert_true(stream_is_deserted(&f->out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(pipes_do_not_block_and_others_keep_theirs),
        TEST(one_socket_as_both_stays_as_it_is_for_others),
        TEST(one_socket_as_both_does_not_block_when_its_input_is_closed),
        TEST(what_was_non_blocking_before_stays_so),
        TEST(a_pipe_that_cannot_be_opened_anew_does_not_block_either),
        TEST(an_empty_first_piece_is_passed_over),
        TEST(files_are_ready_always_and_not_watched),
        TEST(closing_leaves_the_standard_descriptors_open),
        TEST(a_stream_that_is_closed_is_told_by_its_name),
        TEST(a_named_pipe_as_stdout_whose_reader_has_left_is_told),
        TEST(what_is_no_named_pipe_is_refused_with_the_reason),
        TEST(a_named_pipe_that_nobody_reads_is_told_apart),
        TEST(what_is_open_stays_when_its_successor_cannot_be_opened),
        TEST(opening_again_loses_nothing),
        TEST(only_the_writing_end_of_a_pipe_is_deserted),
    };

    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
