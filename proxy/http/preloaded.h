#pragma once

/*
 * preloaded - an action that the image or the command line brings along: the proxy listens while it
 * is initialised, and the service's gate holds the requests that come meanwhile.
 *
 * The platform sends an /init without code to such an image (the action is "blackbox"). That
 * succeeds as soon as the action serves: http/init.c.
 */

#include <stdbool.h>

#include "base/loop.h"

struct carried;
struct service;

/* Called once, from the loop: the action will not serve. why: as it was given. */
typedef void preloaded_failed_fn(void *owner, const char *why);
/* Called once, from the loop: it serves. */
typedef void preloaded_ready_fn(void *owner);

struct preloaded {
    struct service *service; /* borrowed */
    const char *origin;      /* who named the action; NULL: there is none */
    bool may_fail;           /* then the proxy waits for an /init instead */
    char *why;               /* owned; why it failed for good; NULL: it did not */
    struct loop_post ended;
    preloaded_ready_fn *ready;
    preloaded_failed_fn *failed;
    void *owner; /* borrowed */
};

/* ready: NULL: nobody wants to know. preloaded_done() afterwards. */
void preloaded_init(struct preloaded *preloaded, struct service *service, preloaded_ready_fn *ready,
                    preloaded_failed_fn *failed, void *owner);
void preloaded_done(struct preloaded *preloaded);
/* Begin to initialise what was found; carried: its contents are taken over. */
void preloaded_begin(struct preloaded *preloaded, struct carried *carried);
