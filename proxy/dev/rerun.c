#include "dev/rerun.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "dev/journal.h"
#include "dev/text.h"
#include "filter/argument.h"

static void clear(struct job *job)
{
    job_drop_line(job);
    free(TAKE(job->answer));
    memset(job, 0, sizeof(*job));
}

static void on_done(struct job *job)
{
    struct rerun_run *run = container_of(job, struct rerun_run, job);
    struct rerun *rerun = run->rerun;
    auto_buf struct buf answer = {0};

    assert(run->activation != NULL);
    journal_end_by_job(rerun->journal, run->activation, job, &answer);
    terminal_answer(&rerun->journal->terminal, buf_at(&answer), buf_len(&answer));
    clear(job);
    run->is_running = false;
    if (rerun->again && !rerun->service->draining)
        rerun_start(rerun);
}

static int read_argument(const struct rerun *rerun, struct job *job, struct err *err)
{
    struct err why;

    clear(job);
    if (strcmp(rerun->argument, "-") == 0)
        return err_set(err, ERR_REQUEST, 0, "--invoke: want JSON or @FILE, not -");
    if (argument_read(job, rerun->argument, NULL, rerun->bytes_max, -1, &why) < 0)
        return err_set(err, why.kind, why.os, "--invoke: %s", why.text);
    return 0;
}

void rerun_init(struct rerun *rerun, struct service *service, struct journal *journal,
                const char *argument, uint64_t bytes_max)
{
    *rerun = (struct rerun){
        .service = service, .journal = journal, .argument = argument, .bytes_max = bytes_max};
}

int rerun_check(struct rerun *rerun, struct err *err)
{
    assert(!rerun->runs[0].is_running);
    return rerun->argument[0] != '\0' ? read_argument(rerun, &rerun->runs[0].job, err) : 0;
}

/* A free place in rerun->runs; NULL: activations are running in all places. */
static struct rerun_run *find_free(struct rerun *rerun)
{
    for (size_t i = 0; i < RERUNS_MAX; i++)
        if (!rerun->runs[i].is_running)
            return &rerun->runs[i];
    return NULL;
}

/* Say that the newest version must wait: activations of earlier versions are running in all
 * places. */
static void tell_wait(const struct rerun *rerun)
{
    auto_buf struct buf text = {0};

    text_add(&text, "--invoke: version %u waits until one of these ends:", rerun->journal->version);
    for (size_t i = 0; i < RERUNS_MAX; i++) {
        assert(rerun->runs[i].is_running);
        text_add(&text, "%s %s (version %u)", i > 0 ? "," : "", rerun->runs[i].activation->id,
                 rerun->runs[i].activation->version);
    }
    terminal_say(&rerun->journal->terminal, "invoke", text_of(&text));
}

void rerun_start(struct rerun *rerun)
{
    struct service *service = rerun->service;
    struct rerun_run *run;
    struct job *job;
    struct err err;

    if (rerun->argument[0] == '\0' || service->pool == NULL)
        return;
    run = find_free(rerun);
    rerun->again = run == NULL;
    if (run == NULL) {
        tell_wait(rerun);
        return;
    }
    run->rerun = rerun;
    job = &run->job;
    if (read_argument(rerun, job, &err) < 0) { /* an argument @FILE is read anew, so it may fail */
        terminal_say(&rerun->journal->terminal, "invoke", err.text);
        return;
    }
    job->done = on_done;
    job->limit_ms = service->opts.run_ms;
    job->deadline_at_ms = loop_now_ms(service->loop) + service->opts.run_ms;
    list_init(&job->node);
    run->activation = journal_begin(rerun->journal, job);
    run->is_running = pool_submit(service->pool, job);
    if (run->is_running)
        return;
    job->outcome = JOB_ABANDONED; /* the pool's queue is full */
    on_done(job);
}

void rerun_done(struct rerun *rerun)
{
    for (size_t i = 0; i < RERUNS_MAX; i++) {
        assert(!rerun->runs[i].is_running);
        clear(&rerun->runs[i].job);
    }
}
