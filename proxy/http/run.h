#pragma once

/*
 * run - handle POST /run: the body of the request becomes a job, and the job's outcome becomes the
 * reply. proxy/README.md describes how a request passes through the proxy. Source of statuses and
 * texts: the maintainers' notes openwhisk-contract, section 1.3.
 */

struct request;

/* Handle a POST /run. owner: the struct service. */
void run_on_request(void *owner, struct request *request);
/* Like run_on_request(), but if the action sends its answer in parts, the first part may set the
 * status and headers of the reply (http/shape.h). */
void run_on_shaping_request(void *owner, struct request *request);
