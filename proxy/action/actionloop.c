#include "action/actionloop.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "action/runtimes.h"
#include "base/err.h"
#include "base/util.h"

#define BUILT_FILE  "exec.env"
#define BUILT_BYTES 256 /* read at most this much of exec.env; the longest known has 42 bytes */
#define TRACE_FILE  "/tmp/action.log" /* to which actions write their traces under -debug */

static bool is_named_proxy(const char *program)
{
    const char *slash = strrchr(program, '/');

    return strcmp(slash != NULL ? slash + 1 : program, "proxy") == 0;
}

int actionloop_read(struct actionloop *actionloop, const char *program, bool debug, struct err *err)
{
    const char *wait_for_ack = env_text("OW_WAIT_FOR_ACK");

    *actionloop = (struct actionloop){
        .compiler = env_text("OW_COMPILER"),
        .execution_env = env_text("OW_EXECUTION_ENV"),
        .save_jar = env_text("OW_SAVE_JAR"),
        .wait_for_ack = wait_for_ack != NULL,
    };
    /* A variable that is set but empty counts, too: an ActionLoop image may use the empty value to
     * turn a feature off. */
    actionloop->on = getenv("OW_COMPILER") != NULL || getenv("OW_WAIT_FOR_ACK") != NULL ||
                     getenv("OW_EXECUTION_ENV") != NULL || is_named_proxy(program);
    assert(!actionloop->wait_for_ack || actionloop->on);
    assert(actionloop->compiler == NULL || actionloop->on);
    if (actionloop->save_jar != NULL &&
        (strchr(actionloop->save_jar, '/') != NULL || actionloop->save_jar[0] == '.'))
        return err_set(err, ERR_REQUEST, 0,
                       "OW_SAVE_JAR=%s: want a bare file name, without \"/\" and no leading dot",
                       actionloop->save_jar);
    if (actionloop->execution_env != NULL)
        (void)setenv("__OW_EXECUTION_ENV", actionloop->execution_env, 1);
    /* __OW_WAIT_FOR_ACK asks a launcher to print a line when it is ready. In an ActionLoop image,
     * set it only if the image sets OW_WAIT_FOR_ACK. Elsewhere always set it: no other sign tells
     * so exactly when a program is ready. */
    if (wait_for_ack != NULL)
        (void)setenv("__OW_WAIT_FOR_ACK", wait_for_ack, 1);
    else if (actionloop->on)
        (void)unsetenv("__OW_WAIT_FOR_ACK");
    else
        (void)setenv("__OW_WAIT_FOR_ACK", "1", 1);
    if (debug)
        (void)setenv("OW_DEBUG", TRACE_FILE, 1);
    return 0;
}

/* Make a runtime whose actions are executables named exec. The caller owns all members of the
 * returned struct. */
static struct runtime runtime_of_exec(const char *name)
{
    struct runtime runtime = {.entry_executable = true};

    runtime.name = xstrdup(name);
    runtime.dir = xstrdup("");
    runtime.source = xstrdup("exec");
    strv_push(&runtime.entry, xstrdup("exec"));
    strv_push(&runtime.launch, xstrdup("{action}/exec"));
    return runtime;
}

void actionloop_add_native(struct runtimes *runtimes)
{
    if (runtimes_find(runtimes, RUNTIME_NATIVE) == NULL) {
        struct runtime native = runtime_of_exec(RUNTIME_NATIVE);

        runtimes_add(runtimes, &native);
    }
}

void actionloop_add_compiler(struct runtimes *runtimes, const char *compiler)
{
    struct runtime built = runtime_of_exec(ACTIONLOOP_RUNTIME);

    assert(compiler[0] != '\0');
    built.builds_all = true;
    strv_push(&built.compile, xstrdup(compiler));
    runtimes_add(runtimes, &built);
}

/* Read exec.env of folder `bin` into text, without surrounding white space. 0, or an errno
 * value. */
static int read_built(const char *bin, char *text, size_t size)
{
    auto_free char *path = xasprintf("%s/" BUILT_FILE, bin);
    auto_fd int fd = fd_open_file(AT_FDCWD, path);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
    size_t from = 0;

    if (n < 0)
        return errno;
    assert((size_t)n < size);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    text[n] = '\0';
    while (isspace((unsigned char)text[from]))
        from++;
    memmove(text, text + from, strlen(text + from) + 1);
    return 0;
}

int actionloop_check_built(const struct actionloop *actionloop, const char *bin, char *said,
                           size_t size, struct err *err)
{
    char text[BUILT_BYTES];
    int os;

    assert(size > 0);
    said[0] = '\0';
    if (actionloop->execution_env == NULL)
        return 0;
    os = read_built(bin, text, sizeof(text));
    if (os != 0)
        return err_set(err, ERR_ACTION, os, "open %s/" BUILT_FILE ": %s", bin, strerror(os));
    if (strcmp(text, actionloop->execution_env) == 0)
        return 0;
    (void)snprintf(said, size, "Expected exec.env should start with %s\nActual value: %s\n",
                   actionloop->execution_env, text);
    return err_set(err, ERR_ACTION, 0,
                   "Execution environment version mismatch. See logs for details.");
}
