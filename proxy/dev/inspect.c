#include "dev/inspect.h"

#include <stdlib.h>
#include <string.h>

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
