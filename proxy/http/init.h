#pragma once

/*
 * init - the steps of one POST /init, each undone when a later one fails:
 *
 *     envelope ─► build (child processes) ─► start workers ─► serve
 *
 * Statuses, texts and who gets a sentinel: openwhisk-contract 0, 1.3, 1.7.
 */

struct carried;
struct request;
struct service;

/* owner: the struct service. */
void init_on_request(void *owner, struct request *request);

/* The same without a request, for what the image carries; ends in http/early.h. carried->envelope
 * and dir: taken over. */
void init_carried(struct service *service, struct carried *carried);

/* Start the launcher of the fallback runtime ahead of the /init that will need it, if that is wanted
 * and can be; a replacement has to do without. */
void init_prelaunch(struct service *service);

/* Stop the /init in progress, if any, and answer it with 503. */
void init_cancel(struct service *service);
