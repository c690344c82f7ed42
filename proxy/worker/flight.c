#include "worker/flight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void flight_init(struct flight *flight)
{
    memset(flight, 0, sizeof(*flight));
    list_init(&flight->jobs);
    flight->soonest_ms = UINT64_MAX;
}

/* The time of a ghost, and of a job by turn, begins now: let the next look see to that. */
static void begin_turn(struct flight *flight)
{
    if (flight->n > 0 && flight_oldest(flight)->deadline_at_ms == JOB_BY_TURN)
        flight->soonest_ms = 0;
}

void flight_add(struct flight *flight, struct job *job)
{
    assert(job->outcome == JOB_PENDING && job->answer == NULL);
    list_add_tail(&flight->jobs, &job->node);
    flight->n++;
    if (flight->unsent == NULL)
        flight->unsent = job;
    if (flight->n == 1 || job->deadline_at_ms < flight->soonest_ms)
        flight->soonest_ms = job->deadline_at_ms;
    begin_turn(flight);
}

struct job *flight_oldest(const struct flight *flight)
{
    return flight->n > 0 ? list_item(flight->jobs.next, struct job, node) : NULL;
}

static struct job *job_after(const struct flight *flight, const struct job *job)
{
    return job->node.next != &flight->jobs ? list_item(job->node.next, struct job, node) : NULL;
}

struct job *flight_take(struct flight *flight, struct job *job)
{
    assert(flight->n > 0);
    if (flight->unsent == job) {
        flight->unsent = job_after(flight, job);
        flight->unsent_written = 0;
    }
    list_remove(&job->node);
    flight->n--;
    begin_turn(flight);
    if (!job->ghost)
        return job;
    free(job->line);
    free(job);
    return NULL;
}

bool flight_is_fed(const struct flight *flight)
{
    return flight->n > 0 && (flight->unsent != flight_oldest(flight) || flight->unsent_written > 0);
}

int flight_lines(const struct flight *flight, struct iovec *lines, int max)
{
    int n = 0;

    for (const struct job *job = flight->unsent; job != NULL && n < max;
         job = job_after(flight, job))
        lines[n++] = (struct iovec){job->line, job->len};
    if (n > 0) {
        lines[0].iov_base = flight->unsent->line + flight->unsent_written;
        lines[0].iov_len -= flight->unsent_written;
    }
    return n;
}

void flight_wrote(struct flight *flight, size_t n)
{
    while (n > 0) {
        size_t left;

        assert(flight->unsent != NULL);
        left = flight->unsent->len - flight->unsent_written;
        if (n < left) {
            flight->unsent_written += n;
            return;
        }
        n -= left;
        flight->unsent = job_after(flight, flight->unsent);
        flight->unsent_written = 0;
    }
}

bool flight_has_begun(const struct flight *flight, size_t n_unread)
{
    size_t n_written = flight->unsent_written;

    list_each(node, &flight->jobs) {
        const struct job *job = list_item(node, struct job, node);

        if (job == flight->unsent)
            break;
        n_written += job->len;
    }
    return n_unread < n_written;
}

static bool is_unwritten(const struct flight *flight, const struct job *job)
{
    for (const struct job *later = flight->unsent; later != NULL; later = job_after(flight, later))
        if (later == job)
            return later != flight->unsent || flight->unsent_written == 0;
    return false;
}

/* Put a ghost where the job is, unless nothing of its line was written. */
static void leave_ghost(struct flight *flight, struct job *job)
{
    struct job *ghost;

    if (is_unwritten(flight, job))
        return;
    ghost = xcalloc(1, sizeof(*ghost));
    ghost->ghost = true;
    ghost->len = job->len;
    ghost->deadline_at_ms = JOB_BY_TURN;
    list_add_before(&job->node, &ghost->node);
    flight->n++;
    if (flight->unsent == job) { /* the rest of its line must follow what was written */
        ghost->line = TAKE(job->line);
        flight->unsent = ghost;
    }
}

enum flight_late flight_late(struct flight *flight, uint64_t now_ms, uint64_t ghost_ms,
                             struct job **late)
{
    struct job *job = flight_oldest(flight);

    flight->soonest_ms = UINT64_MAX;
    if (job != NULL && job->deadline_at_ms == JOB_BY_TURN)
        job->deadline_at_ms = now_ms + (job->ghost ? ghost_ms : job->limit_ms);
    if (job != NULL && job->deadline_at_ms <= now_ms && flight_is_fed(flight))
        return FLIGHT_LATE_RUNNING;
    list_each(node, &flight->jobs) {
        job = list_item(node, struct job, node);
        if (!job->ghost && job->deadline_at_ms <= now_ms) {
            leave_ghost(flight, job);
            *late = flight_take(flight, job);
            return FLIGHT_LATE_JOB;
        }
        if (job->deadline_at_ms < flight->soonest_ms)
            flight->soonest_ms = job->deadline_at_ms;
    }
    return FLIGHT_IN_TIME;
}
