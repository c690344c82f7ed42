#pragma once

/*
 * preload - start the action that the image or the command line brings. While it starts, the proxy
 * listens already, and the service's gate holds requests.
 *
 * The platform calls an action in such an image "blackbox", and sends an /init without code.
 * http/init.c answers this /init once the action serves.
 */

#include <stdbool.h>

#include "base/loop.h"

struct preloaded;
struct service;

/* Called once, from the loop, if the action failed to start. why: the reason, as text. */
typedef void preload_failed_fn(void *owner, const char *why);
/* Called once, from the loop, when the action serves. */
typedef void preload_ready_fn(void *owner);

struct preload {
    struct service *service; /* borrowed */
    const char *origin;      /* what named the action, such as "--action"; NULL: not begun yet */
    bool may_fail;           /* if the action fails to start, wait for an /init instead */
    char *why;               /* owned; why the action failed for good; NULL: it did not */
    char *reason;            /* owned; `why`, then what the action has written; NULL if `why` is */
    struct loop_post ended;
    preload_ready_fn *ready;
    preload_failed_fn *failed;
    void *owner; /* borrowed */
};

/* Release with preload_done(). */
void preload_init(struct preload *preload, struct service *service, preload_ready_fn *ready,
                  preload_failed_fn *failed, void *owner);
void preload_done(struct preload *preload);
/* Begin to start the action, and close the gate. The contents of `preloaded` are taken over. */
void preload_begin(struct preload *preload, struct preloaded *preloaded);
