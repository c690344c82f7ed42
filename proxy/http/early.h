#pragma once

/*
 * early - an action that the image or the command line carries: it is initialised while the proxy
 * listens already, and what comes before it is ready waits.
 *
 * The platform sends an /init without code to such an image (the action is "blackbox"): it is
 * answered well as soon as the action serves.
 */

#include <stdbool.h>

#include "base/list.h"

struct carried;
struct request;
struct service;

/* Told once, from the loop: the carried action will not serve. why: one line. */
typedef void early_failed_fn(void *owner, const char *why);

/* In struct service; zeroed and early_init() before use. */
struct early {
    bool starting;       /* requests wait */
    bool serves;         /* the action that serves is the carried one */
    bool may_fail;       /* then /init is waited for instead */
    const char *origin;  /* who named the action */
    struct list waiting; /* struct early_request, oldest first */
    unsigned n_waiting;
    early_failed_fn *failed;
    void *owner;
};

void early_init(struct early *early, early_failed_fn *failed, void *owner);
/* Begin to initialise what was found; carried: its contents are taken over. */
void early_begin(struct service *service, struct carried *carried);

/* At the head of a handler: true when the request was kept for later, or answered.
 * handler: whom to hand it to, once it is known whether there is an action. */
bool early_keeps(struct service *service, struct request *request,
                 void (*handler)(void *owner, struct request *request));
/* The same for an /init: one without code is fine where the action is carried. */
bool early_keeps_init(struct service *service, struct request *request);

/* The initialisation has come to its end. why: NULL for well; canceled: the proxy ends. */
void early_started(struct service *service);
void early_failed(struct service *service, const char *why);
void early_canceled(struct service *service);
