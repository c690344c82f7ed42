#pragma once

/*
 * health - ask a running proxy's admin listener how it is, for a container's health check: images
 * need no HTTP client of their own.
 */

#include "http/endpoint.h"

/* GET /healthz; five seconds for each step. 0: it is well. -1: err says why not. */
int health_ask(const struct endpoint *endpoint, struct err *err);
