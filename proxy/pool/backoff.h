#pragma once

/*
 * backoff - when a worker that ended may be restarted, and when the circuit breaker opens.
 *
 * Only crashes that cost no activation are counted: failed starts, and ends while idle. After a
 * crash that cost an activation, the worker is restarted at once.
 *
 * After the first counted crash the worker is restarted at once, too. From the second in a row on,
 * there is a pause before each restart. It grows exponentially, with a jitter of up to a quarter,
 * so that many containers of one action do not restart at the same moment. An answer resets the
 * counter, and so does a long uptime.
 */

#include <stdbool.h>
#include <stdint.h>

struct backoff_opts {
    uint64_t pause_ms;       /* pause before the second restart in a row */
    uint64_t pause_max_ms;   /* longest pause before a restart */
    unsigned broken_after;   /* crashes in a row that open the circuit; 0: never */
    uint64_t broken_life_ms; /* a crash after a longer uptime resets the counter */
};

struct backoff {
    unsigned n_deaths; /* counted crashes in a row, with no answer in between */
    uint64_t at_ms;    /* loop time before which the worker is not restarted */
};

/* Call when the worker crashed. lived_ms: time since its start, 0: it never became ready. chance:
 * any number, for the jitter. */
void backoff_died(struct backoff *backoff, const struct backoff_opts *opts, uint64_t now_ms,
                  uint64_t lived_ms, uint64_t chance);
/* Call when the worker has answered an activation. */
void backoff_worked(struct backoff *backoff);
/* Whether enough crashes were counted in a row to open the circuit. */
bool backoff_circuit_is_open(const struct backoff *backoff, const struct backoff_opts *opts);
