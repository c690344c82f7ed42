#include "precompile.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "action/build.h"
#include "action/zip.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/util.h"
#include "config.h"

#define REMOVE_MAX_MS 60000 /* longest time to remove what was built */

struct precompile {
    struct loop *loop;
    struct envelope envelope;
    struct build build;
    bool interrupted;
};

/* Read the code, which is all of stdin. */
static int read_code(struct envelope *envelope, uint64_t bytes_max, int stop_fd, struct err *err)
{
    struct buf code = {0};
    int result = buf_read_all(&code, STDIN_FILENO, bytes_max, stop_fd);
    int os = errno;

    assert(code.start == 0);
    free(envelope->code);
    envelope->code = code.bytes; /* the code begins at the first byte: code.start is 0 */
    envelope->code_len = buf_len(&code);
    envelope->kind = code_sniff(envelope->code, envelope->code_len);
    if (result < 0)
        return err_set(err, ERR_SYSTEM, os, "-compile: cannot read stdin: %s",
                       os == EINTR ? "interrupted" : strerror(os));
    if (envelope->code_len == 0)
        return err_set(err, ERR_REQUEST, 0, "-compile: no code on stdin");
    if (envelope->code_len > bytes_max)
        return err_set(err, ERR_REQUEST, 0,
                       "-compile: more than %" PRIu64 " bytes of code (--init-max-bytes)",
                       bytes_max);
    return 0;
}

/* Decode the values of -compile and -env. Both are put into the body of an /init, as main and env,
 * so that they mean the same as in a request. */
static int read_options(struct envelope *envelope, const struct config *config, struct err *err)
{
    const char *env = config->compile_env != NULL ? config->compile_env : "{}";
    auto_buf struct buf body = {0};
    struct err why;
    int result;

    if (json_check(env, strlen(env), NULL) != JSON_OBJECT)
        return err_set(err, ERR_REQUEST, 0, "-env: want a JSON object of variables");
    buf_add_text(&body, "{\"value\":{\"code\":\"-\",\"main\":");
    json_quote(&body, config->compile_main, strlen(config->compile_main));
    buf_add_text(&body, ",\"env\":");
    buf_add_text(&body, env);
    buf_add_text(&body, "}}");
    result = envelope_read(envelope, buf_at(&body), buf_len(&body), &why);
    return result < 0 ? err_set(err, ERR_REQUEST, 0, "-env: %s", why.text) : 0;
}

static void on_built(struct build *build)
{
    loop_stop(container_of(build, struct precompile, build)->loop);
}

static void on_signal(void *owner, int signo)
{
    struct precompile *precompile = owner;

    (void)signo;
    precompile->interrupted = true;
    loop_stop(precompile->loop);
}

static int build_and_write(struct precompile *precompile, struct err *err)
{
    struct build *build = &precompile->build;

    loop_run(precompile->loop);
    if (precompile->interrupted)
        return err_set(err, ERR_SYSTEM, EINTR, "-compile: interrupted");
    /* Warnings and errors go to stderr: stdout carries the zip. */
    if (buf_len(&build->said) > 0)
        (void)fd_write_all(STDERR_FILENO, buf_at(&build->said), buf_len(&build->said));
    if (buf_len(&build->why) > 0) {
        buf_add_text(&build->why, "\n");
        (void)fd_write_all(STDERR_FILENO, buf_at(&build->why), buf_len(&build->why));
    }
    if (build->failed) {
        *err = build->err;
        return -1;
    }
    assert(build->dir != NULL);
    if (build->lacks != NULL) /* the compiler's messages, printed above, say what is missing */
        return err_set(err, ERR_CODE, 0, "-compile: what was built is not complete");
    return zip_folder(build->dir, STDOUT_FILENO, err);
}

int precompile_run(struct loop *loop, const struct build_opts *build, const struct config *config,
                   struct err *err)
{
    struct precompile precompile = {.loop = loop};
    int result = -1;

    build_init(&precompile.build);
    precompile.build.opts = build;
    precompile.build.envelope = &precompile.envelope;
    precompile.build.is_ahead = true;
    precompile.build.done = on_built;
    if (read_options(&precompile.envelope, config, err) == 0 &&
        read_code(&precompile.envelope, config->init_max_bytes, loop_signal_fd(loop), err) == 0) {
        loop_on_signal(loop, on_signal, &precompile);
        if (build_start(&precompile.build, loop, loop_now_ms(loop) + config->init_timeout_ms,
                        err) == 0)
            result = build_and_write(&precompile, err);
    }
    if (precompile.build.version > 0) { /* remove what was built: in ./action it would stay */
        auto_free char *dir = store_path(build->store, precompile.build.version, "");

        (void)store_remove_tree(dir, REMOVE_MAX_MS);
    }
    build_cancel(&precompile.build);
    envelope_done(&precompile.envelope);
    return result;
}
