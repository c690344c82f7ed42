#pragma once

/* worker_fixture - one worker with a real child, and an owner that collects what it is told. */

#include <signal.h>
#include <string.h>

#include "exec_spec_fixture.h"
#include "loop_fixture.h"
#include "worker/spawn.h"
#include "worker/tally.h"
#include "worker/worker.h"

#define JOBS_MAX         8
#define ANSWER_MAX_BYTES 100000
#define FAR_MS           1000000 /* a deadline that does not come */

struct fixture {
    struct loop *loop;
    struct capture out;
    struct capture err;
    struct tally tally;
    struct exec_spec spec;
    struct worker_opts opts;
    struct worker worker;
    struct job jobs[JOBS_MAX];
    unsigned n_jobs;
    unsigned n_finished;
    unsigned n_returned;
    bool was_ready;
};

static inline void on_changed(struct loop_post *post)
{
    struct fixture *f = container_of(post, struct fixture, worker.changed);

    while (job_take_first(&f->worker.session.finished) != NULL)
        f->n_finished++;
    while (job_take_first(&f->worker.session.returned) != NULL)
        f->n_returned++;
    if (f->worker.state == WORKER_READY)
        f->was_ready = true;
}

static inline int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->loop = loop_for_test();
    capture_open(&f->out, f->loop);
    capture_open(&f->err, f->loop);
    f->opts = (struct worker_opts){.start_ms = LIMIT_MS / 2,
                                   .settle_ms = LIMIT_MS / 4,
                                   .kill_ms = LIMIT_MS / 2,
                                   .answer_max_bytes = ANSWER_MAX_BYTES,
                                   .tally = &f->tally};
    *state = f;
    return 0;
}

/* A worker for the launch (which moves in here); not started. */
static inline void make(struct fixture *f, struct exec_spec spec)
{
    f->spec = spec;
    worker_init(&f->worker, f->loop, &f->spec, &f->opts, &f->out.output, &f->err.output,
                on_changed);
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < f->n_jobs; i++) {
        if (f->jobs[i].outcome == JOB_PENDING)
            list_remove(&f->jobs[i].node);
        free(f->jobs[i].line);
        free(f->jobs[i].answer);
    }
    if (f->worker.loop != NULL) {
        window_drop_tombstones(&f->worker.session.window);
        window_init(
            &f->worker.session.window); /* those that a test left running were taken out above */
        worker_done(&f->worker);
    }
    capture_close(&f->out);
    capture_close(&f->err);
    exec_spec_done(&f->spec);
    loop_free(&f->loop);
    free(f);
    return 0;
}

static inline bool is_ready(void *subject)
{
    return ((struct fixture *)subject)->worker.state == WORKER_READY;
}

static inline bool is_down(void *subject)
{
    const struct worker *worker = &((struct fixture *)subject)->worker;

    return worker->state == WORKER_DOWN && list_empty(&worker->changed.node);
}

static inline bool is_stopping(void *subject)
{
    return ((struct fixture *)subject)->worker.state == WORKER_STOPPING;
}

static inline bool all_came_back(void *subject)
{
    const struct fixture *f = subject;

    return f->n_finished + f->n_returned == f->n_jobs;
}

static inline bool nothing_is_unread(void *subject)
{
    const struct fixture *f = subject;

    return f->worker.session.window.unsent == NULL &&
           stdin_pipe_unread(&f->worker.session.channel.in) == 0;
}

static inline bool all_is_sent(void *subject)
{
    return ((struct fixture *)subject)->worker.session.window.unsent == NULL;
}

/* Start it and wait until it can be fed. */
static inline void start(struct fixture *f, struct exec_spec spec)
{
    make(f, spec);
    worker_start(&f->worker);
    loop_until(f->loop, is_ready, f);
}

/* Start what is bound to fail and wait for its end. */
static inline void start_in_vain(struct fixture *f, struct exec_spec spec)
{
    make(f, spec);
    worker_start(&f->worker);
    loop_until(f->loop, is_down, f);
}

static inline bool has_room(void *subject)
{
    return worker_room(&((struct fixture *)subject)->worker) > 0;
}

/* script: what the child does with this activation; see child.c. */
static inline struct job *give_until(struct fixture *f, const char *script, uint64_t span_ms)
{
    struct job *job = &f->jobs[f->n_jobs++];

    assert_true(f->n_jobs <= JOBS_MAX);
    list_init(&job->node);
    job->line = xasprintf("{%s\n", script);
    job->len = strlen(job->line);
    job->deadline_at_ms = loop_now_ms(f->loop) + span_ms;
    loop_until(f->loop, has_room, f);
    worker_give(&f->worker, job);
    return job;
}

static inline struct job *give(struct fixture *f, const char *script)
{
    return give_until(f, script, FAR_MS);
}

/* Give one activation and wait for what comes of it. */
static inline struct job *run(struct fixture *f, const char *script)
{
    struct job *job = give(f, script);

    loop_until(f->loop, all_came_back, f);
    return job;
}

static inline void assert_answer(const struct job *job, const char *wanted)
{
    if (job->outcome != JOB_ANSWERED)
        fail_msg("it ended as %s: %s", job_outcome_name(job->outcome), job->reason);
    assert_int_equal(job->answer_len, strlen(wanted));
    assert_memory_equal(job->answer, wanted, job->answer_len);
}

#define serve(answers) launch_child(answers, false, "serve", NULL)
#define OK             "line3:{\"ok\":true}"
