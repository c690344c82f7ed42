#include "http/default_action.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "http/service.h"

bool default_action_is_own(const struct service *service)
{
    const char *dir = service->opts.skeleton_dir;
    auto_free char *program =
        dir != NULL ? xasprintf("%s/%s", dir, service->opts.fallback->entry[0]) : NULL;

    return dir != NULL && access(program, F_OK) == 0;
}

/* The folder of the default action's program; caller frees. */
static char *program_dir(const struct service *service)
{
    const struct runtime *runtime = service->opts.fallback;

    return default_action_is_own(service) ? xstrdup(service->opts.skeleton_dir)
                                          : xasprintf("%s/%s", runtime->dir, runtime->stub);
}

struct pool *default_action_pool(struct service *service)
{
    const struct runtime *runtime = service->opts.fallback;
    struct exec_spec spec;
    char *dir;

    assert(service->pool == NULL);
    if (service->default_pool != NULL || runtime->stub == NULL)
        return service->default_pool;
    memset(&spec, 0, sizeof(spec));
    dir = program_dir(service);
    runtime_exec_spec(runtime, dir, "main", service->opts.environ, NULL, &spec);
    spec.privileges = service->opts.privileges;
    log_info("stub.start", log_text("folder", dir));
    free(dir);
    service->default_pool =
        pool_new(service->loop, &spec, &service->opts.pool, service->out, service->err);
    /* Start no process before the first activation. The program is part of the image, so there is
     * no need to try whether it starts. */
    pool_start_on_demand(service->default_pool);
    return service->default_pool;
}

bool default_action_adopt(struct service *service)
{
    struct pool *pool = service->pool == NULL ? default_action_pool(service) : NULL;

    if (pool == NULL)
        return false;
    assert(pool == service->default_pool);
    service->pool = pool;
    service->default_pool = NULL;
    return true;
}

void default_action_retire(struct service *service)
{
    if (service->default_pool != NULL && service->default_pool->state != POOL_STOPPING)
        pool_stop(service->default_pool);
}
