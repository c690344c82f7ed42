#include "setup.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpus.h"
#include "base/err.h"
#include "base/log.h"
#include "base/util.h"
#include "build-paths.h"
#include "config.h"
#include "http/service.h"

/* ---- the log ---- */

int setup_log(const struct config *config, struct err *err)
{
    bool to_file = config->log_file[0] != '\0';
    int level = log_level_from_name(config->log_level);

    log_set_format(strcmp(config->log_format, "json") == 0 ? LOG_AS_JSON : LOG_AS_TEXT);
    if (level >= 0)
        log_set_level((enum log_level)level);
    else if (config->debug) /* auto */
        log_set_level(LOG_DEBUG);
    else
        log_set_level(to_file ? LOG_INFO : LOG_WARN);
    return to_file ? log_open(config->log_file, err) : 0;
}

/* ---- the children ---- */

/* A home that is root's is none for the action's user. */
static bool is_home_of_root(const char *home)
{
    return home == NULL || strcmp(home, "/root") == 0 || strcmp(home, "/") == 0;
}

/* A list of users may name a folder that is not there, as for "nobody". */
static const char *home_of(const struct privileges *privileges)
{
    struct stat info;

    if (privileges->home != NULL && stat(privileges->home, &info) == 0 && S_ISDIR(info.st_mode))
        return privileges->home;
    return "/tmp";
}

static int set_privileges(struct setup *setup, struct err *err)
{
    const struct config *config = setup->config;
    struct privileges *privileges = &setup->privileges;

    privileges->no_new_privs = config->no_new_privs != 0;
    memcpy(privileges->limits, config->rlimits, sizeof(privileges->limits));
    if (config->user[0] == '\0')
        return 0;
    if (privileges_set_user(privileges, config->user, "/etc", err) < 0)
        return -1;
    if (privileges->as_user && is_home_of_root(getenv("HOME")))
        (void)setenv("HOME", home_of(privileges), 1);
    return 0;
}

int setup_children(struct setup *setup, const char *program, struct err *err)
{
    if (set_privileges(setup, err) < 0)
        return -1;
    return actionloop_read(&setup->actionloop, program, setup->config->debug, err);
}

/* ---- runtimes and folders ---- */

/* A folder of ours: in a build folder, beside the installed program, or where that should be.
 * Caller frees. */
static char *own_dir(const char *in_build, const char *installed, const char *in_prefix)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    struct stat info;
    char *dir;

    if (n > 0) {
        path[n] = '\0';
        if (strcmp(path, BUILD_PROGRAM) == 0)
            return xstrdup(in_build);
        dir = xasprintf("%s/%s", dirname(path), installed);
        if (stat(dir, &info) == 0)
            return dir;
        free(dir);
    }
    return xstrdup(in_prefix);
}

/* Which runtime takes plain source text: the one that was named, else what the image is made for. */
static const char *fallback_name(const struct setup *setup)
{
    const char *named = setup->config->runtime;
    bool is_auto = strcmp(named, "auto") == 0;

    if (setup->actionloop.compiler != NULL && (is_auto || strcmp(named, "native") == 0))
        return ACTIONLOOP_RUNTIME;
    if (!is_auto)
        return named;
    return setup->actionloop.on ? "native" : "python";
}

static int load_runtimes(struct setup *setup, struct service_opts *opts, struct err *err)
{
    const struct config *config = setup->config;
    bool is_given = config->runtime_dir[0] != '\0';
    auto_free char *dir =
        is_given ? xstrdup(config->runtime_dir)
                 : own_dir(SOURCE_RUNTIME_DIR, INSTALLED_RUNTIME_DIR, PREFIX_RUNTIME_DIR);
    auto_free char *libexec = own_dir(BUILD_LIBEXEC_DIR, INSTALLED_LIBEXEC_DIR, PREFIX_LIBEXEC_DIR);

    /* In the images of others there is this program and nothing else of ours. */
    if ((is_given || !setup->actionloop.on || access(dir, F_OK) == 0) &&
        runtimes_load(&setup->runtimes, dir, err) < 0)
        return -1;
    actionloop_add_native(&setup->runtimes);
    if (setup->actionloop.compiler != NULL)
        actionloop_add_compiler(&setup->runtimes, setup->actionloop.compiler);
    runtimes_set_libexec(&setup->runtimes, libexec);
    opts->fallback = runtimes_find(&setup->runtimes, fallback_name(setup));
    if (opts->fallback == NULL)
        return err_set(err, ERR_REQUEST, 0,
                       "--runtime=%s: no such folder with a runtime.json in %s",
                       fallback_name(setup), dir);
    return 0;
}

/* The folder of actions. In the images of ActionLoop it is ./action, but where nobody may write. */
static int open_store(struct setup *setup, bool is_temporary, struct err *err)
{
    const char *dir = setup->config->action_dir;

    if (is_temporary)
        return store_open(&setup->store, NULL, err);
    if (dir[0] != '\0' || !setup->actionloop.on)
        return store_open(&setup->store, dir, err);
    if (store_open(&setup->store, "action", err) == 0 && access(setup->store.base, W_OK) == 0)
        return 0;
    store_close(&setup->store);
    return store_open(&setup->store, NULL, err);
}

/* ---- options ---- */

static enum answers answers_mode(const struct setup *setup)
{
    if (strcmp(setup->config->answers, "stdout") == 0)
        return ANSWERS_STDOUT;
    if (strcmp(setup->config->answers, "fd3") == 0 || setup->actionloop.on)
        return ANSWERS_FD3;
    return ANSWERS_AUTO;
}

static bool allows_concurrency(void)
{
    const char *allowed = getenv("__OW_ALLOW_CONCURRENT");

    return allowed != NULL && strcmp(allowed, "true") == 0;
}

static void set_options(struct setup *setup, struct service *service)
{
    const struct config *config = setup->config;

    service->opts = (struct service_opts){
        .pool = {.n_workers = config->workers > 0 ? (unsigned)config->workers : cpus_usable(""),
                 .queue_max = (unsigned)config->queue_max,
                 .restart = {.pause_ms = config->restart_pause_ms,
                             .pause_max_ms = config->restart_pause_max_ms,
                             .broken_after = (unsigned)config->broken_after,
                             .broken_life_ms = config->broken_life_ms},
                 .worker = {.start_ms = config->init_timeout_ms,
                            .settle_ms = config->settle_ms,
                            .kill_ms = config->kill_ms,
                            .answer_max_bytes = config->answer_max_bytes,
                            .pipeline = (unsigned)config->pipeline,
                            .ahead_max = (unsigned)config->write_ahead,
                            .pipe_bytes = 1 << 20,
                            .tally = &service->workers,
                            .oom = &setup->oom}},
        .actionloop = setup->actionloop,
        .environ = environ,
        .privileges = &setup->privileges,
        .run_ms = config->timeout_ms,
        .margin_ms = config->deadline_margin_ms,
        .init_ms = config->init_timeout_ms,
        .answers = answers_mode(setup),
        .keeps_failed = config->debug,
        .prelaunches = config->prelaunch != 0,
        .allow_reinit = config->allow_reinit != 0,
        .forks = config->fork_workers != 0,
        .one_at_a_time = config->one_at_a_time != 0 && !allows_concurrency(),
        .logs_init_error = config->log_init_error != 0,
    };
}

/* What the making of an action needs to know, once the parts are there. */
static void set_build_options(struct setup *setup, struct service_opts *opts)
{
    const struct config *config = setup->config;

    opts->build = (struct build_opts){
        .unpack = {.bytes_max = config->unpack_max_bytes,
                   .entries_max = config->unpack_entries_max,
                   .ratio_max = (unsigned)config->unpack_ratio_max},
        .store = &setup->store,
        .runtimes = &setup->runtimes,
        .fallback = opts->fallback,
        .privileges = opts->privileges,
        .environ = opts->environ,
        .save_jar = setup->actionloop.save_jar,
    };
}

int setup_service(struct setup *setup, struct service *service, bool is_temporary, struct err *err)
{
    oom_open(&setup->oom, "");
    set_options(setup, service);
    if (load_runtimes(setup, &service->opts, err) < 0 || open_store(setup, is_temporary, err) < 0)
        return -1;
    set_build_options(setup, &service->opts);
    service->store = &setup->store;
    return 0;
}

void setup_done(struct setup *setup)
{
    store_close(&setup->store);
    runtimes_done(&setup->runtimes);
    privileges_done(&setup->privileges);
}
