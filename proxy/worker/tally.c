#include "worker/tally.h"

#include <assert.h>

void tally_started(struct tally *tally, bool is_restart)
{
    tally->n_starts++;
    tally->n_restarts += is_restart;
}

void tally_died(struct tally *tally, enum death death)
{
    assert(death > DEATH_NONE && death < N_DEATHS);
    tally->n_deaths[death]++;
}

void tally_distrusted(struct tally *tally)
{
    tally->n_distrusted++;
}

void tally_first_part(struct tally *tally, uint64_t us)
{
    histogram_add(&tally->first_part, us, 1);
}

void tally_part(struct tally *tally, size_t n_bytes)
{
    tally->n_parts++;
    tally->part_bytes += n_bytes;
}

void tally_work(struct tally *tally, uint64_t us, unsigned n)
{
    histogram_add(&tally->work, us, n);
}
