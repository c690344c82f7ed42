#pragma once

/*
 * early - an action that the image or the command line carries: it is initialised while the proxy
 * listens already, and what comes before it is ready waits.
 *
 * The platform sends an /init without code to such an image (the action is "blackbox"): it is
 * answered well as soon as the action serves.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/loop.h"

struct carried;
struct request;
struct service;

/* Told once, from the loop: the carried action will not serve. why: as it was given. */
typedef void early_failed_fn(void *owner, const char *why);

/* Told once, from the loop: it serves. */
typedef void early_ready_fn(void *owner);

/* In struct service; early_init() before use, early_done() afterwards. */
struct early {
    bool starting;       /* requests wait */
    bool serves;         /* the action that serves is the carried one */
    bool may_fail;       /* then /init is waited for instead */
    const char *origin;  /* who named the action; NULL: none is carried */
    struct list waiting; /* struct early_request, oldest first */
    unsigned n_waiting;
    unsigned n_runs;       /* ... of these, the activations */
    struct loop_post told; /* it has ended: those that wait are handed on */
    char *why;             /* owned; why it failed for good; NULL: it did not */
    early_ready_fn *ready; /* NULL: nobody wants to know */
    early_failed_fn *failed;
    void *owner;
};

/* ready: NULL: nobody wants to know. */
void early_init(struct early *early, early_ready_fn *ready, early_failed_fn *failed, void *owner);
void early_done(struct early *early);
/* Begin to initialise what was found; carried: its contents are taken over. */
void early_begin(struct service *service, struct carried *carried);

/* At the head of a handler: true when the request was kept for later, or answered. */
bool early_keeps_run(struct service *service, struct request *request);
/* The same for an /init: one without code is fine where the action is carried. */
bool early_keeps_init(struct service *service, struct request *request);

/* An initialisation has come to its end: well, or because the proxy ends. is_carried: what serves
 * from now on is the carried action. */
void early_settled(struct service *service, bool is_carried);
/* The carried action cannot be had. why[0 .. n): for the log, and for those that wait. */
void early_failed(struct service *service, const char *why, size_t n);
