#pragma once

/*
 * default_action - the action that serves until an /init brings code, for runtimes that have one.
 *
 * Images of the old native contract answer without an /init, and after one without code: by a
 * program in the image, in /action, or else by the default action in the folder that the manifest
 * names. It starts with its first activation.
 */

#include <stdbool.h>

struct pool;
struct service;

/* Whether the image has a program of its own. */
bool default_action_is_own(const struct service *service);

/* The default action's pool, created on first use. NULL: the runtime has no default action. */
struct pool *default_action_pool(struct service *service);

/* An /init without code: the default action becomes the action. false: there is none, or code has
 * come already. */
bool default_action_adopt(struct service *service);

/* An action was published: retire the default action, with what it still runs. */
void default_action_retire(struct service *service);

/* At shutdown, called until true: the default action has ended. late: do not wait for its jobs. */
bool default_action_drain(struct service *service, bool late);
