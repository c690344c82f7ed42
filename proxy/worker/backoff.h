#pragma once

/*
 * backoff - when a worker that ended may be restarted, and when the circuit breaker opens.
 *
 * Only crashes that cost no activation count: a failed start, an end while idle. After one that an
 * activation caused, the next start is immediate.
 *
 * The first restart is immediate, too. From the second counted crash in a row, a pause precedes it:
 * exponential, with jitter of up to a quarter, so that many containers of one action do not restart
 * at the same moment. An answer resets the counter; so does a long uptime.
 */

#include <stdbool.h>
#include <stdint.h>

struct backoff_opts {
    uint64_t pause_ms;       /* before the second restart in a row */
    uint64_t pause_max_ms;   /* the longest pause */
    unsigned broken_after;   /* crashes in a row that open the circuit; 0: never */
    uint64_t broken_life_ms; /* a crash after a longer uptime resets the counter */
};

struct backoff {
    unsigned n_deaths; /* in a row, without an answer between */
    uint64_t at_ms;    /* not before this moment; loop time */
};

/* The worker ended. lived_ms: how long it was ready; chance: any number, for the jitter. */
void backoff_died(struct backoff *backoff, const struct backoff_opts *opts, uint64_t now_ms,
                  uint64_t lived_ms, uint64_t chance);
/* It answered an activation. */
void backoff_worked(struct backoff *backoff);
/* Whether so many deaths followed one another that the circuit opens. */
bool backoff_circuit_is_open(const struct backoff *backoff, const struct backoff_opts *opts);
