/* zygote: workers made of one process; what becomes of them, of it, and of it when it cannot. */

#include "test.h"

#include <dirent.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "pool_fixture.h"

#define READY    "line3:{\"ok\":true}"
#define CAN_FORK "line0:{\"forks\":true}"
#define ORDER    "take0:14" /* the bytes of an order; its descriptors are lost */

/* What an ordinary worker says before it serves. */
#define ordinary() launch_child(ANSWERS_FD3, false, "line2:ordinary", "serve", NULL)

/* A zygote: the steps, once it has heard what its action is. */
#define zygote_of(...) launch_child(ANSWERS_FD3, true, "line2:loaded", "read", __VA_ARGS__, NULL)

static void begin_forked_with(struct fixture *f, struct exec_spec zygote, const char *greeting)
{
    struct buf line = {0};

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    zygote.socket_in = true;
    buf_add_text(&line, greeting);
    make(f, ordinary());
    f->inside = true;
    pool_start_forked(f->pool, &zygote, NULL, &line, on_started, f);
    f->inside = false;
    assert_null(zygote.argv); /* taken over */
}

static void begin_forked(struct fixture *f, struct exec_spec zygote)
{
    begin_forked_with(f, zygote, "#the action\n");
}

static void start_forked(struct fixture *f, struct exec_spec zygote)
{
    begin_forked(f, zygote);
    loop_until(f->loop, was_started, f);
}

static bool all_are_ready(void *subject)
{
    const struct fixture *f = subject;

    for (unsigned i = 0; i < f->opts.n_workers; i++)
        if (f->pool->workers[i].worker.state != WORKER_READY)
            return false;
    return true;
}

static bool zygote_is_down(void *subject)
{
    return !zygote_is_there(((struct fixture *)subject)->pool->zygote);
}

static bool the_template_starts(void *subject)
{
    return ((struct fixture *)subject)->pool->zygote->worker.state == WORKER_STARTING;
}

static bool an_order_is_under_way(void *subject)
{
    return ((struct fixture *)subject)->pool->zygote->begun.in >= 0;
}

static void kill_zygote(struct fixture *f)
{
    spawn_kill(f->pool->zygote->worker.pid, SIGKILL);
    loop_until(f->loop, zygote_is_down, f);
}

/* One activation that ends its worker, and one for whoever takes its place. */
static void replace(struct fixture *f)
{
    (void)run(f, "line3:{};exit:0");
    assert_answer(run(f, "line3:{\"next\":1}"), "{\"next\":1}");
}

static unsigned n_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n;
}

/* ---- workers ---- */

static void all_workers_are_made_of_one_process(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 3;
    start_forked(f, zygote_of(CAN_FORK, READY, "forks0:serve"));
    loop_until(f->loop, all_are_ready, f);
    assert_answer(run(f, "line3:{\"a\":1}"), "{\"a\":1}");
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(f->pool->workers[i].worker.pid, f->pool->workers[k].worker.pid);
    assert_int_equal(f->n_started, 1);
    assert_int_equal(pool_n_processes(f->pool), 4);
    assert_captured(&f->err, "loaded\n" SENTINEL "\n");
}

static void a_worker_has_its_own_pipes_and_group_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    start_forked(f, zygote_of(CAN_FORK, READY, "forks0:serve"));
    (void)run(f, "tell1:descriptors;tell1:group;line3:{}");
    assert_captured(&f->out, "f\nits own\n" SENTINEL "\n");
}

static void a_worker_that_ended_is_replaced_without_a_load(void **state)
{
    struct fixture *f = *state;

    start_forked(f, zygote_of(CAN_FORK, READY, "forks0:serve"));
    replace(f);
    replace(f);
    assert_captured(&f->err, "loaded\n" SENTINEL "\n" SENTINEL "\n" SENTINEL "\n" SENTINEL "\n");
}

static void its_own_pipes_are_all_that_a_made_worker_costs(void **state)
{
    struct fixture *f = *state;
    unsigned n_before;

    start_forked(f, zygote_of(CAN_FORK, READY, "forks0:serve"));
    n_before = n_open();
    for (int i = 0; i < 10; i++)
        replace(f);
    assert_int_equal(n_open(), n_before);
}

static void a_worker_that_ended_before_it_was_known_is_started_the_ordinary_way(void **state)
{
    struct fixture *f = *state;

    start_forked(f, zygote_of(CAN_FORK, READY, ORDER, "line0:{\"pid\":1}", "deaf"));
    (void)run(f, "line3:{}");
    assert_captured(&f->err, "loaded\nordinary\n" SENTINEL "\n");
}

/* ---- the end of the zygote ---- */

static void workers_outlive_the_template(void **state)
{
    struct fixture *f = *state;

    start_forked(f, zygote_of(CAN_FORK, READY, "forks0:serve"));
    kill_zygote(f);
    assert_answer(run(f, "line3:{\"a\":1}"), "{\"a\":1}");
    assert_captured(&f->err, "loaded\n" SENTINEL "\n");
}

static void a_template_that_ended_is_started_again_for_the_next_worker(void **state)
{
    struct fixture *f = *state;

    start_forked(f, zygote_of(CAN_FORK, READY, "forks0:serve"));
    kill_zygote(f);
    replace(f);
    assert_captured(&f->err, "loaded\n" SENTINEL "\nloaded\n" SENTINEL "\n");
}

static void an_order_that_a_good_zygote_died_of_is_carried_out_by_the_next(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 2;
    start_forked(f, zygote_of(CAN_FORK, READY, "fork0:serve", ORDER, "exit:1"));
    loop_until(f->loop, all_are_ready, f);
    assert_captured(&f->err, "loaded\nloaded\n");
}

static void one_that_twice_ends_before_it_has_made_a_worker_is_given_up(void **state)
{
    struct fixture *f = *state;

    start_forked(f, zygote_of(CAN_FORK, READY, ORDER, "exit:1"));
    replace(f);
    assert_captured(&f->err, "loaded\nloaded\nordinary\n" SENTINEL "\nordinary\n" SENTINEL "\n");
}

static void one_that_is_killed_while_it_loads_again_fails_nobody(void **state)
{
    struct fixture *f = *state;
    struct buf *greeting;

    begin_forked_with(f, zygote_of("read", CAN_FORK, READY, "forks0:serve"), "#one\n#two\n");
    loop_until(f->loop, was_started, f);
    kill_zygote(f);
    greeting = &f->pool->zygote->greeting;
    greeting->end -= strlen("#two\n"); /* the next one waits for more */
    (void)submit(f, "line3:{};exit:0");
    loop_until(f->loop, the_template_starts, f);
    buf_add_text(greeting, "#two\n");
    spawn_kill(f->pool->zygote->worker.pid, SIGKILL);
    assert_answer(run(f, "line3:{\"next\":1}"), "{\"next\":1}");
    assert_false(f->pool->zygote->given_up);
}

static void one_whose_program_is_gone_is_given_up(void **state)
{
    struct fixture *f = *state;
    char **argv;

    start_forked(f, zygote_of(CAN_FORK, READY, "forks0:serve"));
    kill_zygote(f);
    argv = f->pool->zygote->spec.argv;
    free(argv[0]);
    argv[0] = xstrdup("/nowhere/launcher");
    replace(f);
    assert_true(f->pool->zygote->given_up);
    assert_captured(&f->err, "loaded\n" SENTINEL "\nordinary\n" SENTINEL "\n");
}

static void one_that_closes_its_socket_is_given_up(void **state)
{
    struct fixture *f = *state;

    start_forked(f, zygote_of(CAN_FORK, READY, ORDER, "close0", "deaf"));
    (void)run(f, "line3:{}");
    loop_until(f->loop, zygote_is_down, f);
    assert_captured(&f->err, "loaded\nloaded\nordinary\n" SENTINEL "\n");
}

static void one_that_does_nothing_in_time_is_given_up(void **state)
{
    struct fixture *f = *state;

    begin_forked(f, zygote_of(CAN_FORK, READY, "deaf"));
    loop_until(f->loop, an_order_is_under_way, f);
    assert_true(loop_timer_is_set(&f->pool->zygote->late));
    f->pool->zygote->late_at_ms = 0;
    loop_timer_set(f->loop, &f->pool->zygote->late, 0);
    loop_until(f->loop, was_started, f);
    loop_until(f->loop, zygote_is_down, f);
    (void)run(f, "line3:{}");
    assert_captured(&f->err, "loaded\nordinary\n" SENTINEL "\n");
}

/* ---- its health ---- */

static uint64_t planned_ms; /* when a check was planned */

static bool it_was_checked(void *subject)
{
    return ((struct fixture *)subject)->pool->zygote->worker.session.health_at_ms > planned_ms;
}

static void one_that_announces_control_lines_is_not_asked_whether_it_reads(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.health_ms = 1;
    start_forked(f, zygote_of(CAN_FORK, "line3:{\"ok\":true,\"control\":true}", "forks0:serve"));
    planned_ms = f->pool->zygote->worker.session.health_at_ms;
    assert_true(planned_ms > 0);
    loop_until(f->loop, it_was_checked, f);
    assert_false(zygote_is_down(f));
    assert_answer(run(f, "line3:{\"a\":1}"), "{\"a\":1}");
}

/* ---- those that cannot ---- */

static void what_it_must_say_is_said_or_it_is_given_up(void **state)
{
    static const char *const says[] = {
        "line0:{\"forks\":false,\"error\":\"threads\"}", /* it must not */
        "line0:{\"forks\":false}",
        "line0:{\"forks\":1}",
        "line0:nonsense",
        "line0:[]",
        "line0:{\"pid\":17}", /* unasked */
        "fill0:5000",
        "#nothing",
        "close0",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        auto_free char *text = NULL;

        f->n_started = 0;
        start_forked(f, zygote_of(says[i], READY, "deaf"));
        (void)run(f, "line3:{}");
        text = capture_text(&f->err);
        assert_int_equal(f->start_err.kind, ERR_NONE);
        if (count_of("ordinary\n", text) != i + 1)
            fail_msg("after %s no ordinary worker was started: %s", says[i], text);
        loop_until(f->loop, zygote_is_down, f);
        stop(f);
        loop_until(f->loop, nothing_runs, f);
        pool_free(&f->pool);
    }
}

static void a_load_that_fails_is_a_failed_start_and_not_tried_again(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 3;
    start_forked(f, zygote_of("line3:{\"ok\":false,\"error\":\"why\"}", "deaf"));
    assert_int_equal(f->start_err.kind, ERR_CODE);
    assert_string_equal(f->start_err.text, "why");
    loop_turn(f->loop, 20);
    assert_int_equal(f->n_started, 1);
    assert_int_equal(pool_n_processes(f->pool), 0);
    assert_captured(&f->err, "loaded\n");
}

static void a_missing_program_is_a_failed_start(void **state)
{
    struct fixture *f = *state;

    start_forked(f, spec_of("/nowhere/launcher"));
    assert_int_equal(f->start_err.kind, ERR_ACTION);
    assert_int_equal(pool_n_processes(f->pool), 0);
}

static void a_fork_that_the_system_refuses_is_a_failed_start(void **state)
{
    struct fixture *f = *state;

    start_forked(
        f, zygote_of(CAN_FORK, READY, ORDER, "line0:{\"error\":\"no memory\"}", "forks0:serve"));
    assert_int_equal(f->start_err.kind, ERR_SYSTEM);
    assert_string_equal(f->start_err.text, "cannot start a process: no memory");
    assert_captured(&f->err, "loaded\n");
}

/* ---- stopping ---- */

static void a_stopped_pool_ends_the_template_too(void **state)
{
    struct fixture *f = *state;

    start_forked(f, zygote_of("stubborn", CAN_FORK, READY, "forks0:serve"));
    stop(f);
    loop_until(f->loop, nothing_runs, f);
    assert_true(zygote_is_down(f));
}

static void a_pool_can_be_stopped_while_a_worker_is_being_made(void **state)
{
    struct fixture *f = *state;
    unsigned n_before = n_open();

    f->opts.n_workers = 2;
    begin_forked(f, zygote_of(CAN_FORK, READY, "deaf"));
    loop_until(f->loop, an_order_is_under_way, f);
    stop(f);
    loop_until(f->loop, nothing_runs, f);
    pool_free(&f->pool);
    loop_turn(f->loop, 2);
    assert_int_equal(n_open(), n_before);
    assert_int_equal(f->n_started, 0);
    assert_captured(&f->err, "loaded\n");
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(all_workers_are_made_of_one_process),
        FACT(a_worker_has_its_own_pipes_and_group_and_nothing_else),
        FACT(a_worker_that_ended_is_replaced_without_a_load),
        FACT(its_own_pipes_are_all_that_a_made_worker_costs),
        FACT(a_worker_that_ended_before_it_was_known_is_started_the_ordinary_way),
        FACT(workers_outlive_the_template),
        FACT(a_template_that_ended_is_started_again_for_the_next_worker),
        FACT(an_order_that_a_good_zygote_died_of_is_carried_out_by_the_next),
        FACT(one_that_twice_ends_before_it_has_made_a_worker_is_given_up),
        FACT(one_that_is_killed_while_it_loads_again_fails_nobody),
        FACT(one_whose_program_is_gone_is_given_up),
        FACT(one_that_closes_its_socket_is_given_up),
        FACT(one_that_announces_control_lines_is_not_asked_whether_it_reads),
        FACT(one_that_does_nothing_in_time_is_given_up),
        FACT(what_it_must_say_is_said_or_it_is_given_up),
        FACT(a_load_that_fails_is_a_failed_start_and_not_tried_again),
        FACT(a_missing_program_is_a_failed_start),
        FACT(a_fork_that_the_system_refuses_is_a_failed_start),
        FACT(a_stopped_pool_ends_the_template_too),
        FACT(a_pool_can_be_stopped_while_a_worker_is_being_made),
    };

    log_set_level(LOG_ERROR); /* that it gives up is what these tests are about */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
