#pragma once

/*
 * knative - the single entry point (__OW_RUNTIME_PLATFORM=knative): one path for /init and /run,
 * and replies that an action shapes itself, as a web action does.
 *
 *     body {"init":…,"activation":…,"value":…} ─► http/init.c ─► http/run.c ─► status, headers, body
 *
 * It stands before the two handlers: it gives them the bodies that they know and takes their
 * replies. Source: openwhisk-contract 1.9, 4.8.
 */

#include <stdbool.h>

struct request;
struct service;

struct knative {
    struct service *service; /* borrowed */
    char methods[64];        /* "GET, POST" */
    bool is_raw;             /* the action wants the body as it came: __ow_body, __ow_query */
};

/* Whether the environment asks for it; knative is filled then. */
bool knative_read(struct knative *knative, struct service *service);
/* owner: the struct knative. */
void knative_on_request(void *owner, struct request *request);
