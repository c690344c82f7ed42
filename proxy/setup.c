#include "setup.h"

#include <assert.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "action/preloaded.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/kin.h"
#include "base/log.h"
#include "base/reach.h"
#include "base/suggest.h"
#include "base/util.h"
#include "build-paths.h"
#include "config.h"
#include "http/service.h"

/* An activation is abandoned this long before its deadline or, if the number is negative, after its
 * deadline. 20 ms is more than a timer tick and a reply take together. */
#define INVOKER_MARGIN_MS (-20)
#define CLIENT_MARGIN_MS  50 /* so that the error reaches the client before the deadline */

/* ---- the log ---- */

int setup_log(const struct config *config, struct err *err)
{
    bool to_file = config->log_file[0] != '\0';
    int level = log_level_from_name(config->log_level);

    log_set_format(strcmp(config->log_format, "json") == 0 ? LOG_AS_JSON : LOG_AS_TEXT);
    if (level >= 0)
        log_set_level((enum log_level)level);
    else if (config->debug) /* the level is "auto" */
        log_set_level(LOG_DEBUG);
    else
        log_set_level(to_file ? LOG_INFO : LOG_WARN);
    return to_file ? log_open(config->log_file, err) : 0;
}

/* ---- descriptors ---- */

#define FDS_OF_WORKER        10 /* for a worker's pipes, and for starting it */
#define FDS_OF_OURS          48 /* for loop, log, listeners, refused clients, folders being read */
#define CONNECTIONS_AT_LEAST 8  /* clients may always open this many, even if descriptors run out */

static unsigned n_workers(const struct setup *setup)
{
    return setup->config->workers > 0 ? (unsigned)setup->config->workers : setup->n_cpus;
}

/* Number of workers to use while all activations are short: all processors but one, because the
 * proxy is busy then, too. */
static unsigned n_light(const struct setup *setup)
{
    return setup->n_cpus > 1 ? setup->n_cpus - 1 : 1;
}

uint64_t setup_busy_poll_us(const struct setup *setup)
{
    return setup->n_cpus > 1 ? setup->config->busy_poll_us : 0;
}

void setup_descriptors(struct setup *setup)
{
    const struct config *config = setup->config;
    uint64_t n_kept =
        FDS_OF_OURS + SETUP_ADMIN_CONNECTIONS + (uint64_t)FDS_OF_WORKER * n_workers(setup);
    uint64_t n_left = CONNECTIONS_AT_LEAST;
    struct rlimit limit;

    assert(setup->n_cpus > 0);
    setup->connections_max = (unsigned)config->connections_max;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    setup->privileges.descriptors = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur > n_kept + CONNECTIONS_AT_LEAST)
        n_left = limit.rlim_cur - n_kept;
    assert(n_left >= CONNECTIONS_AT_LEAST);
    if (setup->connections_max > n_left) {
        setup->connections_max = (unsigned)n_left;
        if (limit.rlim_cur < n_kept + CONNECTIONS_AT_LEAST)
            log_warn("main.descriptors", log_count("limit", limit.rlim_cur),
                     log_count("wanted", n_kept + CONNECTIONS_AT_LEAST));
    }
}

/* ---- pipes ---- */

#define PIPE_MAX_BYTES   (1u << 20) /* the kernel gives larger pipes to root only */
#define PIPE_MIN_BYTES   65536      /* the default size of a pipe */
#define PIPES_OF_WORKER  3          /* number of a worker's pipes that worker/spawn.c enlarges */
#define PIPE_BUDGET_PART 2 /* use 1/2 of a uid's pipe memory: other containers may share the uid */

/* The number in a file of /proc; 0: the file cannot be read. */
static uint64_t read_number(const char *path)
{
    auto_file FILE *file = fopen(path, "re");
    uint64_t number;

    return file != NULL && fscanf(file, "%" SCNu64, &number) == 1 ? number : 0;
}

int setup_pipe_bytes(const char *soft_limit_file, unsigned n_workers)
{
    uint64_t n_pages = read_number(soft_limit_file);
    uint64_t each;
    unsigned bytes = PIPE_MAX_BYTES;

    assert(n_workers > 0);
    if (n_pages == 0) /* 0 stands for no limit */
        return PIPE_MAX_BYTES;
    /* Count one worker more: a replacement starts beside the worker that it replaces. */
    each = n_pages * (uint64_t)sysconf(_SC_PAGESIZE) / PIPE_BUDGET_PART / PIPES_OF_WORKER /
           ((uint64_t)n_workers + 1);
    while (bytes > PIPE_MIN_BYTES && bytes > each)
        bytes /= 2;
    assert(bytes >= PIPE_MIN_BYTES);
    return (int)bytes;
}

/* ---- child processes ---- */

/* Whether `home` is missing or root's, so that the action's user cannot use it. */
static bool is_home_of_root(const char *home)
{
    return home == NULL || strcmp(home, "/root") == 0 || strcmp(home, "/") == 0;
}

/* The user's home in /etc/passwd; /tmp if that home does not exist, as for "nobody". */
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
    if (privileges->as_user)
        kin_set_user(privileges->uid);
    if (privileges->as_user && is_home_of_root(getenv("HOME")))
        (void)setenv("HOME", home_of(privileges), 1);
    return 0;
}

int setup_children(struct setup *setup, const char *program, struct err *err)
{
    if (set_privileges(setup, err) < 0)
        return -1;
    (void)setenv("__OW_PROXY_VERSION", WHISKLOOP_VERSION, 1);
    return actionloop_read(&setup->actionloop, program, setup->config->debug, err);
}

/* ---- runtimes and folders ---- */

/* Set `path` to the path of the running program. false: /proc does not tell the path. */
static bool find_program(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

    assert(n < PATH_MAX);
    path[n > 0 ? n : 0] = '\0';
    return n > 0;
}

bool setup_is_in_build(void)
{
    char path[PATH_MAX];

    return find_program(path) && strcmp(path, BUILD_PROGRAM) == 0;
}

/* Returns the path of a folder that belongs to this program; the caller frees it. If the program
 * runs where it was built, this is in_build. Otherwise it is `installed`, a path relative to the
 * program's folder, if that folder exists, or else in_prefix. */
static char *own_dir(const char *in_build, const char *installed, const char *in_prefix)
{
    char path[PATH_MAX];
    struct stat info;
    char *dir;

    if (find_program(path)) {
        if (strcmp(path, BUILD_PROGRAM) == 0)
            return xstrdup(in_build);
        dir = xasprintf("%s/%s", dirname(path), installed);
        if (stat(dir, &info) == 0)
            return dir;
        free(dir);
    }
    return xstrdup(in_prefix);
}

/* The runtime for plain source: the one named by --runtime, else the default of the image. */
static const char *fallback_name(const struct setup *setup)
{
    const char *named = setup->config->runtime;
    bool is_auto = strcmp(named, "auto") == 0;

    if (setup->actionloop.compiler != NULL && (is_auto || strcmp(named, RUNTIME_NATIVE) == 0))
        return ACTIONLOOP_RUNTIME;
    if (!is_auto)
        return named;
    return setup->actionloop.on ? RUNTIME_NATIVE : "python";
}

/* Report an unknown --runtime: list the valid names and suggest the closest. */
static void no_such_runtime(const struct setup *setup, const char *dir, struct err *err)
{
    const struct runtimes *runtimes = &setup->runtimes;
    struct suggest suggest = {.word = fallback_name(setup)};
    auto_buf struct buf names = {0};

    for (size_t i = 0; i < runtimes->n; i++) {
        suggest_offer(&suggest, runtimes->items[i].name);
        buf_add_text(&names, i > 0 ? ", " : "");
        buf_add_text(&names, runtimes->items[i].name);
    }
    buf_add(&names, "", 1);
    (void)err_set(err, ERR_REQUEST, 0,
                  "--runtime=%s: no such runtime%s%s%s; want auto or one of: %s (from %s)",
                  suggest.word, suggest.best != NULL ? "; did you mean " : "",
                  suggest.best != NULL ? suggest.best : "", suggest.best != NULL ? "?" : "",
                  buf_at(&names), dir);
}

/* Load all runtimes, and return the one for plain source. NULL: see err. */
static const struct runtime *load_runtimes(struct setup *setup, struct err *err)
{
    const struct config *config = setup->config;
    bool is_given = config->runtime_dir[0] != '\0';
    auto_free char *dir =
        is_given ? xstrdup(config->runtime_dir)
                 : own_dir(SOURCE_RUNTIME_DIR, INSTALLED_RUNTIME_DIR, PREFIX_RUNTIME_DIR);
    auto_free char *libexec = own_dir(BUILD_LIBEXEC_DIR, INSTALLED_LIBEXEC_DIR, PREFIX_LIBEXEC_DIR);
    const struct runtime *fallback;

    /* An ActionLoop image may lack the folder of our runtimes. Then skip it, without an error. */
    if ((is_given || !setup->actionloop.on || access(dir, F_OK) == 0) &&
        runtimes_load(&setup->runtimes, dir, err) < 0)
        return NULL;
    actionloop_add_native(&setup->runtimes);
    if (setup->actionloop.compiler != NULL)
        actionloop_add_compiler(&setup->runtimes, setup->actionloop.compiler);
    runtimes_set_libexec(&setup->runtimes, libexec);
    assert(setup->runtimes.n > 0);
    fallback = runtimes_find(&setup->runtimes, fallback_name(setup));
    if (fallback == NULL)
        no_such_runtime(setup, dir, err);
    return fallback;
}

/* Returns PRELOADED_FOLDER if this is an image made for Apache's docker skeleton, which keeps its
 * program there. NULL: this is another kind of image, or settings name other folders. */
static const char *skeleton_dir(const struct setup *setup, const struct runtime *fallback)
{
    const struct config *config = setup->config;

    if (fallback->stub == NULL || config->action_dir[0] != '\0' ||
        strcmp(config->action, PRELOADED_FOLDER) != 0 || access(PRELOADED_FOLDER, F_OK) < 0)
        return NULL;
    return PRELOADED_FOLDER;
}

/* Open the folder for versions of the action. The first of these that applies is used: a temporary
 * folder, if is_temporary is set; `skeleton`, if it is writable; --action-dir, if it is given;
 * ./action, if it is writable and this is an ActionLoop image; a temporary folder. */
static int open_store(struct setup *setup, const char *skeleton, bool is_temporary, struct err *err)
{
    const char *dir = setup->config->action_dir;

    if (is_temporary)
        return store_open(&setup->store, NULL, err);
    if (skeleton != NULL && access(skeleton, W_OK) == 0)
        dir = skeleton;
    if (dir[0] != '\0' || !setup->actionloop.on)
        return store_open(&setup->store, dir, err);
    if (store_open(&setup->store, "action", err) == 0 && access(setup->store.base, W_OK) == 0)
        return 0;
    store_close(&setup->store);
    return store_open(&setup->store, NULL, err);
}

/* Whether we can do without a folder for unpacking actions, as on a read-only root without tmpfs.
 * We can if the preloaded action is a folder, which is served in place. From then on, all code that
 * must be unpacked is refused with the reason `why`. */
static bool may_lack_store(struct setup *setup, const struct err *why)
{
    const struct config *config = setup->config;
    const char *path = config->file != NULL ? config->file : config->action;
    struct stat info;

    if (setup->actionloop.on || stat(path, &info) < 0 || !S_ISDIR(info.st_mode))
        return false;
    assert(setup->store.base == NULL);
    store_none(&setup->store, why);
    return true;
}

/* ---- paths that the action's user must be able to access ---- */

/* Whether a command line contains this placeholder, such as "{libexec}". */
static bool names(char **command, const char *placeholder)
{
    for (; command != NULL && *command != NULL; command++)
        if (strstr(*command, placeholder) != NULL)
            return true;
    return false;
}

/* Check that the action's user can read the launcher's files. A checkout under a strict umask may
 * leave folders that this user can enter, but files that this user cannot read. */
static int check_launcher(const struct setup *setup, const struct runtime *runtime, struct err *err)
{
    for (size_t i = 0; runtime->launch[i] != NULL; i++) {
        const char *word = runtime->launch[i];
        auto_free char *path = NULL;

        if (strncmp(word, "{runtime}/", strlen("{runtime}/")) != 0)
            continue;
        path = xasprintf("%s/%s", runtime->dir, word + strlen("{runtime}/"));
        if (reach_check(&setup->privileges, path, R_OK, "the launcher (--runtime-dir)", err) < 0)
            return -1;
    }
    return 0;
}

static int check_runtime(const struct setup *setup, const struct runtime *runtime, struct err *err)
{
    bool needs_libexec =
        names(runtime->launch, "{libexec}") || names(runtime->compile, "{libexec}");

    assert(runtime->launch != NULL);
    if (runtime->dir[0] == '\0') /* built into the proxy: it has no files */
        return 0;
    if (reach_check(&setup->privileges, runtime->dir, R_OK | X_OK,
                    "the folder of the runtime (--runtime-dir)", err) < 0 ||
        check_launcher(setup, runtime, err) < 0)
        return -1;
    if (runtime->libexec == NULL || access(runtime->libexec, F_OK) < 0 ||
        reach_check(&setup->privileges, runtime->libexec, X_OK,
                    "the folder of the compiled launchers: install the program elsewhere",
                    err) == 0)
        return 0;
    if (needs_libexec)
        return -1;
    /* This runtime does not use libexec, only others do: a warning is enough. */
    log_warn("setup.reach", log_text("failed", err->text));
    return 0;
}

/* Check that the action's user can read a folder that is served in place. ActionLoop images and
 * images for Apache's skeleton have no such folder. */
static int check_action(const struct setup *setup, const struct runtime *fallback, struct err *err)
{
    const struct config *config = setup->config;
    auto_free char *path = realpath(config->file != NULL ? config->file : config->action, NULL);
    struct stat info;

    if (path == NULL || stat(path, &info) < 0 || !S_ISDIR(info.st_mode) || setup->actionloop.on ||
        fallback->stub != NULL)
        return 0;
    return reach_check(&setup->privileges, path, R_OK | X_OK, "the action's folder (--action)",
                       err);
}

/* Check that the action's user can reach the folders it needs: if not, every /init would be
 * answered with 502. */
static int check_reach(const struct setup *setup, const struct runtime *fallback, struct err *err)
{
    if (setup->store.base != NULL &&
        reach_check(&setup->privileges, setup->store.base, X_OK,
                    setup->store.temporary ? "the folder for actions (TMPDIR, --action-dir)"
                                           : "the folder for actions (--action-dir)",
                    err) < 0)
        return -1;
    if (check_runtime(setup, fallback, err) < 0)
        return -1;
    return check_action(setup, fallback, err);
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

/* How long before its deadline we end an activation; negative: how long after it. An ordinary
 * client must get our error reply before it gives up. An invoker, which sets __OW_API_HOST, records
 * a timeout only if our reply comes after the deadline. */
static int64_t deadline_margin_ms(const struct config *config)
{
    if (config->deadline_margin_ms != CONFIG_AUTO)
        return config->deadline_margin_ms;
    return getenv("__OW_API_HOST") != NULL ? INVOKER_MARGIN_MS : CLIENT_MARGIN_MS;
}

static bool allows_concurrency(void)
{
    const char *allowed = getenv("__OW_ALLOW_CONCURRENT");

    return allowed != NULL && strcmp(allowed, "true") == 0;
}

static uint64_t limit_ms(const struct config *config, uint64_t wanted_ms)
{
    return config->no_deadlines ? NO_LIMIT_MS : wanted_ms;
}

/* Have Node.js listen for a debugger at config->inspect_at. For this, set NODE_OPTIONS in our own
 * environment, so that a prewarmed interpreter gets it, too. */
static void set_debugger(const struct config *config)
{
    const char *before = getenv("NODE_OPTIONS");
    auto_free char *options = NULL;

    if (config->inspect_at[0] == '\0')
        return;
    options = xasprintf("%s%s--inspect=%s", before != NULL ? before : "", before != NULL ? " " : "",
                        config->inspect_at);
    (void)setenv("NODE_OPTIONS", options, 1);
}

static void set_options(struct setup *setup, struct service *service,
                        const struct runtime *fallback, const char *skeleton)
{
    const struct config *config = setup->config;

    set_debugger(config);
    service->opts = (struct service_opts){
        .pool = {.n_workers = n_workers(setup),
                 .n_light = n_light(setup),
                 .queue_max = (unsigned)config->queue_max,
                 .restart = {.pause_ms = config->restart_pause_ms,
                             .pause_max_ms = config->restart_pause_max_ms,
                             .broken_after = (unsigned)config->broken_after,
                             .broken_life_ms = config->broken_life_ms},
                 .worker = {.start_ms = limit_ms(config, config->init_timeout_ms),
                            .settle_ms = config->settle_ms,
                            .kill_ms = config->kill_ms,
                            .health_ms = config->health_ms,
                            .answer_max_bytes = config->answer_max_bytes,
                            .vouched = (unsigned)config->pipeline,
                            .wake_near = config->wake_near != 0,
                            .ahead_max = (unsigned)config->write_ahead,
                            .pipe_bytes = setup_pipe_bytes("/proc/sys/fs/pipe-user-pages-soft",
                                                           n_workers(setup)),
                            .tally = &service->workers,
                            .oom = &setup->oom}},
        .build = {.unpack = {.bytes_max = config->unpack_max_bytes,
                             .entries_max = config->unpack_entries_max,
                             .ratio_max = (unsigned)config->unpack_ratio_max},
                  .store = &setup->store,
                  .runtimes = &setup->runtimes,
                  .fallback = fallback,
                  .privileges = &setup->privileges,
                  .oom = &setup->oom,
                  .environ = environ,
                  .keeps_failed = config->debug,
                  .save_jar = setup->actionloop.save_jar},
        .actionloop = setup->actionloop,
        .fallback = fallback,
        .skeleton_dir = skeleton,
        .environ = environ,
        .privileges = &setup->privileges,
        .run_ms = limit_ms(config, config->timeout_ms),
        .no_deadlines = config->no_deadlines != 0,
        .margin_ms = deadline_margin_ms(config),
        .init_ms = limit_ms(config, config->init_timeout_ms),
        .answers = answers_mode(setup),
        .prelaunches = config->prewarmed != 0,
        .allow_reinit = config->allow_reinit != 0,
        .forks = config->fork_workers != 0,
        .passed = &setup->passed,
        .any = config->any != 0,
        .one_at_a_time = config->one_at_a_time != 0 && !allows_concurrency(),
        .logs_init_error = config->log_init_error != 0,
    };
}

int setup_service(struct setup *setup, struct service *service, bool is_temporary, struct err *err)
{
    const struct runtime *fallback;
    const char *skeleton;

    oom_open(&setup->oom, "");
    if (passed_read(&setup->passed, setup->config->pass_headers, err) < 0)
        return -1;
    fallback = load_runtimes(setup, err);
    if (fallback == NULL)
        return -1;
    skeleton = skeleton_dir(setup, fallback);
    if (open_store(setup, skeleton, is_temporary, err) < 0 && !may_lack_store(setup, err))
        return -1;
    if (check_reach(setup, fallback, err) < 0)
        return -1;
    set_options(setup, service, fallback, skeleton);
    service->store = &setup->store;
    return 0;
}

int setup_runtimes(struct setup *setup, struct err *err)
{
    return load_runtimes(setup, err) != NULL ? 0 : -1;
}

void setup_done(struct setup *setup)
{
    store_close(&setup->store);
    runtimes_done(&setup->runtimes);
    privileges_done(&setup->privileges);
}
