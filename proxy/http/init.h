#pragma once

/*
 * init - the steps of one POST /init. If a step fails, the steps before it are undone:
 *
 *     envelope ─► build (child processes) ─► start workers ─► serve
 *
 * Source of the statuses, texts and sentinels: the maintainers' notes openwhisk-contract, sections
 * 0, 1.3, 1.7.
 */

#include <stddef.h>

struct buf;
struct preloaded;
struct request;
struct service;

/* The handler of POST /init. owner: the struct service. */
void init_on_request(void *owner, struct request *request);

/* Called once with the outcome of a preloaded action, perhaps before init_preloaded() returns, or
 * from init_cancel(). why[0 .. n): why the action failed; NULL: it serves, or the proxy shuts
 * down. reason: why it failed, followed by what the action has written, as in the header
 * x-whiskloop-reason; NULL if `why` is NULL. */
typedef void init_done_fn(void *owner, const char *why, size_t n, const struct buf *reason);
/* Initialise a preloaded action. Takes over preloaded->envelope and preloaded->dir. */
void init_preloaded(struct service *service, struct preloaded *preloaded, init_done_fn *done,
                    void *owner);

/* Stop the /init in progress, if any, and answer it with 503. */
void init_cancel(struct service *service);
