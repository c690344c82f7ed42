/* A worker that dies of a limit: whose activation hears of it, and what a failed start says. */

#include "test.h"

#include "base/oom.h"
#include "cgroup_fixture.h"
#include "worker_fixture.h"

/* What the proxy's group counts; the child itself raises it before it is killed. */
struct counted {
    struct folder folder;
    struct oom oom;
    char *raise; /* owned; a step of the child */
};

static void count_kills(struct fixture *f, struct counted *counted)
{
    folder_make(&counted->folder);
    tree_write(counted->folder.in, "proc/self/cgroup", "0::/\n");
    tree_write(counted->folder.in, "proc/self/mountinfo", MOUNT_V2("/"));
    tree_write(counted->folder.in, "sys/fs/cgroup/memory.events", "oom_kill 0\n");
    oom_open(&counted->oom, counted->folder.in);
    counted->raise = xasprintf("count:%s/sys/fs/cgroup/memory.events", counted->folder.in);
    f->opts.oom = &counted->oom;
}

static void counted_done(struct counted *counted)
{
    folder_remove(&counted->folder);
    free(counted->raise);
}

static void the_activation_that_ran_out_of_memory_says_so(void **state)
{
    __attribute__((cleanup(counted_done))) struct counted counted;
    struct fixture *f = *state;
    auto_free char *script = NULL;
    const struct job *job;

    count_kills(f, &counted);
    script = xasprintf("%s;kill:9", counted.raise);
    start(f, serve(ANSWERS_FD3));
    job = run(f, script);
    assert_int_equal(job->outcome, JOB_EXHAUSTED);
    assert_string_equal(job->reason, "The action exhausted its memory and was aborted.");
    assert_int_equal(f->worker.death, DEATH_MEMORY);
}

static void a_kill_by_somebody_is_no_want_of_memory(void **state)
{
    __attribute__((cleanup(counted_done))) struct counted counted;
    struct fixture *f = *state;

    count_kills(f, &counted);
    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, "kill:9")->outcome, JOB_DIED);
    assert_int_equal(f->worker.death, DEATH_SIGNALLED);
}

static void an_answer_that_was_whole_counts_although_memory_ran_out(void **state)
{
    __attribute__((cleanup(counted_done))) struct counted counted;
    struct fixture *f = *state;
    auto_free char *script = NULL;

    count_kills(f, &counted);
    script = xasprintf("%s;" OK ";kill:9", counted.raise);
    start(f, serve(ANSWERS_FD3));
    assert_answer(run(f, script), "{\"ok\":true}");
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->worker.death, DEATH_MEMORY);
}

static void a_start_that_ran_out_of_memory_says_so(void **state)
{
    __attribute__((cleanup(counted_done))) struct counted counted;
    struct fixture *f = *state;

    count_kills(f, &counted);
    start_in_vain(f, launch_child(ANSWERS_FD3, true, counted.raise, "kill:9", NULL));
    assert_int_equal(f->worker.start_err.kind, ERR_EXHAUSTED);
    assert_string_equal(f->worker.start_err.text,
                        "The action exhausted its memory and was aborted.");
}

static void processor_time_and_file_size_are_told(void **state)
{
    struct fixture *f = *state;
    char script[32];
    const struct job *job;

    (void)snprintf(script, sizeof(script), "kill:%d", SIGXCPU);
    start(f, serve(ANSWERS_FD3));
    job = run(f, script);
    assert_int_equal(job->outcome, JOB_EXHAUSTED);
    assert_non_null(strstr(job->reason, "processor time"));
    loop_until(f->loop, is_down, f);
    (void)snprintf(script, sizeof(script), "kill:%d", SIGXFSZ);
    worker_start(&f->worker);
    loop_until(f->loop, is_ready, f);
    job = run(f, script);
    assert_int_equal(job->outcome, JOB_EXHAUSTED);
    assert_non_null(strstr(job->reason, "--rlimit-fsize"));
}

/* Its answers end although it lives: nobody waits for ever for the end that would explain it. */
static void a_worker_that_lives_on_without_its_pipes_is_given_up(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, "close3;close1;deaf")->outcome, JOB_DIED);
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->worker.death, DEATH_HUNG);
}

static void an_end_that_we_asked_for_is_told_as_such(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    worker_stop(&f->worker);
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->worker.death, DEATH_STOPPED);
}

static void a_new_start_has_no_death(void **state)
{
    struct fixture *f = *state;

    start(f, serve(ANSWERS_FD3));
    assert_int_equal(run(f, "exit:3")->outcome, JOB_DIED);
    loop_until(f->loop, is_down, f);
    assert_int_equal(f->worker.death, DEATH_EXITED);
    worker_start(&f->worker);
    loop_until(f->loop, is_ready, f);
    assert_int_equal(f->worker.death, DEATH_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(the_activation_that_ran_out_of_memory_says_so),
        TEST(a_kill_by_somebody_is_no_want_of_memory),
        TEST(an_answer_that_was_whole_counts_although_memory_ran_out),
        TEST(a_start_that_ran_out_of_memory_says_so),
        TEST(processor_time_and_file_size_are_told),
        TEST(a_worker_that_lives_on_without_its_pipes_is_given_up),
        TEST(an_end_that_we_asked_for_is_told_as_such),
        TEST(a_new_start_has_no_death),
    };

    return cmocka_run_group_tests_name("worker_death", tests, NULL, NULL);
}
