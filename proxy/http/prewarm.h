#pragma once

/*
 * prewarm - start a launcher of the fallback runtime (the one for plain source text) before there
 * is an action, so that an /init does not wait for the start of an interpreter.
 */

#include <stdbool.h>

struct runtime;
struct service;

/* Start the launcher, if the options want it and the runtime allows it, unless an action serves
 * already. */
void prewarm_begin(struct service *service);
/* Like prewarm_begin(), but also while an action serves: the launcher is for the action that will
 * replace it. */
void prewarm_next(struct service *service);
/* Whether workers of this runtime are forked from a zygote, a process that has loaded the
 * action. */
bool prewarm_forks(const struct service *service, const struct runtime *runtime);
