#pragma once

/*
 * prewarm - start the launcher of the fallback runtime before there is an action: it waits for the
 * /init that will need it, which saves that the start of an interpreter.
 */

#include <stdbool.h>

struct runtime;
struct service;

/* Start it, if that is wanted and can be; a replacement of the action has to do without. */
void prewarm_begin(struct service *service);
/* The same for the replacement of an action that serves. */
void prewarm_next(struct service *service);
/* Whether workers of this runtime are made by fork. */
bool prewarm_forks(const struct service *service, const struct runtime *runtime);
