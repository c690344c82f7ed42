#pragma once

/*
 * init - the steps of one POST /init, each undone when a later one fails:
 *
 *     envelope ─► build (child processes) ─► start workers ─► serve
 *
 * Statuses, texts and sentinels: openwhisk-contract 0, 1.3, 1.7.
 */

#include <stddef.h>

struct preloaded;
struct request;
struct service;

/* owner: the struct service. */
void init_on_request(void *owner, struct request *request);

/* Called with the outcome of a preloaded action, perhaps from inside init_preloaded() or
 * init_cancel(). why[0 .. n): why the action failed; NULL: it serves, or the proxy is shutting
 * down. */
typedef void init_done_fn(void *owner, const char *why, size_t n);
/* Initialise a preloaded action. preloaded->envelope and dir: taken over. */
void init_preloaded(struct service *service, struct preloaded *preloaded, init_done_fn *done,
                    void *owner);

/* Stop the /init in progress, if any, and answer it with 503. */
void init_cancel(struct service *service);
