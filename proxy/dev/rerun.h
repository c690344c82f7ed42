#pragma once

/*
 * rerun - --invoke ARGUMENT: run an activation after each version has loaded, and show its answer
 * on the terminal.
 *
 * An activation that hangs does not hold up that of the next version, until RERUNS_MAX of them
 * hang.
 */

#include <stdbool.h>
#include <stdint.h>

#include "worker/job.h"

struct activation;
struct err;
struct journal;
struct rerun;
struct service;

#define RERUNS_MAX 4 /* activations at a time, each of another version */

struct rerun_run {
    struct rerun *rerun;
    struct job job;
    struct activation *activation;
    bool is_running; /* the pool has the job */
};

struct rerun {
    struct service *service; /* borrowed */
    struct journal *journal; /* borrowed */
    const char *argument;    /* JSON or @FILE; "": there is none */
    uint64_t bytes_max;
    struct rerun_run runs[RERUNS_MAX];
    bool again; /* the newest version waits until one of `runs` ends */
};

void rerun_init(struct rerun *rerun, struct service *service, struct journal *journal,
                const char *argument, uint64_t bytes_max);
/* Whether the argument can be read. 0, or -1. */
int rerun_check(struct rerun *rerun, struct err *err);
/* Run the argument once in the version that serves. */
void rerun_start(struct rerun *rerun);
void rerun_done(struct rerun *rerun);
