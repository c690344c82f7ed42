#include "http/early.h"

#include <assert.h>
#include <string.h>

#include "action/carried.h"
#include "action/envelope.h"
#include "base/err.h"
#include "base/log.h"
#include "base/util.h"
#include "http/init.h"
#include "http/run.h"
#include "http/server.h"
#include "http/service.h"

#define TOO_MANY                                                                                   \
    "The action is being started, and too many requests wait for it already (--queue-max)."

/* One that came too early. */
struct early_request {
    struct list node;
    struct request *request; /* valid until the reply, also when its client has left */
    bool is_run;             /* else an /init */
    uint64_t came_at_us;     /* loop time */
};

static void on_told(struct loop_post *post);

void early_init(struct early *early, early_ready_fn *ready, early_failed_fn *failed, void *owner)
{
    memset(early, 0, sizeof(*early));
    list_init(&early->waiting);
    loop_post_init(&early->told, on_told);
    early->ready = ready;
    early->failed = failed;
    early->owner = owner;
}

void early_done(struct early *early)
{
    assert(early->n_waiting == 0);
    loop_post_cancel(&early->told);
    free(TAKE(early->why));
}

void early_begin(struct service *service, struct carried *carried)
{
    struct early *early = &service->early;

    assert(!early->starting && !early->serves);
    early->starting = true;
    early->may_fail = carried->may_fail;
    early->origin = carried->origin;
    init_carried(service, carried);
}

/* ---- those that wait ---- */

static void keep(struct service *service, struct request *request, bool is_run)
{
    struct early_request *one = xcalloc(1, sizeof(*one));

    one->request = request;
    one->is_run = is_run;
    one->came_at_us = loop_now_us(service->loop);
    list_add_tail(&service->early.waiting, &one->node);
    service->early.n_waiting++;
    service->early.n_runs += is_run;
}

static bool is_full(const struct service *service)
{
    return service->early.n_waiting >= service->opts.pool.queue_max;
}

bool early_keeps_run(struct service *service, struct request *request)
{
    if (!service->early.starting || service->draining)
        return false;
    if (is_full(service))
        run_refuse(service, request, RUN_QUEUE_FULL, loop_now_us(service->loop), TOO_MANY);
    else
        keep(service, request, true);
    return true;
}

static bool has_code(struct request *request)
{
    struct envelope envelope = {0};
    struct err err;
    size_t n;
    const char *body = request_body(request, &n);
    bool missing = envelope_read(&envelope, body, n, &err) < 0 && err.kind == ERR_REFUSED;

    envelope_done(&envelope);
    return !missing;
}

bool early_keeps_init(struct service *service, struct request *request)
{
    if (service->draining)
        return false;
    if (service->early.starting) {
        if (is_full(service)) {
            request_add_header(request, "retry-after", "1");
            request_reply_error(request, 429, TOO_MANY);
        } else {
            keep(service, request, false);
        }
        return true;
    }
    if (!service->early.serves || has_code(request))
        return false;
    request_reply(request, 200, xstrdup("{\"ok\":true}\n"), strlen("{\"ok\":true}\n"));
    return true;
}

static void hand_on(struct service *service, const struct early_request *one)
{
    const char *why = service->early.why;
    auto_free char *text = why != NULL ? xasprintf("cannot start action: %s", why) : NULL;

    if (text == NULL && one->is_run)
        run_on_request(service, one->request);
    else if (text == NULL)
        init_on_request(service, one->request);
    else if (one->is_run)
        run_refuse(service, one->request, RUN_UNSTARTED, one->came_at_us, text);
    else
        request_reply_error(one->request, 502, text);
}

/* ---- how it ends ---- */

static void on_told(struct loop_post *post)
{
    struct early *early = container_of(post, struct early, told);
    struct service *service = container_of(early, struct service, early);

    early->starting = false;
    while (!list_empty(&early->waiting)) {
        struct early_request *one = list_item(early->waiting.next, struct early_request, node);

        list_remove(&one->node);
        early->n_waiting--;
        early->n_runs -= one->is_run;
        hand_on(service, one);
        free(one);
    }
    if (early->why != NULL)
        early->failed(early->owner, early->why);
    else if (early->serves && early->ready != NULL)
        early->ready(early->owner);
}

void early_settled(struct service *service, bool is_carried)
{
    service->early.serves = is_carried;
    if (service->early.starting)
        loop_post(service->loop, &service->early.told);
}

void early_failed(struct service *service, const char *why, size_t n)
{
    struct early *early = &service->early;
    auto_free char *text = xstrndup(why, n);

    assert(early->starting && early->why == NULL);
    if (early->may_fail)
        log_warn("init.carried", log_text("origin", early->origin), log_text("failed", text));
    else
        early->why = TAKE(text);
    loop_post(service->loop, &early->told);
}
