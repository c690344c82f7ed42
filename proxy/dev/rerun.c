#include "dev/rerun.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "dev/journal.h"
#include "filter/argument.h"

static void clear(struct rerun *rerun)
{
    job_drop_line(&rerun->job);
    free(TAKE(rerun->job.answer));
    memset(&rerun->job, 0, sizeof(rerun->job));
}

static void on_done(struct job *job)
{
    struct rerun *rerun = container_of(job, struct rerun, job);
    struct buf answer = {0};

    journal_end_by_job(rerun->journal, rerun->activation, job, &answer);
    terminal_answer(&rerun->journal->terminal, buf_at(&answer), buf_len(&answer));
    buf_done(&answer);
    clear(rerun);
    rerun->is_running = false;
    if (rerun->again && !rerun->service->draining)
        rerun_start(rerun);
}

static int read_argument(struct rerun *rerun, struct err *err)
{
    clear(rerun);
    if (strcmp(rerun->argument, "-") == 0)
        return err_set(err, ERR_REQUEST, 0, "--invoke: want JSON or @FILE, not -");
    return argument_read(&rerun->job, rerun->argument, NULL, rerun->bytes_max, -1, err);
}

void rerun_init(struct rerun *rerun, struct service *service, struct journal *journal,
                const char *argument, uint64_t bytes_max)
{
    *rerun = (struct rerun){
        .service = service, .journal = journal, .argument = argument, .bytes_max = bytes_max};
}

int rerun_check(struct rerun *rerun, struct err *err)
{
    return rerun->argument[0] != '\0' ? read_argument(rerun, err) : 0;
}

void rerun_start(struct rerun *rerun)
{
    struct service *service = rerun->service;
    struct job *job = &rerun->job;
    struct err err;

    rerun->again = rerun->is_running;
    if (rerun->argument[0] == '\0' || rerun->is_running || service->pool == NULL)
        return;
    if (read_argument(rerun, &err) < 0) { /* @FILE may have changed */
        terminal_say(&rerun->journal->terminal, "invoke", err.text);
        return;
    }
    job->done = on_done;
    job->limit_ms = service->opts.run_ms;
    job->deadline_at_ms = loop_now_ms(service->loop) + service->opts.run_ms;
    list_init(&job->node);
    rerun->activation = journal_begin(rerun->journal, job);
    rerun->is_running = pool_submit(service->pool, job);
    if (rerun->is_running)
        return;
    job->outcome = JOB_ABANDONED; /* the queue is full */
    on_done(job);
}

void rerun_done(struct rerun *rerun)
{
    assert(!rerun->is_running);
    if (rerun->service != NULL)
        clear(rerun);
}
