#pragma once

/*
 * default_action - the action that serves until an /init brings code, for runtimes that have one.
 *
 * Images of the old native contract serve without an /init, or after one without code. They use a
 * program of their own in the folder /action or, if there is none, the default action that the
 * manifest names. Either starts with its first activation.
 */

#include <stdbool.h>

struct pool;
struct service;

/* Whether the image has a program of its own in the folder /action. */
bool default_action_is_own(const struct service *service);

/* The default action's pool, created on first use. NULL: the runtime has no default action. */
struct pool *default_action_pool(struct service *service);

/* For an /init without code: let the default action serve as if this /init had brought it. false:
 * there is no default action, or the proxy has an action already. */
bool default_action_adopt(struct service *service);

/* Call when an action was published: ends the default action and its running jobs. */
void default_action_retire(struct service *service);

/* Call repeatedly at shutdown. true: the default action has ended. late: end its jobs, do not wait
 * for them. */
bool default_action_drain(struct service *service, bool late);
