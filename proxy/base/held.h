#pragma once

/*
 * held - one limit for all bytes held in memory for clients: request bodies that are arriving or
 * waiting, and answers not yet sent.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct held {
    uint64_t max_bytes;
    uint64_t bytes; /* bytes held now */
};

/* The default for max_bytes: a quarter of the memory available to this process, by its cgroup or
 * the machine, but at least 16 MiB. root: as for cgroup_find(). */
uint64_t held_default_max(const char *root);

/* Whether n more bytes may be held. While at most a quarter of max_bytes is held, any body may be
 * held, even one larger than max_bytes: a small container must be able to take the largest body,
 * which has a limit of its own. */
static inline bool held_fits(const struct held *held, uint64_t n)
{
    return held->bytes + n <= held->max_bytes || held->bytes <= held->max_bytes / 4;
}

static inline void held_add(struct held *held, uint64_t n)
{
    held->bytes += n;
}

static inline void held_drop(struct held *held, uint64_t n)
{
    assert(held->bytes >= n);
    held->bytes -= n;
}
