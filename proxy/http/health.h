#pragma once

/*
 * health - query a running proxy's admin listener, for a container's health check. With it, images
 * need no HTTP client of their own.
 */

#include "http/endpoint.h"

/* GET /healthz. The connect, the write and each read may take five seconds. 0: healthy. -1: err
 * says why not. */
int health_ask(const struct endpoint *endpoint, struct err *err);
