#pragma once

/*
 * held - one bound on all bytes held in memory for clients: bodies that arrive or wait, and answers
 * not yet sent.
 */

#include <stdbool.h>
#include <stdint.h>

struct held {
    uint64_t max_bytes;
    uint64_t bytes; /* now */
    uint64_t peak_bytes;
    uint64_t n_refused; /* requests refused for want of room */
};

/* The default bound: a share of the memory available to this process, by cgroup or machine. root:
 * see cgroup_find(). */
uint64_t held_default_max(const char *root);

/* Whether n more bytes may be held. While at most a quarter of the bound is held, one body may
 * exceed it: each body has its own limit, and a small container must be able to take the
 * largest. */
static inline bool held_fits(const struct held *held, uint64_t n)
{
    return held->bytes + n <= held->max_bytes || held->bytes <= held->max_bytes / 4;
}

static inline void held_add(struct held *held, uint64_t n)
{
    held->bytes += n;
    if (held->peak_bytes < held->bytes)
        held->peak_bytes = held->bytes;
}

static inline void held_drop(struct held *held, uint64_t n)
{
    held->bytes -= n;
}
