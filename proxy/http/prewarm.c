#include "http/prewarm.h"

#include <string.h>

#include "http/service.h"

bool prewarm_forks(const struct service *service, const struct runtime *runtime)
{
    return service->opts.forks && runtime->forks;
}

void prewarm_begin(struct service *service)
{
    if (service->pool == NULL)
        prewarm_next(service);
}

void prewarm_next(struct service *service)
{
    const struct runtime *runtime = service->opts.fallback;
    struct launch launch;

    memset(&launch, 0, sizeof(launch));
    if (service->opts.prelaunches && !service->draining &&
        runtime_prelaunch(runtime, prewarm_forks(service, runtime), service->opts.environ,
                          &launch)) {
        launch.privileges = service->opts.privileges;
        (void)prelaunch_start(&service->prelaunch, &launch, service->opts.pool.worker.pipe_bytes);
    }
}
