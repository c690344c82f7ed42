#pragma once

/*
 * default_action - what answers until an /init brings code, where the runtime has such a thing.
 *
 * The images of the old native contract answer without an /init, and after one without code: by a
 * program that lies in the image, in /action, or else by the default action whose folder the
 * manifest names. Nothing of it runs before somebody asks.
 */

#include <stdbool.h>

struct pool;
struct service;

/* Whether the image brings a program of its own. */
bool default_action_is_own(const struct service *service);

/* The default action's pool, made when it is first asked for. NULL: this proxy's runtime has no
 * default action. */
struct pool *default_action_pool(struct service *service);

/* An /init without code: the default action is the action from now on. false: there is none, or
 * code has come already. */
bool default_action_adopt(struct service *service);

/* There is an action: the default action ends, with what it may still run. */
void default_action_retire(struct service *service);

/* At the proxy's end, called until true: the default action has ended. late: do not wait for its
 * jobs. */
bool default_action_drain(struct service *service, bool late);
