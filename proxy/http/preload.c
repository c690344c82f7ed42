#include "http/preload.h"

#include <assert.h>

#include "action/preloaded.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/util.h"
#include "http/init.h"
#include "http/service.h"

static void on_ended(struct loop_post *post)
{
    struct preload *preload = container_of(post, struct preload, ended);
    struct service *service = preload->service;

    service->cannot_start = preload->why;
    gate_open(&service->gate);
    if (preload->why != NULL)
        preload->failed(preload->owner, preload->why);
    else if (service->is_preloaded)
        preload->ready(preload->owner);
}

void preload_init(struct preload *preload, struct service *service, preload_ready_fn *ready,
                  preload_failed_fn *failed, void *owner)
{
    *preload =
        (struct preload){.service = service, .ready = ready, .failed = failed, .owner = owner};
    loop_post_init(&preload->ended, on_ended);
}

void preload_done(struct preload *preload)
{
    loop_post_cancel(&preload->ended);
    preload->service->cannot_start = NULL;
    free(TAKE(preload->why));
    free(TAKE(preload->reason));
}

static void on_init_done(void *owner, const char *why, size_t n, const struct buf *reason)
{
    struct preload *preload = owner;
    auto_free char *text = why != NULL ? xstrndup(why, n) : NULL;

    assert(preload->why == NULL);
    if (text != NULL && preload->may_fail)
        log_warn("init.carried", log_text("origin", preload->origin), log_text("failed", text));
    else
        preload->why = TAKE(text);
    if (preload->why != NULL)
        preload->reason = xstrndup(buf_at(reason), buf_len(reason));
    loop_post(preload->service->loop, &preload->ended);
}

void preload_begin(struct preload *preload, struct preloaded *preloaded)
{
    struct service *service = preload->service;

    assert(preload->why == NULL);
    assert(preload->origin == NULL); /* preload_begin() is called only once */
    preload->origin = preloaded->origin;
    preload->may_fail = preloaded->may_fail;
    gate_close(&service->gate);
    init_preloaded(service, preloaded, on_init_done, preload);
}
