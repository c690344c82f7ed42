#include "greeting.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "http/service.h"

/* Whether others than this machine's users can connect. */
static bool is_open_to_all(const char *listen)
{
    return strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0;
}

void greeting_say(const struct config *config, const struct service *service, unsigned port,
                  const char *origin)
{
    bool is_open = is_open_to_all(config->listen);
    const char *host = is_open ? "127.0.0.1" : config->listen;
    bool is_ipv6 = strchr(host, ':') != NULL;
    char publish[64] = "POST /init";

    if (isatty(STDERR_FILENO) != 1)
        return;
    if (port == 8080)
        (void)snprintf(publish, sizeof(publish), "bin/init.sh FILE");
    else if (port != 0)
        (void)snprintf(publish, sizeof(publish), "PORT=%u bin/init.sh FILE", port);
    if (port == 0) /* a Unix socket */
        (void)fprintf(stderr, "whiskloop: %s, runtime %s, ", host, service->opts.fallback->name);
    else
        (void)fprintf(stderr, "whiskloop: http://%s%s%s:%u, runtime %s, ", is_ipv6 ? "[" : "", host,
                      is_ipv6 ? "]" : "", port, service->opts.fallback->name);
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
