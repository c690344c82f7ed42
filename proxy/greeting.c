#include "greeting.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "http/endpoint.h"
#include "http/service.h"
#include "setup.h"

void greeting_say(const struct config *config, const struct service *service, unsigned port,
                  const char *origin)
{
    bool is_open = endpoint_is_open(config->listen);
    const char *script;
    char publish[64] = "POST /init";
    char url[128];

    assert(!service->gate.closed || origin != NULL);
    if (isatty(STDERR_FILENO) != 1)
        return;
    script = setup_is_in_build() ? "bin/init.sh" : "whiskloop-init";
    if (port == 8080)
        (void)snprintf(publish, sizeof(publish), "%s FILE", script);
    else if (port != 0)
        (void)snprintf(publish, sizeof(publish), "PORT=%u %s FILE", port, script);
    endpoint_url(config->listen, port, url, sizeof(url));
    (void)fprintf(stderr, "whiskloop: %s, runtime %s, ",
                  port != 0 ? url : config->listen, /* port is 0 for a Unix socket */
                  service->opts.fallback->name);
    if (service->gate.closed)
        (void)fprintf(stderr, "action of %s",
                      strcmp(origin, "--action") == 0 ? config->action : origin);
    else
        (void)fprintf(stderr, "no action yet, publish one with: %s", publish);
    (void)fprintf(stderr, "%s\n",
                  is_open ? "; WARNING: open on all interfaces, whoever reaches the port can run "
                            "code here: use --listen 127.0.0.1"
                          : "");
}

void greeting_say_waiting(unsigned n_jobs, uint64_t wait_ms)
{
    if (isatty(STDERR_FILENO) != 1 || n_jobs == 0 || wait_ms == 0)
        return;
    (void)fprintf(stderr,
                  "whiskloop: waiting %.0f s at most for %u activation%s to end; Ctrl-C again ends "
                  "it now\n",
                  (double)wait_ms / 1000, n_jobs, n_jobs > 1 ? "s" : "");
}
