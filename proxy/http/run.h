#pragma once

/*
 * run - one POST /run: the body becomes a job, and the job's outcome the reply. proxy/README.md
 * describes the way of a request. Statuses and texts: openwhisk-contract 1.3.
 */

struct request;

/* owner: the struct service. */
void run_on_request(void *owner, struct request *request);
/* Like run_on_request(), but the action's first part may describe the reply: http/shape.h. */
void run_on_shaping_request(void *owner, struct request *request);
