#include "command.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/util.h"
#include "config.h"
#include "dev/check.h"
#include "dev/loader.h"
#include "dev/target.h"
#include "filter/filter.h"
#include "filter/invoke.h"
#include "http/service.h"

/* If the action takes this long to load, the user is told, and again after 5 times this, 25 times
 * this, ... A compiler needs only 2 s. */
#define SLOW_MS 5000

/* Exactly one is set: `filter` for "whiskloop pipe", `invoke` for "invoke", `check` for "test". */
struct command {
    struct service *service; /* borrowed */
    /* for each -m KEY=value the text "KEY":"value", with its comma; ends in NUL */
    struct buf members;
    struct loop_timer slow; /* tells the user that the action takes long to load */
    uint64_t began_ms;      /* loop time at which loading began; 0: not yet */
    struct filter *filter;
    struct invoke *invoke;
    struct check *check;
};

static bool has_one(const struct command *command)
{
    return (command->filter != NULL) + (command->invoke != NULL) + (command->check != NULL) == 1;
}

static const char *path_or_null(const char *path)
{
    return path[0] != '\0' ? path : NULL;
}

/* Write each KEY=value of -m as a JSON member with a comma behind it. metadata: NULL: none. */
static void set_members(struct buf *members, char *const *metadata)
{
    for (; metadata != NULL && *metadata != NULL; metadata++) {
        size_t n_key = strcspn(*metadata, "=");
        const char *value = *metadata + n_key + 1;

        assert((*metadata)[n_key] == '=');
        json_quote(members, *metadata, n_key);
        buf_add_text(members, ":");
        json_quote(members, value, strlen(value));
        buf_add_text(members, ",");
    }
    buf_add(members, "", 1);
}

static enum call_form form_of(const struct config *config)
{
    if (config->text)
        return CALL_TEXT;
    return config->any ? CALL_ANY : CALL_BODY;
}

static bool open_filter(struct command *command, const struct config *config,
                        command_ended_fn *ended, void *owner, struct err *err)
{
    struct service *service = command->service;
    struct pool_opts *pool = &service->opts.pool;
    struct filter_opts opts = {.members = buf_at(&command->members),
                               .in = path_or_null(config->in),
                               .out = path_or_null(config->out),
                               .run_ms = service->opts.run_ms,
                               .no_deadlines = service->opts.no_deadlines,
                               .line_max_bytes = config->run_max_bytes,
                               .answer_max_bytes = config->answer_max_bytes,
                               .held_max_bytes = config->pipe_max_bytes,
                               .form = form_of(config),
                               .announces = config->announce != 0,
                               .parts = config->parts != 0,
                               .given_max = pool->n_workers * (pool->worker.ahead_max + 1)};

    if (config->text && config->parts) {
        (void)err_set(err, ERR_REQUEST, 0,
                      "pipe: --text has one line for each line, and --parts has several");
        return false;
    }
    pool->queue_max = opts.given_max; /* the filter gives the pool no more jobs than this */
    command->filter = filter_new(service->loop, &opts, ended, owner, err);
    return command->filter != NULL;
}

static bool open_invoke(struct command *command, const struct config *config,
                        command_ended_fn *ended, void *owner, struct err *err)
{
    struct service *service = command->service;
    struct invoke_opts opts = {.argument = config->argument,
                               .members = buf_at(&command->members),
                               .any = config->any != 0,
                               .parts = config->parts != 0,
                               .run_ms = service->opts.run_ms,
                               .argument_max_bytes = config->run_max_bytes,
                               .answer_max_bytes = config->answer_max_bytes};

    service->opts.pool.n_workers = 1;
    service->opts.pool.queue_max = 1;
    command->invoke = invoke_new(service->loop, &opts, ended, owner, err);
    return command->invoke != NULL;
}

/* Find the action in the FILE or FOLDER that the command test is given. Set config->file to the
 * action's path, and config->folder to the folder with input*.json. 0, or -1 with err. */
static int find_tested(struct config *config, const struct service *service, struct err *err)
{
    struct target target = {.path = NULL};
    int result = target_open(&target, "test", config->file != NULL ? config->file : ".", err);

    if (result == 0) {
        target_look(&target, service->opts.build.runtimes, service->opts.fallback);
        config->code = TAKE(target.code);
        config->folder = TAKE(target.folder);
        assert(config->code != NULL);
        config->file = config->code;
    }
    target_done(&target);
    return result;
}

static bool open_check(struct command *command, struct config *config, command_ended_fn *ended,
                       void *owner, struct err *err)
{
    struct service *service = command->service;
    struct check_opts opts = {.run_ms = service->opts.run_ms,
                              .argument_max_bytes = config->run_max_bytes,
                              .answer_max_bytes = config->answer_max_bytes};

    if (find_tested(config, service, err) < 0)
        return false;
    opts.folder = config->folder;
    service->opts.pool.n_workers = 1;
    service->opts.pool.queue_max = 1;
    command->check = check_new(service->loop, &opts, ended, owner, err);
    return command->check != NULL;
}

/* Called when the loading of the action begins. Called again while it takes long, to tell the user,
 * since the action may be in an endless loop. */
static void on_slow(struct loop_timer *timer)
{
    struct command *command = container_of(timer, struct command, slow);
    struct service *service = command->service;
    uint64_t now_ms = loop_now_ms(service->loop), ms = now_ms - command->began_ms;
    auto_buf struct buf line = {0};

    if (service->init == NULL)
        return;
    if (command->began_ms == 0) {
        command->began_ms = now_ms;
        loop_timer_set(service->loop, timer, now_ms + SLOW_MS);
        return;
    }
    buf_add_text(&line, "whiskloop: ");
    loader_add_slow(&line, ms, service->opts.init_ms);
    buf_add_text(&line, "\n");
    output_line_start(service->err, NULL);
    output_add(service->err, NULL, buf_at(&line), buf_len(&line));
    loop_timer_set(service->loop, timer, now_ms + 4 * ms);
}

struct command *command_new(struct config *config, struct service *service, command_ended_fn *ended,
                            void *owner, struct err *err)
{
    struct command *command = xcalloc(1, sizeof(*command));
    bool is_open = false;

    command->service = service;
    loop_timer_init(&command->slow, on_slow);
    set_members(&command->members, config->metadata);
    switch (config->command) {
    case COMMAND_SERVE:
    case COMMAND_DEV:
    case COMMAND_NEW: /* main.c makes no struct command for these three */
        assert(false);
        break;
    case COMMAND_TEST:
        is_open = open_check(command, config, ended, owner, err);
        break;
    case COMMAND_INVOKE:
        is_open = open_invoke(command, config, ended, owner, err);
        break;
    case COMMAND_PIPE:
        is_open = open_filter(command, config, ended, owner, err);
        break;
    }
    assert(!is_open || has_one(command));
    if (is_open)
        loop_timer_set(service->loop, &command->slow, 0);
    else
        command_free(&command);
    return command;
}

int command_finish(struct command *command, int wait_ms, struct err *err)
{
    size_t n = command->filter != NULL ? filter_finish(command->filter, wait_ms) : 0;

    if (command->check != NULL && !check_has_ended(command->check))
        return err_set(err, ERR_SYSTEM, 0, "test: interrupted");
    if (command->invoke != NULL && !invoke_has_ended(command->invoke))
        return err_set(err, ERR_SYSTEM, 0, "invoke: interrupted before the answer was written");
    return n == 0 ? 0 : err_set(err, ERR_SYSTEM, 0, "pipe: %zu answers were not read", n);
}

void command_free(struct command **command)
{
    struct command *c = *command;

    if (c == NULL)
        return;
    loop_timer_clear(&c->slow);
    filter_free(&c->filter);
    invoke_free(&c->invoke);
    check_free(&c->check);
    buf_done(&c->members);
    free(c);
    *command = NULL;
}

void command_serve(struct command *command)
{
    struct pool *pool = command->service->pool;

    assert(has_one(command));
    assert(pool != NULL);
    if (command->filter != NULL)
        filter_serve(command->filter, pool);
    else if (command->check != NULL)
        check_serve(command->check, pool);
    else
        invoke_serve(command->invoke, pool);
}

void command_close(struct command *command)
{
    if (command->filter != NULL)
        filter_close(command->filter);
}

void command_stop(struct command *command)
{
    if (command->filter != NULL)
        filter_stop(command->filter);
    if (command->check != NULL)
        check_stop(command->check);
}

bool command_interrupt(struct command *command)
{
    assert(has_one(command));
    if (command->invoke != NULL)
        invoke_stop(command->invoke);
    if (command->check != NULL)
        check_stop(command->check);
    return command->filter == NULL;
}

void command_fail(struct command *command, const char *why, const char *reason)
{
    if (command->filter != NULL)
        filter_fail(command->filter, why, reason);
    else
        command_stop(command);
}

bool command_is_running(const struct command *command)
{
    assert(has_one(command));
    if (command->filter != NULL)
        return filter_n_running(command->filter) > 0;
    return command->check != NULL ? check_is_running(command->check)
                                  : invoke_is_running(command->invoke);
}

bool command_is_done(const struct command *command)
{
    assert(has_one(command));
    if (command->filter != NULL)
        return filter_is_done(command->filter);
    return command->check != NULL ? !check_is_running(command->check)
                                  : invoke_is_done(command->invoke);
}
