#pragma once

/*
 * prewarm - start the launcher of the fallback runtime before there is an action, so that an /init
 * does not wait for the start of an interpreter.
 */

#include <stdbool.h>

struct runtime;
struct service;

/* Start it if configured and possible. A replacement of the action is not prewarmed. */
void prewarm_begin(struct service *service);
/* The same for the replacement of an action that serves. */
void prewarm_next(struct service *service);
/* Whether workers of this runtime are forked from a zygote. */
bool prewarm_forks(const struct service *service, const struct runtime *runtime);
