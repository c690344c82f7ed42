#include "http/versions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/default_action.h"
#include "http/service.h"

/* A version of the action that was replaced or has failed. Freed once its folder is deleted. */
struct retired {
    struct list node; /* in service->retired, oldest first */
    struct service *service;
    unsigned number;
    struct pool *pool; /* owned; NULL: the processes are gone, or there were none */
    bool killed;       /* pool_stop() was called because there were too many retired versions */
    struct loop_child child; /* the process that deletes the version's folder */
};

static void on_deleted(struct loop_child *child, int wait_status)
{
    struct retired *retired = container_of(child, struct retired, child);
    struct service *service = retired->service;

    assert(retired->pool == NULL);
    log_info("version.gone", log_int("version", retired->number), LOG_EXIT(wait_status));
    list_remove(&retired->node);
    free(retired);
    if (service->pool == NULL)
        versions_prewarm(service);
}

/* Free the pool of a version that has ended, and delete the version's folder in a child process. */
static void drop(struct retired *retired)
{
    struct service *service = retired->service;
    char *dir;
    pid_t pid = -1;

    assert(list_empty(&retired->child.node)); /* drop() is called only once */
    pool_free(&retired->pool);
    if (retired->number != 0) {
        dir = store_path(service->store, retired->number, "");
        pid = store_remove_in_child(dir);
        free(dir);
    }
    if (pid > 0)
        loop_child_watch(service->loop, &retired->child, pid, on_deleted);
    else /* there is no folder, or fork() failed: then the folder stays */
        on_deleted(&retired->child, -1);
}

/* Called from the loop when jobs or processes of a retired pool have changed. */
static void on_retired(void *owner)
{
    struct retired *retired = owner;
    struct pool *pool = retired->pool;

    assert(pool != NULL);
    assert(pool != retired->service->pool);
    pool_take_queued(retired->service->pool, pool);
    if (pool_n_jobs(pool) == 0 && (retired->killed || pool_n_processes(pool) == 0))
        drop(retired);
}

static void kill_oldest(struct service *service)
{
    unsigned n = 0;

    list_each(node, &service->retired) {
        struct retired *retired = list_item(node, struct retired, node);

        n += retired->pool != NULL && !retired->killed;
    }
    list_each(node, &service->retired) {
        struct retired *retired = list_item(node, struct retired, node);

        if (n <= VERSIONS_RETIRED_MAX)
            return;
        if (retired->pool == NULL || retired->killed)
            continue;
        log_warn("version.kill", log_int("version", retired->number),
                 log_int("activations", pool_n_jobs(retired->pool)),
                 log_int("replaced_versions_max", VERSIONS_RETIRED_MAX));
        retired->killed = true;
        pool_stop(retired->pool);
        n--;
    }
}

static struct retired *retire(struct service *service, struct pool *pool, unsigned number)
{
    struct retired *retired = xcalloc(1, sizeof(*retired));

    retired->service = service;
    retired->number = number;
    retired->pool = pool;
    loop_child_init(&retired->child);
    list_add_tail(&service->retired, &retired->node);
    if (pool != NULL)
        pool_retire(pool, on_retired, retired);
    return retired;
}

void versions_init(struct service *service)
{
    list_init(&service->retired);
}

void versions_prewarm(struct service *service)
{
    const struct runtime *runtime = service->opts.fallback;
    struct exec_spec spec;

    memset(&spec, 0, sizeof(spec));
    if (service->opts.prelaunches && !service->draining &&
        runtime_prewarm(runtime, service_forks(service, runtime), service->opts.environ, &spec)) {
        spec.privileges = service->opts.privileges;
        (void)prewarmed_start(&service->prewarmed, runtime, &spec,
                              service->opts.pool.worker.pipe_bytes);
    }
}

void versions_publish(struct service *service, struct pool *pool, unsigned number)
{
    struct pool *before = service->pool;
    unsigned number_before = service->version;

    assert(pool != NULL);
    assert(pool != before);
    service->pool = pool;
    service->version = number;
    if (before == NULL)
        return;
    (void)retire(service, before, number_before);
    kill_oldest(service);
}

void versions_discard(struct service *service, struct pool *pool, unsigned number)
{
    struct retired *retired;

    assert(pool == NULL || pool != service->pool);
    retired = retire(service, pool, number);
    if (pool != NULL)
        pool_stop(pool);
    else
        drop(retired);
}

pid_t versions_writer(const struct service *service, const void *owner)
{
    pid_t pid = service->pool != NULL ? pool_writer(service->pool, owner) : 0;

    list_each(node, &service->retired) {
        const struct retired *retired = list_item(node, struct retired, node);

        if (pid == 0 && retired->pool != NULL)
            pid = pool_writer(retired->pool, owner);
    }
    return pid;
}

/* Add up number_of(pool) over all pools. */
static unsigned sum(const struct service *service, unsigned (*number_of)(const struct pool *pool))
{
    unsigned n = service->pool != NULL ? number_of(service->pool) : 0;

    n += service->default_pool != NULL ? number_of(service->default_pool) : 0;
    list_each(node, &service->retired) {
        const struct retired *retired = list_item(node, struct retired, node);

        n += retired->pool != NULL ? number_of(retired->pool) : 0;
    }
    return n;
}

static unsigned n_queued(const struct pool *pool)
{
    return pool->n_queued;
}

unsigned versions_n_jobs(const struct service *service)
{
    return sum(service, pool_n_jobs);
}

unsigned versions_n_queued(const struct service *service)
{
    return sum(service, n_queued);
}

void versions_look(const struct service *service, unsigned n_by_state[WORKER_STATES],
                   struct usage *usage)
{
    if (service->pool != NULL)
        pool_look(service->pool, n_by_state, usage);
    if (service->default_pool != NULL)
        pool_look(service->default_pool, n_by_state, usage);
    list_each(node, &service->retired) {
        const struct retired *retired = list_item(node, struct retired, node);

        if (retired->pool != NULL)
            pool_look(retired->pool, n_by_state, usage);
    }
}

void versions_stop(struct service *service)
{
    default_action_retire(service);
    if (service->pool != NULL)
        pool_stop(service->pool);
    list_each(node, &service->retired) {
        struct retired *retired = list_item(node, struct retired, node);

        if (retired->pool != NULL)
            pool_stop(retired->pool);
    }
}

bool versions_are_gone(const struct service *service)
{
    return list_empty(&service->retired) && sum(service, pool_n_processes) == 0;
}

void versions_done(struct service *service)
{
    assert(list_empty(&service->retired));
    pool_free(&service->pool);
    pool_free(&service->default_pool);
}
