#pragma once

/*
 * knative - serve one path, /, in place of /init and /run (__OW_RUNTIME_PLATFORM=knative). The
 * action's result sets status, headers and body of the reply, as for a web action.
 *
 * This module calls the handlers of http/init.c and http/run.c with the bodies that they expect,
 * and rewrites their replies. Source: the maintainers' notes openwhisk-contract, sections 1.9, 4.8.
 */

#include <stdbool.h>

struct request;
struct service;

struct knative {
    struct service *service; /* borrowed */
    char methods[64];        /* the methods that the action accepts, such as "GET, POST" */
    bool is_raw;             /* the action gets __ow_body (the body's "value") and __ow_query */
};

/* Whether the environment asks for the platform Knative. If so, `knative` is filled. */
bool knative_read(struct knative *knative, struct service *service);
/* The handler of requests to /. owner: the struct knative. */
void knative_on_request(void *owner, struct request *request);
