#pragma once

/*
 * versions - the published versions of the action: the one that serves, and those that were
 * replaced but still finish their activations.
 *
 *     published ──► serves ──► retired: finishes its activations ──► its folder is deleted ──► gone
 *                                            ▲
 *     failed to start ───────────────────────┘
 *
 * When a version is replaced, its waiting activations go to the front of the new version's queue,
 * in order. An activation that is queued again later, because a worker of the old version died,
 * goes there, too. A retired version is gone when it runs nothing any more. If more than
 * VERSIONS_RETIRED_MAX are left, the oldest is killed.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "worker/worker.h"

struct pool;
struct service;
struct usage;

/* Most retired versions. The number is a guess: a developer may publish again and again while
 * activations hang, and each version has up to --workers processes. */
#define VERSIONS_RETIRED_MAX 8

void versions_init(struct service *service);

/* Start a launcher of the fallback runtime, the one for plain source text, for the next version:
 * its /init then does not wait for the start of an interpreter. Does nothing if a launcher waits
 * already, or if the options or the runtime do not allow it. */
void versions_prewarm(struct service *service);

/* Let this version serve from now on, in place of the current one. pool: taken over; it has a ready
 * worker. number: of the version's folder; 0: it has none. */
void versions_publish(struct service *service, struct pool *pool, unsigned number);
/* Discard a version that failed to start: stop its processes and delete its folder. pool: taken
 * over; NULL: none. number: of the folder; 0: none, or it must stay. */
void versions_discard(struct service *service, struct pool *pool, unsigned number);

/* The process id of the worker, in any version, whose output was passed to output_add() with this
 * `owner`. 0: it was no worker of a version. */
pid_t versions_writer(const struct service *service, const void *owner);
/* Number of unanswered activations in all versions and the default action. */
unsigned versions_n_jobs(const struct service *service);
/* Like versions_n_jobs(), but only activations that wait for a worker. */
unsigned versions_n_queued(const struct service *service);
/* Count the workers of all versions and the default action by their state, and add to `usage` what
 * their processes use. */
void versions_look(const struct service *service, unsigned n_by_state[WORKER_STATES],
                   struct usage *usage);
/* Stop the workers of all versions and the default action, see pool_stop(). No version may be
 * published after this. */
void versions_stop(struct service *service);
/* Whether the processes of all versions and the default action have ended and the folders of
 * retired versions are deleted. */
bool versions_are_gone(const struct service *service);
/* Free the version that serves and the default action. Call this only when all retired versions are
 * gone. */
void versions_done(struct service *service);
