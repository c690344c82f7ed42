#include "http/early.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "action/carried.h"
#include "action/envelope.h"
#include "base/err.h"
#include "base/log.h"
#include "http/init.h"
#include "http/server.h"
#include "http/service.h"

/* One that came too early. */
struct early_request {
    struct list node;
    struct request *request; /* valid until the reply, also when its client has left */
    void (*handler)(void *owner, struct request *request);
};

void early_init(struct early *early, early_failed_fn *failed, void *owner)
{
    memset(early, 0, sizeof(*early));
    list_init(&early->waiting);
    early->failed = failed;
    early->owner = owner;
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

static struct early_request *take_oldest(struct early *early)
{
    struct early_request *one;

    if (list_empty(&early->waiting))
        return NULL;
    one = list_item(early->waiting.next, struct early_request, node);
    list_remove(&one->node);
    early->n_waiting--;
    return one;
}

bool early_keeps(struct service *service, struct request *request,
                 void (*handler)(void *owner, struct request *request))
{
    struct early *early = &service->early;
    struct early_request *one;

    if (!early->starting || service->draining)
        return false;
    if (early->n_waiting >= service->opts.pool.queue_max) {
        request_add_header(request, "retry-after", "1");
        request_reply_error(request, 429,
                            "The action is being started, and too many requests wait for it "
                            "already (--queue-max).");
        return true;
    }
    one = xcalloc(1, sizeof(*one));
    one->request = request;
    one->handler = handler;
    list_add_tail(&early->waiting, &one->node);
    early->n_waiting++;
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
    if (early_keeps(service, request, init_on_request))
        return true;
    if (!service->early.serves || service->draining || has_code(request))
        return false;
    request_reply(request, 200, xstrdup("{\"ok\":true}\n"), strlen("{\"ok\":true}\n"));
    return true;
}

/* Hand all on that waited; from the loop, so no handler is inside another. */
static void let_go(struct service *service)
{
    struct early_request *one;

    service->early.starting = false;
    while ((one = take_oldest(&service->early)) != NULL) {
        one->handler(service, one->request);
        free(one);
    }
}

/* ---- how it ends ---- */

void early_started(struct service *service)
{
    service->early.serves = true;
    let_go(service);
}

void early_canceled(struct service *service)
{
    let_go(service);
}

void early_failed(struct service *service, const char *why)
{
    struct early *early = &service->early;
    struct early_request *one;
    char text[640];

    if (early->may_fail) {
        log_warn("init.carried origin=%s failed=\"%s\"", early->origin, why);
        let_go(service);
        return;
    }
    (void)snprintf(text, sizeof(text), "cannot start action: %s", why);
    early->starting = false;
    while ((one = take_oldest(early)) != NULL) {
        request_reply_error(one->request, 502, text);
        free(one);
    }
    early->failed(early->owner, why);
}
