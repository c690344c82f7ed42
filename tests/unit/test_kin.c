/* kin: what the processes of an action leave behind, told from what still belongs to others. */

#include "test.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/kin.h"
#include "loop_fixture.h"

/* most bytes that one read of /proc/self/task/TID/children gives: a page */
#define CROWD_BYTES 4096

struct fixture {
    struct loop *loop;
    unsigned running; /* the mark of a process that runs on */
    unsigned ended;   /* the mark of one that has ended */
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    kin_open();
    f->running = kin_mark();
    f->ended = kin_mark();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    kin_end_all();
    kin_close();
    loop_free(&f->loop);
    free(f);
    return 0;
}

/* A child that nobody watches, as one whose parent has died. 0: the system has no process left. */
static pid_t leave_one(unsigned mark)
{
    pid_t pid;

    kin_begin(mark);
    pid = fork();
    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a test that fails */
    while (pid == 0)
        (void)pause();
    kin_finish();
    return pid > 0 ? pid : 0;
}

static bool is_gone(void *subject)
{
    return kill(*(pid_t *)subject, 0) < 0;
}

static void what_an_ended_process_has_left_is_killed_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    pid_t others = leave_one(f->running), left = leave_one(f->ended);

    kin_end(f->loop, f->ended);
    loop_until(f->loop, is_gone, &left);
    assert_int_equal(kill(others, 0), 0);
}

static void it_is_found_behind_a_crowd_that_may_live(void **state)
{
    struct fixture *f = *state;
    size_t n_bytes = 0;
    pid_t left;

    while (n_bytes <= CROWD_BYTES) {
        pid_t other = leave_one(f->running);

        if (other == 0)
            skip(); /* a limit on processes */
        n_bytes += (size_t)snprintf(NULL, 0, "%d ", (int)other);
    }
    left = leave_one(f->ended);
    kin_end(f->loop, f->ended);
    loop_until(f->loop, is_gone, &left);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(what_an_ended_process_has_left_is_killed_and_nothing_else),
        FACT(it_is_found_behind_a_crowd_that_may_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
