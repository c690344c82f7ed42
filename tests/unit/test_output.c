#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop_fixture.h"

#define EARLY_BYTES 262144 /* leave before the turn ends; see OUTPUT_EARLY_BYTES in base/output.c */

static const int a = 1; /* two writers; only their addresses matter */
static const int b = 2;

/* An output stream on a pipe, or on whatever else open_on() is given, and its reader. */
struct fixture {
    struct loop *loop;
    struct output output;
    int reader;
    int writer;
    char *read; /* owned: all that came */
    size_t n_read;
    size_t n_room; /* bytes that `read` has room for */
    size_t n_wanted;
    struct output_waiter waiter;
    unsigned n_told;
};

static void on_room(struct output_waiter *waiter)
{
    container_of(waiter, struct fixture, waiter)->n_told++;
}

static void open_on(struct fixture *f, int reader, int writer)
{
    assert_true(writer >= 0);
    f->reader = reader;
    f->writer = writer;
    if (reader >= 0)
        assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
    output_init(&f->output, f->loop, writer);
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    int ends[2];

    f->loop = loop_for_test();
    list_init(&f->waiter.node);
    f->waiter.on_room = on_room;
    f->read = xcalloc(1, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    open_on(f, ends[0], ends[1]);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    list_remove(&f->waiter.node);
    output_done(&f->output, 0);
    fd_close(&f->reader);
    fd_close(&f->writer);
    loop_free(&f->loop);
    free(f->read);
    free(f);
    return 0;
}

/* Put the output stream on something else than the pipe. */
static void reopen_on(struct fixture *f, int reader, int writer)
{
    output_done(&f->output, 0);
    fd_close(&f->reader);
    fd_close(&f->writer);
    open_on(f, reader, writer);
}

static void use_socket(struct fixture *f)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    reopen_on(f, ends[0], ends[1]);
}

static void read_what_is_there(struct fixture *f)
{
    char bytes[65536];
    ssize_t n;

    while ((n = read(f->reader, bytes, sizeof(bytes))) > 0) {
        if (f->n_read + (size_t)n >= f->n_room) {
            f->n_room = 2 * f->n_room + sizeof(bytes) + 1; /* doubled: 17 MB come in one case */
            f->read = xrealloc(f->read, f->n_room);
        }
        memcpy(f->read + f->n_read, bytes, (size_t)n);
        f->n_read += (size_t)n;
        f->read[f->n_read] = '\0';
    }
}

static bool all_came(void *subject)
{
    struct fixture *f = subject;

    read_what_is_there(f);
    return f->n_read >= f->n_wanted;
}

static void assert_came(struct fixture *f, const char *wanted)
{
    read_what_is_there(f);
    assert_string_equal(f->read, wanted);
}

static void add(struct fixture *f, const void *owner, const char *text)
{
    output_add(&f->output, owner, text, strlen(text));
}

static void add_many(struct fixture *f, size_t n)
{
    auto_free char *bytes = xmalloc(n);

    memset(bytes, 'x', n);
    output_add(&f->output, NULL, bytes, n);
}

/* Fill the pipe so that nothing of what is added later can leave. */
static void stall(struct fixture *f)
{
    int size = fcntl(f->writer, F_GETPIPE_SZ);

    assert_true(size > 0);
    add_many(f, (size_t)size);
    output_flush(&f->output);
    assert_int_equal(buf_len(&f->output.pending), 0);
}

/* ---- in time ---- */

static void bytes_wait_for_the_end_of_the_turn(void **state)
{
    struct fixture *f = *state;

    add(f, NULL, "one\n");
    add(f, NULL, "two\n");
    assert_came(f, "");
    loop_turn(f->loop, 1);
    assert_came(f, "one\ntwo\n");
}

static void a_flush_writes_at_once(void **state)
{
    struct fixture *f = *state;

    add(f, NULL, "one\n");
    output_flush(&f->output);
    assert_came(f, "one\n");
}

static void one_byte_below_the_early_mark_waits(void **state)
{
    struct fixture *f = *state;

    add_many(f, EARLY_BYTES - 1);
    assert_came(f, "");
}

static void at_the_early_mark_bytes_leave_before_the_turn_ends(void **state)
{
    struct fixture *f = *state;

    add_many(f, EARLY_BYTES - 1);
    add_many(f, 1);
    read_what_is_there(f);
    assert_true(f->n_read > 0);
}

static void adding_nothing_writes_nothing(void **state)
{
    struct fixture *f = *state;

    add(f, &a, "unfinished");
    output_add(&f->output, &b, "", 0);
    output_flush(&f->output);
    assert_came(f, "unfinished");
}

/* ---- lines of several writers ---- */

static void an_owner_goes_on_with_its_own_line(void **state)
{
    struct fixture *f = *state;

    add(f, &a, "one ");
    add(f, &a, "line\n");
    output_flush(&f->output);
    assert_came(f, "one line\n");
}

static void another_writer_starts_on_a_line_of_its_own(void **state)
{
    struct fixture *f = *state;

    add(f, &a, "a's");
    add(f, &b, "b's\n");
    output_flush(&f->output);
    assert_came(f, "a's\nb's\n");
}

static void a_finished_line_is_not_ended_again(void **state)
{
    struct fixture *f = *state;

    add(f, &a, "a's\n");
    add(f, &b, "b's\n");
    output_line_start(&f->output, NULL);
    output_flush(&f->output);
    assert_came(f, "a's\nb's\n");
}

static void a_line_start_for_nobody_ends_anybodys_line(void **state)
{
    struct fixture *f = *state;

    add(f, &a, "a's");
    output_line_start(&f->output, NULL);
    output_line_start(&f->output, NULL);
    output_flush(&f->output);
    assert_came(f, "a's\n");
}

static void a_line_start_leaves_the_owners_own_line(void **state)
{
    struct fixture *f = *state;

    add(f, &a, "a's");
    output_line_start(&f->output, &a);
    output_flush(&f->output);
    assert_came(f, "a's");
}

/* ---- a reader that stalls ---- */

static void one_byte_below_the_bound_is_not_full(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_FULL_BYTES - 1);
    output_flush(&f->output);
    assert_int_equal(buf_len(&f->output.pending), OUTPUT_FULL_BYTES - 1);
    assert_false(output_is_full(&f->output));
}

static void at_the_bound_a_sink_is_full(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_FULL_BYTES);
    assert_true(output_is_full(&f->output));
}

static void a_waiter_hears_nothing_while_the_sink_is_full(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_FULL_BYTES);
    output_wait(&f->output, &f->waiter);
    loop_turn(f->loop, 3);
    assert_int_equal(f->n_told, 0);
}

static bool waiter_was_told(void *subject)
{
    struct fixture *f = subject;

    read_what_is_there(f);
    return f->n_told > 0;
}

static void a_waiter_is_told_once_when_there_is_room(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_FULL_BYTES);
    output_wait(&f->output, &f->waiter);
    loop_until(f->loop, waiter_was_told, f);
    assert_false(output_is_full(&f->output));
    f->n_wanted = SIZE_MAX;
    loop_turn(f->loop, 3);
    assert_int_equal(f->n_told, 1);
}

static void nothing_is_lost_while_the_reader_stalls(void **state)
{
    struct fixture *f = *state;

    stall(f);
    f->n_wanted = (size_t)fcntl(f->writer, F_GETPIPE_SZ) + 3 * OUTPUT_FULL_BYTES / 2 + 4;
    for (int i = 0; i < 3; i++)
        add_many(f, OUTPUT_FULL_BYTES / 2);
    add(f, NULL, "end\n");
    loop_until(f->loop, all_came, f);
    assert_int_equal(f->n_read, f->n_wanted);
    assert_string_equal(f->read + f->n_read - 4, "end\n");
}

static void what_is_added_while_somebody_waits_is_written_too(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_FULL_BYTES);
    output_wait(&f->output, &f->waiter);
    add(f, NULL, "end\n");
    f->n_wanted = (size_t)fcntl(f->writer, F_GETPIPE_SZ) + OUTPUT_FULL_BYTES + 4;
    loop_until(f->loop, all_came, f);
    assert_string_equal(f->read + f->n_read - 4, "end\n");
}

/* It may be in the midst of its own call. */
static void a_waiter_is_not_told_by_what_is_added(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_FULL_BYTES);
    output_wait(&f->output, &f->waiter);
    for (int i = 0; i < 20; i++) {
        read_what_is_there(f);
        add_many(f, 1);
    }
    assert_int_equal(f->n_told, 0);
    loop_until(f->loop, waiter_was_told, f);
}

static void at_their_bound_the_proxys_own_lines_are_dropped(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_OWN_BYTES);
    assert_int_equal(f->output.n_dropped, 0);
    add_many(f, 1);
    assert_int_equal(f->output.n_dropped, 1);
}

static void the_proxys_own_lines_are_dropped_and_counted_beyond_their_bound(void **state)
{
    struct fixture *f = *state;
    size_t n_stalled;

    stall(f);
    n_stalled = (size_t)fcntl(f->writer, F_GETPIPE_SZ);
    add_many(f, OUTPUT_OWN_BYTES - 1);
    add(f, NULL, "kept\n");
    assert_int_equal(f->output.n_dropped, 0);
    add(f, NULL, "lost\n");
    assert_int_equal(f->output.n_dropped, strlen("lost\n"));
    add(f, &a, "an action's, which is held up elsewhere\n");
    f->n_wanted = n_stalled + OUTPUT_OWN_BYTES - 1;
    loop_until(f->loop, all_came, f);
    add(f, NULL, "later\n");
    output_flush(&f->output);
    read_what_is_there(f);
    assert_string_equal(f->read + n_stalled + OUTPUT_OWN_BYTES - 1,
                        "kept\nan action's, which is held up elsewhere\nlater\n");
    assert_int_equal(f->output.n_dropped, strlen("lost\n"));
}

static void memory_goes_back_once_all_is_written(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_FULL_BYTES);
    f->n_wanted = (size_t)fcntl(f->writer, F_GETPIPE_SZ) + OUTPUT_FULL_BYTES;
    loop_until(f->loop, all_came, f);
    loop_turn(f->loop, 2);
    assert_int_equal(buf_len(&f->output.pending), 0);
    assert_true(f->output.pending.size < OUTPUT_FULL_BYTES / 8);
}

/* ---- a reader that is gone ---- */

static void without_a_reader_bytes_are_dropped(void **state)
{
    struct fixture *f = *state;

    fd_close(&f->reader);
    add_many(f, 100);
    output_flush(&f->output);
    add_many(f, 100);
    assert_int_equal(buf_len(&f->output.pending), 0);
    assert_int_equal(f->output.n_dropped, 200);
}

static void a_waiter_is_told_when_the_reader_leaves(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add_many(f, OUTPUT_FULL_BYTES);
    output_wait(&f->output, &f->waiter);
    fd_close(&f->reader);
    loop_until(f->loop, waiter_was_told, f);
    assert_int_equal(buf_len(&f->output.pending), 0);
}

/* ---- what streams may be ---- */

static void our_stream_stays_blocking_for_others(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fcntl(f->writer, F_GETFL) & O_NONBLOCK, 0);
}

static void a_file_gets_all_at_once(void **state)
{
    struct fixture *f = *state;
    struct capture capture;

    capture_open(&capture, f->loop);
    output_add(&capture.output, NULL, "one\n", 4);
    assert_captured(&capture, "one\n");
    capture_close(&capture);
}

static void a_socket_gets_all_in_pieces(void **state)
{
    struct fixture *f = *state;

    use_socket(f);
    add_many(f, OUTPUT_FULL_BYTES);
    add(f, NULL, "end\n");
    f->n_wanted = OUTPUT_FULL_BYTES + 4;
    loop_until(f->loop, all_came, f);
    assert_string_equal(f->read + f->n_read - 4, "end\n");
}

static void a_socket_stays_blocking_for_others(void **state)
{
    struct fixture *f = *state;

    use_socket(f);
    assert_int_equal(fcntl(f->writer, F_GETFL) & O_NONBLOCK, 0);
}

/* As behind sudo: the pipe cannot be opened anew. */
static void so_does_another_users_pipe(void **state)
{
    struct fixture *f = *state;
    bool was_root = geteuid() == 0;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fchmod(ends[1], 0), 0);
    if (was_root && seteuid(65534) < 0)
        skip();
    reopen_on(f, ends[0], ends[1]);
    assert_true(!was_root || seteuid(0) == 0);
    assert_true(f->output.stream.is_shared);
    assert_int_equal(fcntl(f->writer, F_GETFL) & O_NONBLOCK, 0);
    add_many(f, OUTPUT_FULL_BYTES);
    add(f, NULL, "end\n");
    f->n_wanted = OUTPUT_FULL_BYTES + 4;
    loop_until(f->loop, all_came, f);
    assert_string_equal(f->read + f->n_read - 4, "end\n");
}

static void a_log_leaves_the_size_of_its_pipe(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    int size;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    size = fcntl(ends[1], F_GETPIPE_SZ);
    reopen_on(f, ends[0], ends[1]);
    assert_int_equal(fcntl(f->writer, F_GETPIPE_SZ), size);
}

static void a_full_disk_costs_the_bytes_and_not_the_sink(void **state)
{
    struct fixture *f = *state;

    reopen_on(f, -1, open("/dev/full", O_WRONLY | O_CLOEXEC));
    add(f, NULL, "lost\n");
    output_flush(&f->output);
    assert_int_equal(buf_len(&f->output.pending), 0);
    assert_false(f->output.broken);
    assert_int_equal(f->output.n_dropped, strlen("lost\n"));
}

static void a_closed_stream_is_no_harm(void **state)
{
    struct fixture *f = *state;
    struct output output;

    output_init(&output, f->loop, 999);
    output_add(&output, NULL, "lost\n", 5);
    output_flush(&output);
    assert_int_equal(buf_len(&output.pending), 0);
    output_done(&output, 0);
}

/* ---- the end ---- */

static void the_end_writes_what_is_pending(void **state)
{
    struct fixture *f = *state;

    add(f, NULL, "last\n");
    output_done(&f->output, 0);
    assert_came(f, "last\n");
}

static void the_end_does_not_wait_for_a_reader_that_stalls(void **state)
{
    struct fixture *f = *state;

    stall(f);
    add(f, NULL, "lost\n");
    output_done(&f->output, 0);
    read_what_is_there(f);
    assert_null(strstr(f->read, "lost"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(bytes_wait_for_the_end_of_the_turn),
        TEST(a_flush_writes_at_once),
        TEST(one_byte_below_the_early_mark_waits),
        TEST(at_the_early_mark_bytes_leave_before_the_turn_ends),
        TEST(adding_nothing_writes_nothing),
        TEST(an_owner_goes_on_with_its_own_line),
        TEST(another_writer_starts_on_a_line_of_its_own),
        TEST(a_finished_line_is_not_ended_again),
        TEST(a_line_start_for_nobody_ends_anybodys_line),
        TEST(a_line_start_leaves_the_owners_own_line),
        TEST(one_byte_below_the_bound_is_not_full),
        TEST(at_the_bound_a_sink_is_full),
        TEST(a_waiter_hears_nothing_while_the_sink_is_full),
        TEST(a_waiter_is_told_once_when_there_is_room),
        TEST(nothing_is_lost_while_the_reader_stalls),
        TEST(what_is_added_while_somebody_waits_is_written_too),
        TEST(a_waiter_is_not_told_by_what_is_added),
        TEST(at_their_bound_the_proxys_own_lines_are_dropped),
        TEST(the_proxys_own_lines_are_dropped_and_counted_beyond_their_bound),
        TEST(memory_goes_back_once_all_is_written),
        TEST(without_a_reader_bytes_are_dropped),
        TEST(a_waiter_is_told_when_the_reader_leaves),
        TEST(our_stream_stays_blocking_for_others),
        TEST(a_file_gets_all_at_once),
        TEST(a_socket_gets_all_in_pieces),
        TEST(a_socket_stays_blocking_for_others),
        TEST(so_does_another_users_pipe),
        TEST(a_log_leaves_the_size_of_its_pipe),
        TEST(a_full_disk_costs_the_bytes_and_not_the_sink),
        TEST(a_closed_stream_is_no_harm),
        TEST(the_end_writes_what_is_pending),
        TEST(the_end_does_not_wait_for_a_reader_that_stalls),
    };

    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
