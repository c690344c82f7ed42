#include "dev/inspect.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "action/manifest.h"
#include "base/exec_spec.h"
#include "base/util.h"

static const struct {
    const char *language;
    unsigned port;
    const char *variable;
    /* option that `variable` gets, with the port appended; NULL: `variable` gets the folder
     * "inspect" of the runtime instead */
    const char *option;
} debuggers[] = {
    {"nodejs", 9229, "NODE_OPTIONS", "--inspect=127.0.0.1:"},
    {"java", 5005, "JAVA_TOOL_OPTIONS",
     "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=127.0.0.1:"},
    {"python", 5678, "PYTHONPATH", NULL}, /* inspect/sitecustomize.py of the runtime runs debugpy */
};

unsigned inspect_set(char ***env, const struct runtime *runtime, unsigned wanted, const char *file)
{
    for (size_t i = 0; i < ARRAY_LEN(debuggers); i++) {
        const char *option = debuggers[i].option;
        const char *before = env_text(debuggers[i].variable);
        unsigned port = wanted != INSPECT_DEFAULT ? wanted : debuggers[i].port;
        auto_free char *digits = xasprintf("%u", port);
        auto_free char *own = NULL;
        auto_free char *value = NULL;

        if (strcmp(debuggers[i].language, runtime->name) != 0)
            continue;
        own = option != NULL ? xasprintf("%s%u", option, port)
                             : xasprintf("%s/inspect", runtime->dir);
        value = before != NULL ? xasprintf("%s%c%s", own, option != NULL ? ' ' : ':', before)
                               : xstrdup(own);
        strv_setenv(env, debuggers[i].variable, value);
        strv_setenv(env, "WHISKLOOP_INSPECT_PORT", digits);
        if (option == NULL && file != NULL)
            strv_setenv(env, "WHISKLOOP_INSPECT_FILE", file);
        return port;
    }
    return 0;
}

char *inspect_problem(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1; /* as debuggers do: connections of an earlier process do not count */

    assert(port <= 65535);
    if (port == 0)
        return xstrdup("--inspect: for nodejs, python and java only");
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno != EADDRINUSE)
        return NULL;
    return xasprintf("--inspect: port %u is in use, so no debugger reaches the action "
                     "(--inspect=PORT chooses another)",
                     port);
}
