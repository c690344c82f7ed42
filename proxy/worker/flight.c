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

/* A ghost whose turn it is holds up those behind it, if answers come in order. */
static bool has_turn(const struct flight *flight, const struct job *job)
{
    return flight->numbered ? !job->ghost : job == flight_oldest(flight);
}

/* The time of a ghost, and of a job by turn, begins now: let the next look see to that. */
static void begin_turn(struct flight *flight, const struct job *job)
{
    if (job != NULL && job->deadline_at_ms == JOB_BY_TURN && has_turn(flight, job))
        flight->soonest_ms = 0;
}

static void give_number(struct flight *flight, struct job *job)
{
    job->number = ++flight->last_number;
    job->head_len = (uint8_t)number_head(job->head, job->number);
}

void flight_open(struct flight *flight)
{
    flight_set_numbered(flight, false);
    flight->n_ahead = 0;
}

void flight_set_numbered(struct flight *flight, bool numbered)
{
    assert(!flight_is_fed(flight));
    flight->numbered = numbered;
    if (numbered)
        list_each(node, &flight->jobs)
            give_number(flight, list_item(node, struct job, node));
}

void flight_add(struct flight *flight, struct job *job)
{
    assert(job->outcome == JOB_PENDING && job->answer == NULL);
    list_add_tail(&flight->jobs, &job->node);
    flight->n++;
    if (flight->numbered)
        give_number(flight, job);
    if (flight->unsent == NULL)
        flight->unsent = job;
    if (flight->n == 1 || job->deadline_at_ms < flight->soonest_ms)
        flight->soonest_ms = job->deadline_at_ms;
    begin_turn(flight, job);
}

struct job *flight_oldest(const struct flight *flight)
{
    return flight->n > 0 ? list_item(flight->jobs.next, struct job, node) : NULL;
}

struct job *flight_find(const struct flight *flight, uint64_t number)
{
    list_each(node, &flight->jobs) {
        struct job *job = list_item(node, struct job, node);

        if (job == flight->unsent && flight->unsent_written == 0)
            break;
        if (job->number == number)
            return job;
        if (job == flight->unsent)
            break;
    }
    return NULL;
}

/* Bytes that the worker reads of a job. */
static size_t written_len(const struct flight *flight, const struct job *job)
{
    return job->len + (flight->numbered ? job->head_len + sizeof(NUMBER_TAIL) - 1 : 0);
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
        flight->probing = false;
    }
    list_remove(&job->node);
    flight->n--;
    if (!flight->numbered)
        begin_turn(flight, flight_oldest(flight));
    if (!job->ghost)
        return job;
    flight->n_ghosts--;
    job_drop_line(job);
    free(job);
    return NULL;
}

void flight_drop_ghosts(struct flight *flight)
{
    struct list *next;

    for (struct list *node = flight->jobs.next; node != &flight->jobs; node = next) {
        struct job *job = list_item(node, struct job, node);

        next = node->next;
        if (job->ghost)
            (void)flight_take(flight, job);
    }
}

bool flight_is_fed(const struct flight *flight)
{
    return flight->n > 0 && !flight->probing &&
           (flight->unsent != flight_oldest(flight) || flight->unsent_written > 0);
}

/* What was written before there was a line is a part of the first that comes. */
static void take_what_is_ahead(struct flight *flight)
{
    if (flight->unsent != NULL && flight->unsent_written == 0) {
        flight->unsent_written = flight->n_ahead;
        flight->n_ahead = 0;
    }
}

bool flight_probe(struct flight *flight, size_t max, struct iovec *part)
{
    struct job *job = flight->unsent;
    size_t n;

    assert(job != NULL && job == flight_oldest(flight) && !flight->numbered);
    if (job->len <= sizeof("}\n") - 1)
        return false;
    take_what_is_ahead(flight);
    flight->probing = true;
    n = job->len - (sizeof("}\n") - 1);
    n = n < max ? n : max;
    n = n > flight->unsent_written ? n - flight->unsent_written : 0;
    *part = (struct iovec){job->line + flight->unsent_written, n};
    return true;
}

void flight_end_probe(struct flight *flight)
{
    flight->probing = false;
}

void flight_wrote_ahead(struct flight *flight)
{
    assert(flight->unsent == NULL && flight->n_ahead == 0);
    flight->n_ahead = 1;
    flight->n_written++;
}

/* The parts of a job's line, but for the first n_skip bytes. Returns their number. */
static int line_parts(const struct flight *flight, struct job *job, size_t n_skip,
                      struct iovec parts[FLIGHT_PARTS])
{
    static char tail[] = NUMBER_TAIL "\n";
    struct iovec all[FLIGHT_PARTS] = {
        {job->head, job->head_len}, {job->line, job->len - 1}, {tail, sizeof(tail) - 1}};
    int n = 0;

    if (!flight->numbered) {
        parts[0] = (struct iovec){job->line + n_skip, job->len - n_skip};
        return 1;
    }
    for (int i = 0; i < FLIGHT_PARTS; i++) {
        size_t skipped = n_skip < all[i].iov_len ? n_skip : all[i].iov_len;

        n_skip -= skipped;
        if (skipped < all[i].iov_len)
            parts[n++] =
                (struct iovec){(char *)all[i].iov_base + skipped, all[i].iov_len - skipped};
    }
    return n;
}

int flight_lines(struct flight *flight, struct iovec *lines, int max)
{
    int parts = flight->numbered ? FLIGHT_PARTS : 1;
    int n = 0;

    take_what_is_ahead(flight);
    for (struct job *job = flight->unsent; job != NULL && n + parts <= max;
         job = job_after(flight, job))
        n += line_parts(flight, job, job == flight->unsent ? flight->unsent_written : 0, lines + n);
    return n;
}

void flight_wrote(struct flight *flight, size_t n)
{
    flight->n_written += n;
    while (n > 0) {
        size_t left;

        assert(flight->unsent != NULL);
        left = written_len(flight, flight->unsent) - flight->unsent_written;
        if (n < left) {
            flight->unsent_written += n;
            return;
        }
        n -= left;
        flight->unsent->end_at = flight->n_written - n;
        flight->unsent = job_after(flight, flight->unsent);
        flight->unsent_written = 0;
    }
}

/* Bytes that had been written before the job's own. */
static uint64_t start_of(const struct flight *flight, const struct job *job)
{
    return job == flight->unsent ? flight->n_written - flight->unsent_written
                                 : job->end_at - written_len(flight, job);
}

unsigned flight_n_held(const struct flight *flight, size_t n_unread)
{
    uint64_t n_written = flight->n_written;
    uint64_t read_up_to = n_unread < n_written ? n_written - n_unread : 0;
    unsigned n = 0;

    if (flight->probing)
        return 0;
    list_each(node, &flight->jobs) {
        const struct job *job = list_item(node, struct job, node);

        if (start_of(flight, job) >= read_up_to)
            break;
        n++;
        if (job == flight->unsent)
            break;
    }
    return n;
}

/* By where each line stands in all that was written, and not by what is left of them: an answer may
 * have come for one that is unread. */
unsigned flight_n_begun(const struct flight *flight, size_t n_unread)
{
    uint64_t n_written = flight->n_written;
    uint64_t read_up_to = n_unread < n_written ? n_written - n_unread : 0;
    unsigned n = 0;

    if (!flight->numbered)
        return flight_is_fed(flight) && read_up_to > start_of(flight, flight_oldest(flight)) ? 1
                                                                                             : 0;
    list_each(node, &flight->jobs) {
        const struct job *job = list_item(node, struct job, node);

        if (job == flight->unsent || job->end_at > read_up_to)
            break;
        n++;
    }
    return n;
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
    ghost->end_at = job->end_at;
    ghost->number = job->number;
    ghost->head_len = job->head_len;
    memcpy(ghost->head, job->head, sizeof(ghost->head));
    ghost->deadline_at_ms = JOB_BY_TURN;
    list_add_before(&job->node, &ghost->node);
    flight->n++;
    flight->n_ghosts++;
    if (flight->unsent == job) { /* the rest of its line must follow what was written */
        ghost->line = TAKE(job->line);
        ghost->block = TAKE(job->block);
        flight->unsent = ghost;
    }
}

struct job *flight_give_up(struct flight *flight, struct job *job)
{
    assert(!job->ghost);
    leave_ghost(flight, job);
    return flight_take(flight, job);
}

enum flight_late flight_late(struct flight *flight, uint64_t now_ms, uint64_t ghost_ms,
                             struct job **late)
{
    flight->soonest_ms = UINT64_MAX;
    list_each(node, &flight->jobs) {
        struct job *job = list_item(node, struct job, node);

        if (job->deadline_at_ms == JOB_BY_TURN && has_turn(flight, job))
            job->deadline_at_ms = now_ms + (job->ghost ? ghost_ms : job->limit_ms);
        if (job->deadline_at_ms <= now_ms) {
            if (!flight->numbered && job == flight_oldest(flight) &&
                (flight_is_fed(flight) || job->ghost))
                return FLIGHT_LATE_RUNNING;
            if (!job->ghost) {
                *late = flight_give_up(flight, job);
                return FLIGHT_LATE_JOB;
            }
        }
        if (job->deadline_at_ms < flight->soonest_ms)
            flight->soonest_ms = job->deadline_at_ms;
    }
    return FLIGHT_IN_TIME;
}
