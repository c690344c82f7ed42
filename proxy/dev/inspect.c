#include "dev/inspect.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/exec_spec.h"
#include "base/util.h"

static const struct {
    const char *language;
    unsigned port;
    const char *variable;
    const char *format; /* text to add to the variable; %s: the port, or the runtime's folder */
    bool takes_folder;
} debuggers[] = {
    {"nodejs", 9229, "NODE_OPTIONS", "--inspect=127.0.0.1:%s", false},
    {"java", 5005, "JAVA_TOOL_OPTIONS",
     "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=127.0.0.1:%s", false},
    {"python", 5678, "PYTHONPATH", "%s/inspect", true}, /* inspect/sitecustomize.py runs debugpy */
};

unsigned inspect_port(const char *language, unsigned wanted)
{
    for (size_t i = 0; i < ARRAY_LEN(debuggers); i++)
        if (strcmp(debuggers[i].language, language) == 0)
            return wanted != INSPECT_DEFAULT ? wanted : debuggers[i].port;
    return 0;
}

static char *replace_word(const char *format, const char *word)
{
    const char *at = strstr(format, "%s");

    assert(at != NULL);
    return xasprintf("%.*s%s%s", (int)(at - format), format, word, at + 2);
}

void inspect_set(char ***env, const char *language, unsigned port, const char *runtime_dir,
                 const char *file)
{
    auto_free char *digits = xasprintf("%u", port);

    assert(port != 0);
    for (size_t i = 0; i < ARRAY_LEN(debuggers); i++) {
        bool is_path = debuggers[i].takes_folder;
        const char *before = getenv(debuggers[i].variable);
        auto_free char *own = NULL;
        auto_free char *value = NULL;

        if (strcmp(debuggers[i].language, language) != 0)
            continue;
        own = replace_word(debuggers[i].format, is_path ? runtime_dir : digits);
        value = before != NULL && before[0] != '\0'
                    ? xasprintf("%s%c%s", own, is_path ? ':' : ' ', before)
                    : xstrdup(own);
        strv_setenv(env, debuggers[i].variable, value);
        strv_setenv(env, "WHISKLOOP_INSPECT_PORT", digits);
        if (is_path && file != NULL)
            strv_setenv(env, "WHISKLOOP_INSPECT_FILE", file);
    }
}
