#pragma once

/*
 * init - the steps of one POST /init, each undone when a later one fails:
 *
 *     envelope ─► build (child processes) ─► start workers ─► serve
 *
 * Statuses, texts and who gets a sentinel: openwhisk-contract 0, 1.3, 1.7.
 */

#include <stddef.h>

struct preloaded;
struct request;
struct service;

/* owner: the struct service. */
void init_on_request(void *owner, struct request *request);

/* The end of an action that came without a request, told from inside a call of init.c. why[0 .. n):
 * why there is none; NULL: it serves, or the proxy is being shut down. */
typedef void init_done_fn(void *owner, const char *why, size_t n);
/* The same without a request, for what the image carries. preloaded->envelope and dir: taken
 * over. */
void init_preloaded(struct service *service, struct preloaded *preloaded, init_done_fn *done,
                    void *owner);

/* Stop the /init in progress, if any, and answer it with 503. */
void init_cancel(struct service *service);
