/* A pool that another one replaces: what it finishes, what it hands over, how its workers leave. */

#include "test.h"

#include "pool_fixture.h"

#define NO_PATIENCE (2 * LIMIT_MS) /* as kill_ms: whoever waits for a signal waits in vain */

static struct pool *next; /* the replacement; NULL: a test has none */
static unsigned n_told;   /* calls of on_retired() */
static bool frees_when_empty;

static void on_retired(void *owner)
{
    struct fixture *f = owner;

    assert_false(f->inside);
    n_told++;
    if (next != NULL)
        pool_take_queued(next, f->pool);
    if (frees_when_empty && pool_n_jobs(f->pool) == 0 && pool_n_processes(f->pool) == 0)
        pool_free(&f->pool);
}

static void retire(struct fixture *f)
{
    f->inside = true;
    pool_retire(f->pool, on_retired, f);
    f->inside = false;
}

static int set_up_two(void **state)
{
    next = NULL;
    n_told = 0;
    frees_when_empty = false;
    return set_up(state);
}

static bool next_runs_nothing(void *subject)
{
    (void)subject;
    return pool_n_processes(next) == 0;
}

static int tear_down_two(void **state)
{
    struct fixture *f = *state;

    if (f->pool != NULL)
        stop(f);
    if (next != NULL) {
        pool_stop(next);
        if (f->pool != NULL)
            pool_take_queued(next, f->pool);
        (void)loop_comes_to(f->loop, all_are_done, f);
        (void)loop_comes_to(f->loop, next_runs_nothing, f);
    }
    pool_free(&next);
    return tear_down(state);
}

static void make_next(struct fixture *f)
{
    struct exec_spec spec = serve();

    next = pool_new(f->loop, &spec, &f->opts, &f->out.output, &f->err.output);
}

static void start_next(struct fixture *f)
{
    unsigned n_before = f->n_started;

    make_next(f);
    pool_start(next, NULL, NULL, on_started, f);
    while (f->n_started == n_before)
        loop_turn(f->loop, 1);
}

static bool is_freed(void *subject)
{
    return ((struct fixture *)subject)->pool == NULL;
}

/* ---- what runs ---- */

static void a_running_activation_is_finished_before_its_worker_leaves(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.kill_ms = NO_PATIENCE;
    start(f, serve());
    (void)submit(f, "nap:20;line3:{}");
    loop_until(f->loop, one_runs, f);
    retire(f);
    frees_when_empty = true;
    loop_until(f->loop, is_freed, f);
    assert_answer(&f->tasks[0], "{}");
    assert_true(n_told >= 2);
    assert_captured(&f->out, SENTINEL "\n");
}

static void an_idle_pool_is_told_to_be_empty(void **state)
{
    struct fixture *f = *state;

    f->opts.n_workers = 3;
    f->opts.worker.kill_ms = NO_PATIENCE;
    start(f, serve());
    retire(f);
    frees_when_empty = true;
    loop_until(f->loop, is_freed, f);
}

static void a_pool_without_processes_is_told_to_be_empty(void **state)
{
    struct fixture *f = *state;

    make(f, serve());
    retire(f);
    frees_when_empty = true;
    loop_until(f->loop, is_freed, f);
}

static void a_worker_that_ends_in_a_retired_pool_is_not_started_again(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    (void)submit(f, "nap:20;exit:3");
    loop_until(f->loop, one_runs, f);
    retire(f);
    loop_until(f->loop, all_are_done, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_DIED);
    loop_turn(f->loop, 20);
    assert_int_equal(pool_n_processes(f->pool), 0);
}

static void an_activation_past_its_deadline_is_answered(void **state)
{
    struct fixture *f = *state;

    start(f, serve());
    assert_true(submit_until(f, "deaf", 50));
    loop_until(f->loop, one_runs, f);
    retire(f);
    frees_when_empty = true;
    loop_until(f->loop, is_freed, f);
    assert_int_equal(f->tasks[0].job.outcome, JOB_LATE);
}

static void a_start_under_way_is_ended_and_not_told(void **state)
{
    struct fixture *f = *state;

    begin(f, launch_child(ANSWERS_FD3, true, "deaf", NULL));
    retire(f);
    loop_until(f->loop, nothing_runs, f);
    loop_turn(f->loop, 5);
    assert_int_equal(f->n_started, 0);
}

/* ---- what waits ---- */

static void what_waits_is_run_by_the_next_one_first_and_in_order(void **state)
{
    struct fixture *f = *state;

    start_and_occupy(f, 10);
    start_next(f);
    for (int i = 0; i < 3; i++)
        (void)submit(f, "line3:{}");
    retire(f);
    pool_take_queued(next, f->pool);
    assert_int_equal(f->pool->n_queued, 0);
    assert_int_equal(next->n_queued, 3);
    loop_until(f->loop, one_runs, f);
    while (f->n_done < 3)
        loop_turn(f->loop, 1);
    for (unsigned i = 1; i <= 3; i++) {
        assert_answer(&f->tasks[i], "{}");
        assert_int_equal(f->tasks[i].place, i - 1);
    }
    assert_int_equal(f->tasks[0].n_done, 0);
    pool_stop(f->pool);
}

static void what_was_admitted_goes_before_what_came_later_and_past_the_bound(void **state)
{
    struct fixture *f = *state;
    struct pool *old;

    start_and_occupy(f, 2);
    (void)submit(f, "line3:{}");
    (void)submit(f, "line3:{}");
    f->opts.queue_max = 1;
    make_next(f); /* not started: nothing leaves its queue */
    old = f->pool;
    f->pool = next;
    (void)submit(f, "line3:{}");
    f->pool = old;
    pool_take_queued(next, f->pool);
    assert_int_equal(next->n_queued, 3);
    assert_ptr_equal(next->queue.next, &f->tasks[1].job.node);
    assert_ptr_equal(next->queue.next->next, &f->tasks[2].job.node);
    assert_ptr_equal(next->queue.prev, &f->tasks[3].job.node);
}

static void deadlines_go_along(void **state)
{
    struct fixture *f = *state;

    start_and_occupy(f, 10);
    assert_true(submit_until(f, "line3:{}", 50));
    make_next(f);
    retire(f);
    while (f->n_done < 1)
        loop_turn(f->loop, 1);
    assert_int_equal(f->tasks[1].job.outcome, JOB_LATE);
    assert_false(loop_timer_is_set(&f->pool->late));
    assert_false(loop_timer_is_set(&next->late));
    pool_stop(f->pool);
}

static void what_comes_back_from_a_dead_worker_is_handed_over(void **state)
{
    struct fixture *f = *state;

    /* It reads nothing: a job that was written to it never began. */
    start(f, launch_child(ANSWERS_FD3, true, OK, "nap:20", "kill:9", NULL));
    start_next(f);
    (void)submit(f, "line3:{}");
    loop_until(f->loop, one_runs, f);
    retire(f);
    loop_until(f->loop, all_are_done, f);
    assert_answer(&f->tasks[0], "{}");
}

/* ---- how workers leave ---- */

static void one_that_stays_after_the_end_of_its_input_is_told_and_killed(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.kill_ms = 20;
    start(f, launch_child(ANSWERS_FD3, false, "stubborn", "swallow", "deaf", NULL));
    retire(f);
    frees_when_empty = true;
    loop_until(f->loop, is_freed, f);
}

static bool is_asked(void *subject)
{
    return ((struct fixture *)subject)->pool->workers[0].worker.state == WORKER_STOPPING;
}

static void stopping_does_not_wait_for_those_that_were_only_asked(void **state)
{
    struct fixture *f = *state;

    f->opts.worker.kill_ms = NO_PATIENCE;
    start(f, launch_child(ANSWERS_FD3, false, "swallow", "deaf", NULL));
    retire(f);
    loop_until(f->loop, is_asked, f);
    stop(f);
    loop_until(f->loop, nothing_runs, f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_two, tear_down_two)
        TEST(a_running_activation_is_finished_before_its_worker_leaves),
        TEST(an_idle_pool_is_told_to_be_empty),
        TEST(a_pool_without_processes_is_told_to_be_empty),
        TEST(a_worker_that_ends_in_a_retired_pool_is_not_started_again),
        TEST(an_activation_past_its_deadline_is_answered),
        TEST(a_start_under_way_is_ended_and_not_told),
        TEST(what_waits_is_run_by_the_next_one_first_and_in_order),
        TEST(what_was_admitted_goes_before_what_came_later_and_past_the_bound),
        TEST(deadlines_go_along),
        TEST(what_comes_back_from_a_dead_worker_is_handed_over),
        TEST(one_that_stays_after_the_end_of_its_input_is_told_and_killed),
        TEST(stopping_does_not_wait_for_those_that_were_only_asked),
    };

    return cmocka_run_group_tests_name("pool_retire", tests, NULL, NULL);
}
