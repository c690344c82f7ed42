/* What the loop hears from outside: descriptors, ends of children, signals. */

#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "loop_parts.h"

/* ---- descriptors ---- */

static void a_readable_descriptor_is_told_until_it_is_read(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_read(f, on_watch);
    assert_int_equal(write(f->ours, "x", 1), 1);
    loop_until(f->loop, all_were_seen, f);
    assert_memory_equal(f->seen, "aaaa", N);
}

static void the_end_of_a_stream_is_readable(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_read(f, on_watch_then_close);
    fd_close(&f->ours);
    loop_until(f->loop, something_was_seen, f);
    assert_string_equal(f->seen, "a");
}

static void a_watch_that_was_stopped_tells_nothing(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_read(f, on_watch);
    assert_int_equal(write(f->ours, "x", 1), 1);
    loop_watch_read(&f->parts[0].watch, NULL);
    loop_turn(f->loop, 3);
    assert_int_equal(f->n_seen, 0);
}

static void a_watch_that_was_stopped_can_go_on(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_read(f, on_watch);
    assert_int_equal(write(f->ours, "x", 1), 1);
    loop_watch_read(&f->parts[0].watch, NULL);
    loop_turn(f->loop, 1);
    loop_watch_read(&f->parts[0].watch, on_watch_then_close);
    loop_until(f->loop, something_was_seen, f);
}

static void room_to_write_is_told_once(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_write(f);
    loop_watch_write(&f->parts[0].watch, on_watch);
    loop_until(f->loop, something_was_seen, f);
    loop_turn(f->loop, 3);
    assert_string_equal(f->seen, "a");
}

static void a_watched_descriptor_does_not_block(void **state)
{
    struct fixture *f = *state;
    char byte;

    watch_pipe_to_read(f, on_watch);
    assert_int_equal(read(f->parts[0].watch.fd, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
}

static void closing_a_watch_closes_the_descriptor(void **state)
{
    struct fixture *f = *state;
    int fd;

    watch_pipe_to_read(f, on_watch);
    fd = f->parts[0].watch.fd;
    loop_watch_close(&f->parts[0].watch);
    loop_turn(f->loop, 1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(f->parts[0].watch.fd, -1);
}

static void closing_a_watch_twice_is_harmless(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_read(f, on_watch);
    loop_watch_close(&f->parts[0].watch);
    loop_watch_close(&f->parts[0].watch);
    assert_null(f->parts[0].watch.sock);
}

static void a_watch_can_be_handed_over(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_read(f, on_watch);
    loop_watch_move(&f->parts[0].watch, &f->parts[1].watch);
    assert_null(f->parts[0].watch.sock);
    assert_int_equal(write(f->ours, "x", 1), 1);
    loop_turn(f->loop, 2);
    assert_int_equal(f->n_seen, 0);
    loop_watch_read(&f->parts[1].watch, on_watch_then_close);
    loop_until(f->loop, something_was_seen, f);
    assert_string_equal(f->seen, "b");
}

/* ---- looking before sleeping ---- */

static pid_t fork_one_that_exits(int status)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(status);
    assert_true(pid > 0);
    return pid;
}

static void on_byte(struct loop_watch *watch)
{
    char byte;

    if (read(watch->fd, &byte, 1) == 1)
        see(container_of(watch, struct part, watch));
}

static bool a_dozen_was_seen(void *subject)
{
    const struct fixture *f = subject;

    return f->n_seen >= 12;
}

/* A loop that looks for an hour before it sleeps, once twelve events have come at once. */
static void look_for_an_hour(struct fixture *f)
{
    loop_busy_poll(f->loop, UINT64_C(3600) * 1000000);
    watch_pipe_to_read(f, on_byte);
    assert_int_equal(write(f->ours, "xxxxxxxxxxxx", 12), 12);
    loop_until(f->loop, a_dozen_was_seen, f);
    f->n_seen = 0;
    memset(f->seen, 0, sizeof(f->seen));
}

static void timers_are_due_while_it_looks(void **state)
{
    struct fixture *f = *state;

    look_for_an_hour(f);
    loop_timer_set(f->loop, &f->parts[1].timer, loop_now_ms(f->loop) + 5);
    loop_until(f->loop, something_was_seen, f);
    assert_string_equal(f->seen, "b");
}

static void events_from_outside_are_seen_while_it_looks(void **state)
{
    struct fixture *f = *state;
    pid_t pid;

    look_for_an_hour(f);
    pid = fork();
    if (pid == 0)
        _exit(write(f->ours, "x", 1) == 1 ? 0 : 1);
    loop_until(f->loop, something_was_seen, f);
    assert_string_equal(f->seen, "a");
}

static void children_and_signals_are_told_while_it_looks(void **state)
{
    struct fixture *f = *state;

    look_for_an_hour(f);
    loop_on_signal(f->loop, on_signal, f);
    loop_child_watch(f->loop, &f->parts[2].child, fork_one_that_exits(7), on_child);
    loop_until(f->loop, something_was_seen, f);
    assert_string_equal(f->seen, "c");
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    loop_until(f->loop, a_signal_came, f);
}

/* ---- children ---- */

static void the_end_of_a_child_is_told_with_its_status(void **state)
{
    struct fixture *f = *state;

    loop_child_watch(f->loop, &f->parts[0].child, fork_one_that_exits(7), on_child);
    loop_until(f->loop, something_was_seen, f);
    assert_true(WIFEXITED(f->parts[0].wait_status));
    assert_int_equal(WEXITSTATUS(f->parts[0].wait_status), 7);
}

static void many_children_that_end_together_are_all_told(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < N; i++)
        loop_child_watch(f->loop, &f->parts[i].child, fork_one_that_exits(i), on_child);
    loop_until(f->loop, all_were_seen, f);
    for (int i = 0; i < N; i++)
        assert_int_equal(WEXITSTATUS(f->parts[i].wait_status), i);
}

static void a_forgotten_child_is_reaped_and_not_told(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork_one_that_exits(0);

    loop_child_watch(f->loop, &f->parts[0].child, pid, on_child);
    loop_child_forget(&f->parts[0].child);
    loop_child_watch(f->loop, &f->parts[1].child, fork_one_that_exits(0), on_child);
    loop_until(f->loop, something_was_seen, f);
    while (kill(pid, 0) == 0)
        loop_turn(f->loop, 1);
    assert_string_equal(f->seen, "b");
}

static bool is_gone(void *subject)
{
    return kill(*(pid_t *)subject, 0) < 0;
}

static void a_child_that_nobody_watches_leaves_no_zombie(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork_one_that_exits(0);

    loop_until(f->loop, is_gone, &pid);
}

static void a_killed_child_is_told_with_its_signal(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            (void)pause();
    loop_child_watch(f->loop, &f->parts[0].child, pid, on_child);
    assert_int_equal(kill(pid, SIGKILL), 0);
    loop_until(f->loop, something_was_seen, f);
    assert_true(WIFSIGNALED(f->parts[0].wait_status));
    assert_int_equal(WTERMSIG(f->parts[0].wait_status), SIGKILL);
}

/* ---- signals ---- */

static void sigterm_is_told_to_the_owner(void **state)
{
    struct fixture *f = *state;

    loop_on_signal(f->loop, on_signal, f);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    loop_until(f->loop, a_signal_came, f);
    assert_int_equal(f->signo, SIGTERM);
}

static void sigint_is_told_to_the_owner(void **state)
{
    struct fixture *f = *state;

    loop_on_signal(f->loop, on_signal, f);
    assert_int_equal(kill(getpid(), SIGINT), 0);
    loop_until(f->loop, a_signal_came, f);
    assert_int_equal(f->signo, SIGINT);
}

static void sighup_is_told_to_the_owner(void **state)
{
    struct fixture *f = *state;

    loop_on_signal(f->loop, on_signal, f);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    loop_until(f->loop, a_signal_came, f);
    assert_int_equal(f->signo, SIGHUP);
}

static void a_signal_without_an_owner_is_dropped(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kill(getpid(), SIGTERM), 0);
    loop_turn(f->loop, 3);
    loop_on_signal(f->loop, on_signal, f);
    loop_turn(f->loop, 3);
    assert_int_equal(f->signo, 0);
}

static void a_broken_pipe_does_not_kill(void **state)
{
    struct fixture *f = *state;

    watch_pipe_to_write(f);
    fd_close(&f->ours);
    assert_int_equal(write(f->parts[0].watch.fd, "x", 1), -1);
    assert_int_equal(errno, EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_readable_descriptor_is_told_until_it_is_read),
        TEST(the_end_of_a_stream_is_readable),
        TEST(a_watch_that_was_stopped_tells_nothing),
        TEST(a_watch_that_was_stopped_can_go_on),
        TEST(room_to_write_is_told_once),
        TEST(a_watched_descriptor_does_not_block),
        TEST(closing_a_watch_closes_the_descriptor),
        TEST(closing_a_watch_twice_is_harmless),
        TEST(a_watch_can_be_handed_over),
        TEST(timers_are_due_while_it_looks),
        TEST(events_from_outside_are_seen_while_it_looks),
        TEST(children_and_signals_are_told_while_it_looks),
        TEST(the_end_of_a_child_is_told_with_its_status),
        TEST(many_children_that_end_together_are_all_told),
        TEST(a_forgotten_child_is_reaped_and_not_told),
        TEST(a_child_that_nobody_watches_leaves_no_zombie),
        TEST(a_killed_child_is_told_with_its_signal),
        TEST(sigterm_is_told_to_the_owner),
        TEST(sigint_is_told_to_the_owner),
        TEST(sighup_is_told_to_the_owner),
        TEST(a_signal_without_an_owner_is_dropped),
        TEST(a_broken_pipe_does_not_kill),
    };

    return cmocka_run_group_tests_name("loop_outside", tests, NULL, NULL);
}
