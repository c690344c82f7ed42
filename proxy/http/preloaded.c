#include "http/preloaded.h"

#include <assert.h>
#include <string.h>

#include "action/carried.h"
#include "base/log.h"
#include "base/util.h"
#include "http/init.h"
#include "http/service.h"

static void on_ended(struct loop_post *post)
{
    struct preloaded *preloaded = container_of(post, struct preloaded, ended);
    struct service *service = preloaded->service;

    service->cannot_start = preloaded->why;
    gate_open(&service->gate);
    if (preloaded->why != NULL)
        preloaded->failed(preloaded->owner, preloaded->why);
    else if (service->is_preloaded && preloaded->ready != NULL)
        preloaded->ready(preloaded->owner);
}

void preloaded_init(struct preloaded *preloaded, struct service *service, preloaded_ready_fn *ready,
                    preloaded_failed_fn *failed, void *owner)
{
    *preloaded =
        (struct preloaded){.service = service, .ready = ready, .failed = failed, .owner = owner};
    loop_post_init(&preloaded->ended, on_ended);
}

void preloaded_done(struct preloaded *preloaded)
{
    loop_post_cancel(&preloaded->ended);
    preloaded->service->cannot_start = NULL;
    free(TAKE(preloaded->why));
}

static void on_init_done(void *owner, const char *why, size_t n)
{
    struct preloaded *preloaded = owner;
    auto_free char *text = why != NULL ? xstrndup(why, n) : NULL;

    assert(preloaded->why == NULL);
    if (text != NULL && preloaded->may_fail)
        log_warn("init.carried", log_text("origin", preloaded->origin), log_text("failed", text));
    else
        preloaded->why = TAKE(text);
    loop_post(preloaded->service->loop, &preloaded->ended);
}

void preloaded_begin(struct preloaded *preloaded, struct carried *carried)
{
    struct service *service = preloaded->service;

    preloaded->origin = carried->origin;
    preloaded->may_fail = carried->may_fail;
    gate_close(&service->gate);
    init_carried(service, carried, on_init_done, preloaded);
}
