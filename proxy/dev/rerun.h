#pragma once

/*
 * rerun - --invoke ARGUMENT: an activation after each version that has loaded, and its answer on
 * the terminal.
 */

#include <stdbool.h>
#include <stdint.h>

#include "worker/job.h"

struct activation;
struct err;
struct journal;
struct service;

struct rerun {
    struct service *service; /* borrowed */
    struct journal *journal; /* borrowed */
    const char *argument;    /* JSON or @FILE; "": there is none */
    uint64_t bytes_max;
    struct job job;
    struct activation *activation;
    bool is_running; /* the pool has the job */
    bool again;      /* another version came meanwhile */
};

void rerun_init(struct rerun *rerun, struct service *service, struct journal *journal,
                const char *argument, uint64_t bytes_max);
/* Whether the argument can be read. 0, or -1. */
int rerun_check(struct rerun *rerun, struct err *err);
/* Run once, or once more when it runs already. */
void rerun_start(struct rerun *rerun);
void rerun_done(struct rerun *rerun);
