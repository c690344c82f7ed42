#include "pool/backoff.h"

#include <assert.h>
#include <string.h>

#define DOUBLINGS_MAX 32 /* more could overflow; the pause reaches pause_max_ms long before */

static uint64_t pause_ms(const struct backoff_opts *opts, unsigned n_deaths, uint64_t chance)
{
    unsigned doublings = n_deaths < 2 ? 0 : n_deaths - 2;
    uint64_t pause;

    assert(n_deaths > 0);
    if (n_deaths < 2)
        return 0;
    pause = opts->pause_ms << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    if (pause > opts->pause_max_ms)
        pause = opts->pause_max_ms;
    return pause - pause * (chance % 1024) / 4096;
}

void backoff_died(struct backoff *backoff, const struct backoff_opts *opts, uint64_t now_ms,
                  uint64_t lived_ms, uint64_t chance)
{
    if (lived_ms > opts->broken_life_ms)
        backoff->n_deaths = 0;
    backoff->n_deaths++;
    backoff->at_ms = now_ms + pause_ms(opts, backoff->n_deaths, chance);
}

void backoff_worked(struct backoff *backoff)
{
    memset(backoff, 0, sizeof(*backoff));
}

bool backoff_circuit_is_open(const struct backoff *backoff, const struct backoff_opts *opts)
{
    return opts->broken_after > 0 && backoff->n_deaths >= opts->broken_after;
}
