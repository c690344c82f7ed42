#pragma once

/*
 * versions - which published version of the action serves, and which are on their way out.
 *
 *     published ──► serves ──► retired: works off what it runs ──► its folder is deleted ──► gone
 *                                            ▲
 *     failed to start ───────────────────────┘
 *
 * A version that is replaced hands its waiting activations to the head of the serving version's
 * queue, in order; later also those that are queued again because a worker died. It is gone when it
 * runs nothing any more. If more than VERSIONS_RETIRED_MAX are left, the oldest is killed.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "worker/worker.h"

struct pool;
struct service;
struct usage;

/* Bound for a developer who publishes repeatedly while activations hang: each version has up to
 * --workers processes. A guess. */
#define VERSIONS_RETIRED_MAX 8

void versions_init(struct service *service);

/* Let this version serve from now on, replacing the current one. pool: taken over; has a ready
 * worker. number: of the version's folder. */
void versions_publish(struct service *service, struct pool *pool, unsigned number);
/* Discard a version that failed. pool: taken over; NULL: none. number 0: it has no folder. */
void versions_discard(struct service *service, struct pool *pool, unsigned number);

/* Process id of the worker that wrote to a log stream, in any version; 0: none. owner: as given to
 * output_add(). */
pid_t versions_writer(const struct service *service, const void *owner);
/* Number of unanswered activations in all versions and the default action. */
unsigned versions_n_jobs(const struct service *service);
/* Like versions_n_jobs(), but only activations that wait for a worker. */
unsigned versions_n_queued(const struct service *service);
/* Count the workers of all versions and the default action by their state, and add what their
 * processes use. */
void versions_look(const struct service *service, unsigned n_by_state[WORKER_STATES],
                   struct usage *usage);
/* Stop all workers, see pool_stop(); no version is published after this. */
void versions_stop(struct service *service);
/* Whether the processes of all versions have ended and the folders of retired ones are deleted. */
bool versions_are_gone(const struct service *service);
/* Free the serving version. Retired ones are gone by then. */
void versions_done(struct service *service);
