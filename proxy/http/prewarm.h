#pragma once

/*
 * prewarm - start the launcher of the fallback runtime before there is an action, so that an /init
 * does not wait for the start of an interpreter.
 */

#include <stdbool.h>

struct runtime;
struct service;

/* Start the launcher, if configured and possible, unless an action serves already. */
void prewarm_begin(struct service *service);
/* Like prewarm_begin(), but also while an action serves: for the one that will replace it. */
void prewarm_next(struct service *service);
/* Whether workers of this runtime are forked from a zygote. */
bool prewarm_forks(const struct service *service, const struct runtime *runtime);
