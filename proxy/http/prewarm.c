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
    struct exec_spec spec;

    memset(&spec, 0, sizeof(spec));
    if (service->opts.prelaunches && !service->draining &&
        runtime_prewarm(runtime, prewarm_forks(service, runtime), service->opts.environ, &spec)) {
        spec.privileges = service->opts.privileges;
        (void)prewarmed_start(&service->prewarmed, &spec, service->opts.pool.worker.pipe_bytes);
    }
}
