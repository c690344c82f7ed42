#pragma once

/*
 * rerun - the option --invoke ARGUMENT: run one activation in each version that has loaded, and
 * show its answer on the terminal.
 *
 * An activation that hangs does not delay the activation of the next version, until RERUNS_MAX of
 * them hang.
 */

#include <stdbool.h>
#include <stdint.h>

#include "worker/job.h"

struct activation;
struct err;
struct journal;
struct rerun;
struct service;

#define RERUNS_MAX 4 /* most --invoke activations at a time, each in another version */

struct rerun_run {
    struct rerun *rerun;
    struct job job;
    struct activation *activation;
    bool is_running; /* the job was submitted to the pool and has not ended */
};

struct rerun {
    struct service *service; /* borrowed */
    struct journal *journal; /* borrowed */
    const char *argument;    /* argument of --invoke, JSON or @FILE; "": --invoke was not given */
    uint64_t bytes_max;
    struct rerun_run runs[RERUNS_MAX];
    bool again; /* all `runs` are in use: invoke the newest version when one of them ends */
};

void rerun_init(struct rerun *rerun, struct service *service, struct journal *journal,
                const char *argument, uint64_t bytes_max);
/* Check that the argument can be read. 0, or -1 with err. */
int rerun_check(struct rerun *rerun, struct err *err);
/* Run one activation with the argument, in the version that serves. */
void rerun_start(struct rerun *rerun);
void rerun_done(struct rerun *rerun);
