#include "http/stub.h"

#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "http/service.h"

struct pool *stub_pool(struct service *service)
{
    const struct runtime *runtime = service->opts.fallback;
    struct launch launch;
    char *dir;

    if (service->stub != NULL || runtime->stub == NULL)
        return service->stub;
    memset(&launch, 0, sizeof(launch));
    dir = xasprintf("%s/%s", runtime->dir, runtime->stub);
    runtime_launch(runtime, dir, "main", service->opts.environ, NULL, &launch);
    launch.privileges = service->opts.privileges;
    log_info("stub.start", log_text("folder", dir));
    free(dir);
    service->stub =
        pool_new(service->loop, &launch, &service->opts.pool, service->out, service->err);
    /* It came with us and needs no proof. Its worker starts with the first job, if one comes. */
    service->stub->serving = true;
    return service->stub;
}

bool stub_adopt(struct service *service)
{
    /* It replaces nothing: an action that serves goes on, and the /init without code is refused. */
    if (service->pool != NULL || stub_pool(service) == NULL)
        return false;
    service->pool = TAKE(service->stub);
    return true;
}

void stub_retire(struct service *service)
{
    if (service->stub != NULL && !service->stub->stopping)
        pool_stop(service->stub);
}

bool stub_drain(struct service *service, bool late)
{
    if (service->stub == NULL)
        return true;
    if (late || pool_n_jobs(service->stub) == 0)
        stub_retire(service);
    return service->stub->stopping && pool_n_processes(service->stub) == 0;
}
