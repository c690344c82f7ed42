#pragma once

/*
 * backoff - when a worker that ended may be restarted, and when the circuit breaker opens.
 *
 * Only crashes that cost no activation are counted: failed starts, and ends while idle. After a
 * crash that cost one, the next start is immediate.
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
    unsigned n_deaths; /* counted crashes in a row, with no answer in between */
    uint64_t at_ms;    /* the next start is not before this loop time */
};

/* The worker crashed. lived_ms: how long it was ready; chance: any number, for the jitter. */
void backoff_died(struct backoff *backoff, const struct backoff_opts *opts, uint64_t now_ms,
                  uint64_t lived_ms, uint64_t chance);
/* The worker answered an activation. */
void backoff_worked(struct backoff *backoff);
/* Whether enough crashes were counted in a row to open the circuit. */
bool backoff_circuit_is_open(const struct backoff *backoff, const struct backoff_opts *opts);
