#pragma once

/*
 * default_action - the action that serves until an /init brings code. Some runtimes have none.
 *
 * Images made for Apache's docker skeleton run activations without any /init, or after an /init
 * without code. Such an image uses its own program in the folder /action or, if there is none, the
 * program that the runtime's manifest names. The first activation starts the program.
 */

#include <stdbool.h>

struct pool;
struct service;

/* Whether the image has a program of its own in the folder /action. */
bool default_action_is_own(const struct service *service);

/* The default action's pool, created on first use. NULL: the runtime has no default action. */
struct pool *default_action_pool(struct service *service);

/* For an /init without code: let the default action serve from now on, as if the /init had brought
 * it. false: the runtime has no default action, or the proxy has an action already. */
bool default_action_adopt(struct service *service);

/* End the default action and its running jobs, if it was started. Call when another action serves
 * or the proxy shuts down. */
void default_action_retire(struct service *service);
