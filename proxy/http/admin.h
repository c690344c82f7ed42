#pragma once

/*
 * admin - health, readiness and metrics for an operator, served by a listener of their own, not by
 * the one of /init and /run.
 */

#include <stdint.h>

struct request;
struct server;
struct service;

struct admin {
    const struct service *service; /* borrowed */
    const struct server *server;   /* borrowed; the server of /init and /run */
    const char *version;           /* a string constant */
    uint64_t started_at_us;        /* when the program started, by the wall clock */
};

/* Call when the program starts: started_at_us is set to the current time. */
void admin_init(struct admin *admin, const struct service *service, const struct server *server,
                const char *version);

/* Handlers of GET /healthz, /readyz and /metrics; owner: the struct admin. */
void admin_on_health(void *owner, struct request *request);
void admin_on_ready(void *owner, struct request *request);
void admin_on_metrics(void *owner, struct request *request);
