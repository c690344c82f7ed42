#pragma once

/*
 * knative - the single entry point (__OW_RUNTIME_PLATFORM=knative): one path for /init and /run,
 * and replies that an action shapes itself, as a web action does.
 *
 * It wraps the handlers of http/init.c and http/run.c: it gives them the bodies that they expect
 * and rewrites their replies. Source: openwhisk-contract 1.9, 4.8.
 */

#include <stdbool.h>

struct request;
struct service;

struct knative {
    struct service *service; /* borrowed */
    char methods[64];        /* the methods that the action accepts, such as "GET, POST" */
    bool is_raw;             /* the action wants the body as it came: __ow_body, __ow_query */
};

/* Whether the environment asks for this entry point; if so, knative is filled. */
bool knative_read(struct knative *knative, struct service *service);
/* owner: the struct knative. */
void knative_on_request(void *owner, struct request *request);
