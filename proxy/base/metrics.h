#pragma once

/*
 * metrics - histograms, and the text format that Prometheus reads.
 *
 * Each module counts its own events, in integers or in a histogram. Here is how to print them.
 * Source: the exposition format 0.0.4 of prometheus.io.
 */

#include <stdint.h>

#include "base/buf.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#define HISTOGRAM_BOUNDS 19 /* number of upper bounds, from 100 µs to 5 min */

/* Counts of durations, by size. All zeroes: empty. */
struct histogram {
    /* counts[i]: durations up to bound i and above bound i - 1; the last: those above all
     * bounds. */
    uint64_t counts[HISTOGRAM_BOUNDS + 1];
    uint64_t sum_us;
};

/* Add n durations of `us` microseconds each. */
void histogram_add(struct histogram *histogram, uint64_t us, uint64_t n);

/* Print the HELP and TYPE lines of a metric; its samples must follow. type: counter, gauge or
 * histogram. */
void metrics_family(struct buf *text, const char *name, const char *type, const char *help);
/* Print one sample. label: the name of its label; NULL: it has none. */
void metrics_number(struct buf *text, const char *name, const char *label, const char *value,
                    uint64_t number);
/* Print a time as one sample without a label, in seconds. */
void metrics_seconds(struct buf *text, const char *name, uint64_t us);
void metrics_histogram(struct buf *text, const char *name, const struct histogram *histogram);
