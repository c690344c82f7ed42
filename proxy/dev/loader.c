#include "dev/loader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "action/preloaded.h"
#include "base/err.h"
#include "base/util.h"
#include "dev/inspect.h"
#include "dev/journal.h"
#include "dev/text.h"
#include "http/init.h"
#include "http/prewarm.h"
#include "http/versions.h"

#define PATIENCE_MS                                                                                \
    400 /* for an editor that empties a file, or takes it away, and then writes it */
#define AGAIN_MS 40

static void load(struct loader *loader);

static void move(struct loader *loader, enum loader_state state)
{
    loader->state = state;
    journal_set_loading(loader->journal, state == LOADER_LOADING);
}

/* ---- the end of a load ---- */

static void copy_names(struct user_names *to, const struct user_names *from)
{
    user_names_done(to);
    *to = (struct user_names){from->dir != NULL ? xstrdup(from->dir) : NULL,
                              from->source != NULL ? xstrdup(from->source) : NULL,
                              from->file != NULL ? xstrdup(from->file) : NULL};
}

/* Requests that waited for the first version go on, whatever came of it. */
static void open_gate(struct loader *loader)
{
    if (loader->service->gate.closed)
        gate_open(&loader->service->gate);
}

static void note_loaded(struct loader *loader)
{
    struct service *service = loader->service;
    char text[160];

    loader->version++;
    loader->journal->version = loader->version;
    loader->took_us = loop_now_us(service->loop) - loader->began_us;
    fault_done(&loader->fault);
    service->cannot_start = NULL;
    copy_names(&loader->names, &service->names);
    move(loader, LOADER_READY);
    (void)snprintf(text, sizeof(text), "version %u ready in %.0f ms", loader->version,
                   (double)loader->took_us / 1000);
    terminal_say(&loader->journal->terminal, "ready", text);
    terminal_said(&loader->journal->terminal, buf_at(&loader->journal->said),
                  buf_len(&loader->journal->said));
    open_gate(loader);
    if (loader->opts.inspect == 0)
        prewarm_next(service);
}

/* Interpreters print the place where the code failed last. */
static bool last_counts(const struct loader *loader)
{
    return strcmp(loader->language, "python") == 0 || strcmp(loader->language, "pypy") == 0;
}

static void note_broken(struct loader *loader, const char *why)
{
    struct service *service = loader->service;
    struct fault_place where = {.root = loader->target.folder,
                                .only = loader->target.only,
                                .last_counts = last_counts(loader)};
    struct buf text = {0};

    /* What the action said tells more than our own words; a failed compilation's words are both. */
    if (buf_len(&loader->journal->said) > 0) {
        buf_add(&text, buf_at(&loader->journal->said), buf_len(&loader->journal->said));
        if (memmem(buf_at(&text), buf_len(&text), why, strlen(why)) == NULL)
            buf_add_text(&text, why);
    } else {
        buf_add_text(&text, why);
    }
    fault_find(&loader->fault, buf_at(&text), buf_len(&text), &where);
    buf_done(&text);
    copy_names(&service->names, &loader->names);
    if (service->pool == NULL)
        service->cannot_start = loader->fault.text;
    move(loader, LOADER_BROKEN);
    terminal_say_broken(&loader->journal->terminal, &loader->fault, loader->version);
    open_gate(loader);
}

static void on_loaded(struct loop_post *post)
{
    struct loader *loader = container_of(post, struct loader, loaded);
    auto_free char *why = TAKE(loader->why);

    if (loader->stopped)
        return;
    if (why == NULL)
        note_loaded(loader);
    else
        note_broken(loader, why);
    loader->changed(loader->owner);
}

/* From inside init.c. */
static void on_init_done(void *owner, const char *why, size_t n)
{
    struct loader *loader = owner;

    loader->is_loading = false;
    if (loader->is_dropped)
        return;
    free(loader->why);
    loader->why = why != NULL ? xstrndup(why, n) : NULL;
    loop_post(loader->service->loop, &loader->loaded);
}

/* ---- a load ---- */

static void on_again(struct loop_timer *timer)
{
    struct loader *loader = container_of(timer, struct loader, again);

    watch_catch_up(loader->watch); /* a save that ended while we waited is one version */
    load(loader);
}

/* Whether the file is away or empty, as while an editor saves it. */
static bool is_being_saved(const struct loader *loader)
{
    struct stat info;

    return stat(loader->target.path, &info) < 0 || (S_ISREG(info.st_mode) && info.st_size == 0);
}

static bool is_patient(struct loader *loader)
{
    uint64_t now_ms = loop_now_ms(loader->service->loop);

    if (!is_being_saved(loader)) {
        loader->patient_until_ms = 0;
        return false;
    }
    if (loader->patient_until_ms == 0)
        loader->patient_until_ms = now_ms + PATIENCE_MS;
    if (now_ms >= loader->patient_until_ms) {
        loader->patient_until_ms = 0;
        return false;
    }
    loop_timer_set(loader->service->loop, &loader->again, now_ms + AGAIN_MS);
    return true;
}

/* Drop a load of our own that is under way; wait for a publication of others. false: wait. */
static bool drop_current(struct loader *loader)
{
    struct service *service = loader->service;

    loop_post_cancel(&loader->loaded);
    free(TAKE(loader->why));
    if (service->init == NULL)
        return true;
    if (!loader->is_loading) {
        loop_timer_set(service->loop, &loader->again, loop_now_ms(service->loop) + AGAIN_MS);
        return false;
    }
    loader->is_dropped = true;
    init_cancel(service);
    loader->is_dropped = false;
    return true;
}

static const char *language_of(const struct preloaded *preloaded, const struct loader *loader)
{
    const struct runtime *runtime = preloaded->runtime;
    struct err none;

    if (runtime == NULL && preloaded->dir == NULL && loader->target.only == NULL)
        runtime = runtimes_for_folder(loader->opts.runtimes, loader->opts.fallback,
                                      loader->target.folder, &none);
    return runtime != NULL ? runtime->name : "native";
}

/* A debugger has one port: the version that has it must end before the next one begins, and
 * requests wait meanwhile. What it runs dies with it, for it may be stopped at a breakpoint. false:
 * wait. */
static bool is_port_free(struct loader *loader)
{
    struct service *service = loader->service;

    if (loader->opts.inspect == 0)
        return true;
    if (service->pool != NULL) {
        if (!service->gate.closed)
            gate_close(&service->gate);
        versions_discard(service, TAKE(service->pool), service->version);
        service->version = 0;
    }
    if (list_empty(&service->retired))
        return true;
    loop_timer_set(service->loop, &loader->again, loop_now_ms(service->loop) + AGAIN_MS);
    return false;
}

/* Let a debugger attach to what is started next. */
static void set_inspect(struct loader *loader, struct preloaded *preloaded)
{
    const struct runtime *runtime = runtimes_find(loader->opts.runtimes, loader->language);

    loader->inspect_port = 0;
    if (loader->opts.inspect == 0)
        return;
    loader->inspect_port = inspect_port(loader->language, loader->opts.inspect);
    if (loader->inspect_port != 0 && runtime != NULL)
        inspect_set(&preloaded->envelope.env, loader->language, loader->inspect_port, runtime->dir,
                    loader->target.only != NULL ? loader->target.code : NULL);
    else
        terminal_say(&loader->journal->terminal, "inspect",
                     "--inspect: for nodejs, python and java only");
}

static void load(struct loader *loader)
{
    struct service *service = loader->service;
    struct preloaded_opts opts = {.command = "dev",
                                  .main = loader->opts.main,
                                  .env = loader->opts.env,
                                  .bytes_max = loader->opts.bytes_max,
                                  .runtime_is_named = loader->opts.runtime_is_named,
                                  .runtimes = loader->opts.runtimes,
                                  .fallback = loader->opts.fallback};
    struct preloaded preloaded = {.dir = NULL};
    struct err err;

    if (loader->stopped || is_patient(loader) || !drop_current(loader) || !is_port_free(loader))
        return;
    target_look(&loader->target, loader->opts.runtimes, loader->opts.fallback);
    opts.path = loader->target.code;
    loader->began_us = loop_now_us(service->loop);
    move(loader, LOADER_LOADING);
    loader->changed(loader->owner);
    if (preloaded_find(&preloaded, &opts, &err) < 0) {
        preloaded_done(&preloaded);
        on_init_done(loader, err.text, strlen(err.text));
        return;
    }
    loader->language = language_of(&preloaded, loader);
    if (preloaded.runtime != NULL) /* the launcher that waits for the next version is of this one */
        service->opts.fallback = preloaded.runtime;
    set_inspect(loader, &preloaded);
    loader->is_loading = true;
    init_preloaded(service, &preloaded, on_init_done, loader);
    preloaded_done(&preloaded);
}

static void on_watch(void *owner, enum watch_news news, const char *why)
{
    struct loader *loader = owner;
    char text[600];

    switch (news) {
    case WATCH_CHANGED:
        load(loader);
        break;
    case WATCH_GONE:
        (void)snprintf(text, sizeof(text), "%s is gone: waiting for it to come back%s",
                       loader->target.path,
                       loader->version > 0 ? ", the last version goes on" : "");
        terminal_say(&loader->journal->terminal, "gone", text);
        break;
    case WATCH_LIMIT:
        terminal_say(&loader->journal->terminal, "watch", why);
        break;
    }
}

/* ---- for the owner ---- */

int loader_begin(struct loader *loader, struct service *service, struct journal *journal,
                 const struct loader_opts *opts, loader_fn *changed, void *owner, struct err *err)
{
    memset(loader, 0, sizeof(*loader));
    loader->service = service;
    loader->journal = journal;
    loader->opts = *opts;
    loader->changed = changed;
    loader->owner = owner;
    loader->language = opts->fallback->name;
    loop_post_init(&loader->loaded, on_loaded);
    loop_timer_init(&loader->again, on_again);
    if (target_open(&loader->target, "dev", opts->path, err) < 0)
        return -1;
    gate_close(&service->gate);
    loader->watch = watch_new(service->loop, loader->target.path, on_watch, loader);
    load(loader);
    return 0;
}

void loader_stop(struct loader *loader)
{
    loader->stopped = true;
    watch_free(&loader->watch);
    loop_timer_clear(&loader->again);
    if (loader->is_loading && loader->service->init != NULL)
        (void)drop_current(loader);
    open_gate(loader);
}

void loader_done(struct loader *loader)
{
    if (loader->service == NULL)
        return;
    watch_free(&loader->watch);
    loop_post_cancel(&loader->loaded);
    loop_timer_clear(&loader->again);
    loader->service->cannot_start = NULL;
    free(loader->why);
    fault_done(&loader->fault);
    user_names_done(&loader->names);
    target_done(&loader->target);
}

void loader_published(struct loader *loader)
{
    loader->began_us = loop_now_us(loader->service->loop);
    note_loaded(loader);
    loader->changed(loader->owner);
}

const char *loader_state_name(const struct loader *loader)
{
    static const char *const names[] = {
        [LOADER_LOADING] = "loading", [LOADER_READY] = "ready", [LOADER_BROKEN] = "broken"};

    assert(loader->state < ARRAY_LEN(names));
    return names[loader->state];
}
