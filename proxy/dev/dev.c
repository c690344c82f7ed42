#include "dev/dev.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/util.h"
#include "dev/journal.h"
#include "dev/loader.h"
#include "dev/rerun.h"
#include "dev/text.h"
#include "http/endpoint.h"
#include "http/versions.h"

struct dev {
    struct service *service; /* borrowed */
    struct dev_opts opts;
    struct journal journal;
    struct loader loader;
    struct pages pages;
    struct rerun rerun;
    char url[128];         /* where dev listens: "http://HOST:PORT/" or "unix:PATH" */
    unsigned version_seen; /* number of the newest version of the action that on_changed() saw */
    bool has_begun;
    bool has_stopped;
};

static void tell_state(struct dev *dev)
{
    auto_buf struct buf state = {0};

    pages_write_state(&dev->pages, &state);
    journal_tell(&dev->journal, "state", &state);
}

static void on_changed(void *owner)
{
    struct dev *dev = owner;

    assert(dev->loader.version >= dev->version_seen);
    tell_state(dev);
    if (dev->loader.version == dev->version_seen)
        return;
    dev->version_seen = dev->loader.version;
    rerun_start(&dev->rerun);
}

static void greet(struct dev *dev, unsigned port)
{
    struct terminal *terminal = &dev->journal.terminal;
    const struct target *target = &dev->loader.target;
    auto_buf struct buf line = {0};

    if (port != 0 && dev->opts.port_wanted != 0 && dev->opts.port_wanted != port) {
        text_add(&line, "port %u is in use: serving on %u instead (--port chooses another)",
                 (unsigned)dev->opts.port_wanted, port);
        terminal_say(terminal, "port", text_of(&line));
        buf_reset(&line, 0);
    }
    buf_add_text(&line, strcmp(dev->opts.path, ".") == 0 ? target->name : target->path);
    if (dev->loader.language != NULL)
        text_add(&line, " (%s)", dev->loader.language);
    text_add(&line, " on %s", dev->url);
    if (port == 0) { /* a Unix socket needs no warning: the mode of its file limits access */
        buf_add_text(&line, " (curl --unix-socket ");
        text_add_word(&line, dev->url + strlen("unix:"));
        buf_add_text(&line, " http://localhost/run) - save the file, Ctrl-C to end");
        terminal_say(terminal, "start", text_of(&line));
        return;
    }
    if (dev->opts.pages.has_page)
        buf_add_text(&line, " - open it in a browser, save the file, Ctrl-C to end");
    assert(strncmp(dev->url, "http://", 7) == 0);
    if (!pages_is_own_host("127.0.0.1", port, dev->url + 7, strlen(dev->url) - 8) ||
        endpoint_is_open(dev->opts.pages.listen))
        buf_add_text(&line, "; WARNING: whoever reaches this address can run code here");
    terminal_say(terminal, "start", text_of(&line));
}

/* ---- the browser ---- */

/* Start a program to show the page. false: it cannot be started. The program may be the person's
 * only browser, so it must outlive us. But main() kills all our children at the end, and we are the
 * subreaper: orphans among our descendants become our children. So we stop being the subreaper for
 * a moment, in which our child `between` starts the program and exits. Then the program becomes the
 * child of another process. */
static bool show(const struct dev *dev, const char *program)
{
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)dev->url, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t between, pid;
    int status = -1;

    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    (void)posix_spawn_file_actions_init(&files);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 0);
    between = fork();
    if (between == 0)
        _exit(posix_spawnp(&pid, program, &files, &attributes, argv, environ));
    while (between > 0 && waitpid(between, &status, 0) < 0 && errno == EINTR)
        ;
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attributes);
    return status == 0;
}

/* Show the page in the user's browser: try the programs in $BROWSER, by convention a list separated
 * by colons, then xdg-open and similar ones. */
static void open_browser(struct dev *dev)
{
    static const char usual[] = "xdg-open:x-www-browser:wslview:open";
    const char *own = getenv("BROWSER");
    auto_free char *programs = xasprintf("%s:%s", own != NULL ? own : "", usual);
    auto_buf struct buf line = {0};
    char *rest;

    for (char *program = strtok_r(programs, ":", &rest); program != NULL;
         program = strtok_r(NULL, ":", &rest))
        if (show(dev, program))
            return;
    text_add(&line,
             "--open: no browser was found (neither $BROWSER nor xdg-open): open %s yourself",
             dev->url);
    terminal_say(&dev->journal.terminal, "browser", text_of(&line));
}

/* ---- public functions ---- */

struct dev *dev_new(struct service *service, const struct dev_opts *opts)
{
    struct dev *dev = xcalloc(1, sizeof(*dev));

    dev->service = service;
    dev->opts = *opts;
    pages_init(&dev->pages, service, &dev->journal, &dev->loader, &opts->pages);
    return dev;
}

const struct server_route *dev_routes(const struct dev *dev, size_t *n)
{
    assert(dev->pages.n_routes > 0); /* dev_new() has filled the routes */
    *n = dev->pages.n_routes;
    return dev->pages.routes;
}

int dev_begin(struct dev *dev, unsigned port, struct err *err)
{
    struct service *service = dev->service;
    struct loader_opts opts = {.code = {.command = "dev",
                                        .path = dev->opts.path,
                                        .main = dev->opts.main,
                                        .env = dev->opts.env,
                                        .bytes_max = dev->opts.pages.init_max_bytes,
                                        .runtime_is_named = dev->opts.runtime_is_named,
                                        .runtimes = service->opts.build.runtimes,
                                        .fallback = service->opts.fallback},
                               .inspect = (unsigned)dev->opts.inspect};
    char address[sizeof(dev->url) - 1];

    assert(!dev->has_begun);
    dev->pages.port = port;
    if (port == 0) { /* keep "unix:PATH", cut off options such as ",mode=..." */
        (void)snprintf(dev->url, sizeof(dev->url), "%.*s",
                       (int)strcspn(dev->opts.pages.listen, ","), dev->opts.pages.listen);
    } else {
        endpoint_url(dev->opts.pages.listen, port, address, sizeof(address));
        (void)snprintf(dev->url, sizeof(dev->url), "%s/", address);
    }
    if (dev->opts.inspect != 0) {
        service->opts.run_ms = service->opts.init_ms = service->opts.pool.worker.start_ms =
            NO_LIMIT_MS;
        service->opts.no_deadlines = true;
        /* A launcher started ahead of the action lacks the environment variables that start the
         * debugger. */
        service->opts.prelaunches = false;
    }
    service->opts.allow_reinit = true;
    service->opts.renames_log = true;
    /* One activation at a time for each worker, so that the worker's log lines are known to belong
     * to that activation. */
    service->opts.pool.worker.ahead_max = 1;
    service->opts.pool.worker.vouched = 0;
    journal_init(&dev->journal, service, dev->opts.is_json);
    dev->has_begun = true;
    rerun_init(&dev->rerun, service, &dev->journal, dev->opts.argument,
               dev->opts.pages.run_max_bytes);
    if (rerun_check(&dev->rerun, err) < 0 ||
        loader_begin(&dev->loader, service, &dev->journal, &opts, on_changed, dev, err) < 0)
        return -1;
    greet(dev, port);
    if (dev->opts.opens && port == 0)
        terminal_say(&dev->journal.terminal, "browser", "--open: no browser opens a Unix socket");
    else if (dev->opts.opens)
        open_browser(dev);
    return 0;
}

/* A person who has pressed Ctrl-C must see why the program does not end. */
static void tell_wait(struct dev *dev, uint64_t wait_ms)
{
    unsigned n = versions_n_jobs(dev->service);
    auto_buf struct buf line = {0};

    if (n == 0 || wait_ms == 0)
        return;
    text_add(&line, "waiting %.0f s at most for %u activation%s to end", (double)wait_ms / 1000, n,
             n > 1 ? "s" : "");
    activations_add_running(&dev->journal.activations, &line);
    buf_add_text(&line, "; Ctrl-C again ends it now");
    terminal_say(&dev->journal.terminal, "end", text_of(&line));
}

void dev_stop(struct dev *dev, uint64_t wait_ms)
{
    if (dev->has_stopped || !dev->has_begun)
        return;
    dev->has_stopped = true;
    loader_stop(&dev->loader);
    events_close(&dev->journal.events);
    tell_wait(dev, wait_ms);
}

void dev_free(struct dev **dev, int wait_ms)
{
    struct dev *d = *dev;

    if (d == NULL)
        return;
    if (d->has_begun) {
        loader_done(&d->loader);
        rerun_done(&d->rerun);
        journal_done(&d->journal, wait_ms);
    }
    free(d);
    *dev = NULL;
}
