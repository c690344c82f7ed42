#pragma once

/*
 * held - one bound over all bytes that are held for others: bodies that arrive or wait, answers
 * that have not left.
 */

#include <stdbool.h>
#include <stdint.h>

struct held {
    uint64_t max_bytes;
    uint64_t bytes; /* now */
    uint64_t peak_bytes;
    uint64_t n_refused; /* for want of room */
};

/* The default bound: a share of the memory that this process may use, by its control group or the
 * machine. root: see cgroup_find(). */
uint64_t held_default_max(const char *root);

/* Whether n bytes more may be held. While little is held one thing may pass the bound: each body
 * has a limit of its own, and a small container must be able to take the largest. */
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
