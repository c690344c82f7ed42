#include "dev/loader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/util.h"
#include "dev/advice.h"
#include "dev/inspect.h"
#include "dev/journal.h"
#include "dev/text.h"
#include "http/init.h"
#include "http/versions.h"

#define PATIENCE_MS 400  /* time for an editor that empties or removes a file to write it again */
#define AGAIN_MS    40   /* time between tries to load, for example while a client's /init runs */
#define GRACE_MS    500  /* the load after an abandoned one cannot be abandoned for this time */
#define GRACES_MAX  12   /* GRACE_MS doubles with each abandoned load in a row, up to this many */
#define SLOW_MS     2000 /* a load is reported as slow after this time, 5 and 25 times this, ... */
#define RETRY_MS    500  /* a file written this soon after a load counts as the load's own work */
#define LOOK_MS     100  /* time between two checks that the last loaded version still serves */

static void load(struct loader *loader);

unsigned loader_serving(const struct loader *loader)
{
    return loader->is_lost ? 0 : loader->version;
}

static void say(struct loader *loader, const char *event, struct buf *text)
{
    terminal_say(&loader->journal->terminal, event, text_of(text));
    buf_done(text);
}

static void move(struct loader *loader, enum loader_state state)
{
    loader->state = state;
    journal_set_loading(loader->journal, state == LOADER_LOADING);
}

/* ---- the end of a load ---- */

static void copy_names(struct user_names *to, const struct user_names *from)
{
    assert(to != from);
    user_names_done(to);
    *to = (struct user_names){from->dir != NULL ? xstrdup(from->dir) : NULL,
                              from->source != NULL ? xstrdup(from->source) : NULL,
                              from->file != NULL ? xstrdup(from->file) : NULL};
}

static void note_loaded(struct loader *loader)
{
    struct service *service = loader->service;
    struct buf text = {0};

    loader->version++;
    loader->is_lost = false;
    loader->journal->version = loader->version;
    loader->served_in_place = loader->in_place;
    loader->took_us = loop_now_us(service->loop) - loader->began_us;
    fault_done(&loader->fault);
    service->cannot_start = NULL;
    copy_names(&loader->names, &service->names);
    move(loader, LOADER_READY);
    text_add(&text, "version %u ready in %.0f ms", loader->version, (double)loader->took_us / 1000);
    say(loader, "ready", &text);
    terminal_said(&loader->journal->terminal, buf_at(&loader->journal->said),
                  buf_len(&loader->journal->said));
    /* Clear this log, or the next POST /init would show it again. */
    buf_reset(&loader->journal->said, 0);
    gate_open(&service->gate);
    if (loader->opts.inspect == 0)
        versions_prewarm(service);
}

/* Whether the last place (file and line) named in the output is the one at fault: Python's
 * traceback ends where the code failed. */
static bool last_counts(const struct loader *loader)
{
    const char *language = loader->language != NULL ? loader->language : "";

    return strcmp(language, "python") == 0 || strcmp(language, "pypy") == 0;
}

/* Whether the version that served can no longer answer. A version that runs in the user's folder
 * cannot answer without a zygote or a ready worker: its new processes would load broken code. */
static bool is_serving_lost(const struct loader *loader)
{
    const struct pool *pool = loader->service->pool;

    return loader->version > 0 && !loader->is_lost &&
           (pool == NULL || pool->state == POOL_BROKEN ||
            (loader->served_in_place && pool->zygote == NULL && !pool_is_ready(pool)));
}

static void lose(struct loader *loader)
{
    struct service *service = loader->service;

    assert(loader->version > 0);
    assert(!loader->is_lost);
    loader->is_lost = true;
    if (service->pool != NULL)
        versions_discard(service, TAKE(service->pool), service->version);
    service->version = 0;
    service->is_preloaded = false;
    service->cannot_start = loader->fault.text;
}

/* While the newest version is broken, check whether the version before it still serves. */
static void on_look(struct loop_timer *timer)
{
    struct loader *loader = container_of(timer, struct loader, look);
    struct buf text = {0};

    if (loader->state != LOADER_BROKEN || loader->version == 0 || loader->is_lost)
        return;
    if (!is_serving_lost(loader)) {
        loop_timer_set(loader->service->loop, timer, loop_now_ms(loader->service->loop) + LOOK_MS);
        return;
    }
    lose(loader);
    text_add(&text,
             "version %u has crashed and cannot start again from code that does not load: "
             "nothing is served until a save mends it",
             loader->version);
    say(loader, "lost", &text);
    loader->changed(loader->owner);
}

static void note_broken(struct loader *loader, const char *why)
{
    struct service *service = loader->service;
    struct fault_place where = {.root = loader->target.folder,
                                .only = loader->target.only,
                                .last_counts = last_counts(loader)};
    const struct buf *said = &loader->journal->said;
    auto_free char *advice = NULL;

    /* The output of the action tells more than `why`, which is our own text: append `why` to it. If
     * there is no output, use `why` alone: after a failed compilation, that is the compiler's
     * output. */
    if (buf_len(said) > 0) {
        fault_find(&loader->fault, buf_at(said), buf_len(said), &where);
        if (memmem(buf_at(said), buf_len(said), why, strlen(why)) == NULL)
            fault_add(&loader->fault, why);
    } else {
        where.last_counts = false; /* as this is no trace */
        fault_find(&loader->fault, why, strlen(why), &where);
    }
    advice =
        advice_on_load(loader->target.only != NULL ? loader->target.code : loader->target.path,
                       loader->fault.text, loader->opts.code.runtimes, loader->opts.code.fallback);
    if (advice != NULL) {
        fault_add(&loader->fault, "\nhint: ");
        fault_add(&loader->fault, advice);
    }
    copy_names(&service->names, &loader->names);
    if (is_serving_lost(loader))
        lose(loader);
    if (service->pool == NULL)
        service->cannot_start = loader->fault.text;
    move(loader, LOADER_BROKEN);
    terminal_say_broken(&loader->journal->terminal, &loader->fault, loader_serving(loader));
    gate_open(&service->gate);
    loop_timer_set(service->loop, &loader->look, loop_now_ms(service->loop) + LOOK_MS);
}

static void note_ended(struct loader *loader)
{
    auto_free char *why = TAKE(loader->why);

    assert(loader->has_ended);
    assert(!loader->is_loading);
    loader->has_ended = false;
    loader->ended_at_ms = loop_now_ms(loader->service->loop);
    loader->until_ms = text_now_ms();
    loop_timer_clear(&loader->slow);
    if (why == NULL)
        note_loaded(loader);
    else
        note_broken(loader, why);
    loader->changed(loader->owner);
}

static void on_loaded(struct loop_post *post)
{
    struct loader *loader = container_of(post, struct loader, loaded);

    if (loader->stopped)
        return;
    note_ended(loader);
    if (loader->is_saved)
        load(loader);
    else
        loader->n_abandoned = 0;
}

/* Called from inside http/init.c, so on_loaded() is posted to do the rest later. */
static void on_init_done(void *owner, const char *why, size_t n, const struct buf *reason)
{
    struct loader *loader = owner;

    (void)reason; /* the journal already has the action's output */
    loader->is_loading = false;
    if (loader->is_dropped)
        return;
    assert(!loader->has_ended);
    assert(loader->why == NULL);
    loader->why = why != NULL ? xstrndup(why, n) : NULL;
    loader->has_ended = true;
    loop_post(loader->service->loop, &loader->loaded);
}

/* ---- a load ---- */

static void on_again(struct loop_timer *timer)
{
    struct loader *loader = container_of(timer, struct loader, again);

    assert(!loader->stopped);
    watch_catch_up(loader->watch); /* the watch need not report earlier saves: load() reads them */
    load(loader);
}

/* Whether the file is missing or empty, as it may be while an editor saves it. */
static bool is_being_saved(const struct loader *loader)
{
    struct stat info;

    return stat(loader->target.path, &info) < 0 || (S_ISREG(info.st_mode) && info.st_size == 0);
}

/* Whether to wait until the file is saved, PATIENCE_MS at most; if so, sets the timer `again`. */
static bool is_patient(struct loader *loader)
{
    uint64_t now_ms = loop_now_ms(loader->service->loop);

    if (is_being_saved(loader)) {
        if (loader->patient_until_ms == 0)
            loader->patient_until_ms = now_ms + PATIENCE_MS;
        if (now_ms < loader->patient_until_ms) {
            loop_timer_set(loader->service->loop, &loader->again, now_ms + AGAIN_MS);
            return true;
        }
    }
    loader->patient_until_ms = 0;
    return false;
}

static void tell_abandoned(struct loader *loader)
{
    uint64_t us = loop_now_us(loader->service->loop) - loader->began_us;
    struct buf text = {0};

    loader->n_abandoned++;
    if (loader->stopped)
        return;
    text_add(&text, "saved again after %.0f ms: the newer state is loaded instead",
             (double)us / 1000);
    say(loader, "abandoned", &text);
}

/* Cancel the loader's own load, if one is under way. false: a client's /init is under way, and the
 * loader must wait for it. */
static bool drop_current(struct loader *loader)
{
    struct service *service = loader->service;

    loop_post_cancel(&loader->loaded);
    if (loader->has_ended && !loader->stopped)
        note_ended(loader);
    if (service->init == NULL)
        return true;
    if (!loader->is_loading) {
        loop_timer_set(service->loop, &loader->again, loop_now_ms(service->loop) + AGAIN_MS);
        return false;
    }
    loader->is_dropped = true;
    init_cancel(service);
    loader->is_dropped = false;
    assert(service->init == NULL);
    assert(!loader->is_loading); /* init_cancel() has called on_init_done() */
    tell_abandoned(loader);
    return true;
}

/* Loop time until which the current load may go on in spite of a save; 0: a save abandons it at
 * once. */
static uint64_t grace_until_ms(const struct loader *loader)
{
    unsigned n = loader->n_abandoned < GRACES_MAX ? loader->n_abandoned : GRACES_MAX;

    if (!loader->is_loading || n == 0)
        return 0;
    return loader->began_us / 1000 + ((uint64_t)GRACE_MS << (n - 1));
}

void loader_add_slow(struct buf *out, uint64_t ms, uint64_t limit_ms)
{
    text_add(out, "still loading after %.0f s", (double)ms / 1000);
    if (limit_ms != NO_LIMIT_MS)
        text_add(out, " of %.0f s (--init-timeout)", (double)limit_ms / 1000);
}

/* Called when a load takes long: the user's code may be in an endless loop. */
static void on_slow(struct loop_timer *timer)
{
    struct loader *loader = container_of(timer, struct loader, slow);
    struct service *service = loader->service;
    uint64_t now_ms = loop_now_ms(service->loop);
    uint64_t ms = now_ms - loader->began_us / 1000;
    struct buf text = {0};

    if (!loader->is_loading)
        return;
    loader_add_slow(&text, ms, service->opts.init_ms);
    if (loader_serving(loader) > 0)
        text_add(&text, "; version %u goes on", loader->version);
    say(loader, "loading", &text);
    loop_timer_set(service->loop, timer, now_ms + 4 * ms);
}

/* The runtime that starts the code. NULL: the code is a program that needs none. */
static const struct runtime *runtime_of(const struct preloaded *preloaded,
                                        const struct loader *loader)
{
    struct err none;

    if (preloaded->runtime != NULL || preloaded->dir != NULL || loader->target.only != NULL)
        return preloaded->runtime;
    return runtimes_for_folder(loader->opts.code.runtimes, loader->opts.code.fallback,
                               loader->target.folder, &none);
}

/* Whether the debugger's port is free for the next version. If another version has the port, end
 * that version, and hold requests until the load has ended. Activations of the ended version are
 * killed, since they may be stopped at a breakpoint. false: its processes have not ended yet, and
 * load() is tried again later. */
static bool is_port_free(struct loader *loader)
{
    struct service *service = loader->service;

    assert(service->init == NULL);
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

/* With --inspect: choose the debugger's port for the version of the action that starts next, and
 * add it to *env. */
static void set_inspect(struct loader *loader, const struct runtime *runtime, char ***env)
{
    auto_free char *problem = NULL;

    loader->inspect_port = 0;
    if (loader->opts.inspect == 0)
        return;
    if (runtime != NULL)
        loader->inspect_port =
            inspect_set(env, runtime, loader->opts.inspect,
                        loader->target.only != NULL ? loader->target.code : NULL);
    problem = inspect_problem(loader->inspect_port);
    if (problem != NULL)
        terminal_say(&loader->journal->terminal, "inspect", problem);
}

/* There is no code to load: say in the first line what is wrong, in the second what to do. wanted:
 * what the folder would need to be an action; NULL: err says what is wrong. */
static void note_not_found(struct loader *loader, const char *wanted, const struct err *err)
{
    static const char origin[] = "dev: ";
    auto_buf struct buf why = {0};
    struct stat info;

    if (stat(loader->target.code, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0) {
        text_add(&why, "%s is empty", loader->target.only);
    } else if (wanted != NULL) {
        text_add(&why, "no action in folder \"%s\"\n", loader->target.code);
        if (target_is_empty(&loader->target)) {
            buf_add_text(&why, "Save a source file in it, or begin with: whiskloop new LANGUAGE ");
            text_add_word(&why, loader->target.path);
        } else {
            text_add(&why, "It needs %s", wanted);
        }
    } else {
        buf_add_text(&why, err->text);
        if (strncmp(err->text, origin, strlen(origin)) == 0)
            buf_drop(&why, strlen(origin));
    }
    on_init_done(loader, buf_at(&why), buf_len(&why), NULL);
}

/* Tell that the file that made the folder an action is gone, and which file is the action now, if
 * any. */
static void tell_gone(struct loader *loader)
{
    const struct target *target = &loader->target;
    struct buf text = {0};

    if (target->gone == NULL)
        return;
    text_add(&text, "%s is gone", target->gone);
    if (target->entry != NULL)
        text_add(&text, ": %s is the action now", target->entry);
    say(loader, "gone", &text);
}

static void load(struct loader *loader)
{
    struct service *service = loader->service;
    struct preloaded_opts opts = loader->opts.code;
    struct preloaded preloaded = {.dir = NULL};
    const struct runtime *runtime;
    struct err err;

    if (loader->stopped || is_patient(loader) || !drop_current(loader) || !is_port_free(loader))
        return;
    assert(!loader->is_loading);
    assert(!loader->has_ended);
    loader->is_saved = false;
    loop_timer_clear(&loader->again);
    target_look(&loader->target, opts.runtimes, opts.fallback);
    tell_gone(loader);
    opts.path = loader->target.code;
    loader->began_us = loop_now_us(service->loop);
    loader->since_ms = text_now_ms();
    move(loader, LOADER_LOADING);
    loader->changed(loader->owner);
    if (preloaded_find(&preloaded, &opts, &err) < 0) {
        note_not_found(loader, preloaded.wanted, &err);
        preloaded_done(&preloaded);
        return;
    }
    runtime = runtime_of(&preloaded, loader);
    loader->language = runtime != NULL ? runtime->name : "native";
    /* Make this runtime the fallback, whose launcher is prewarmed for the next version. */
    if (preloaded.runtime != NULL)
        service->opts.fallback = preloaded.runtime;
    set_inspect(loader, runtime, &preloaded.envelope.env);
    loader->in_place = preloaded.dir != NULL;
    loader->is_loading = true;
    loop_timer_set(service->loop, &loader->slow, loop_now_ms(service->loop) + SLOW_MS);
    init_preloaded(service, &preloaded, on_init_done, loader);
    preloaded_done(&preloaded);
}

static void on_saved(struct loader *loader)
{
    struct loop *loop = loader->service->loop;
    uint64_t until_ms = grace_until_ms(loader);

    if (loop_now_ms(loop) >= until_ms) {
        load(loader);
        return;
    }
    loader->is_saved = true;
    loop_timer_set(loop, &loader->again, until_ms);
}

static bool is_own_write(struct loader *loader)
{
    const struct own_work work = {
        .folder = loader->target.folder,
        .runtimes = loader->opts.code.runtimes,
        .activations = &loader->journal->activations,
        .load_began_ms = loader->since_ms,
        .load_ended_ms = loader->is_loading ? UINT64_MAX : loader->until_ms,
        .is_ending = !list_empty(&loader->service->retired),
    };

    return own_writes_take(&loader->own_writes, &work, watch_changes(loader->watch),
                           &loader->journal->terminal);
}

static void on_watch(void *owner, enum watch_news news, const char *why)
{
    struct loader *loader = owner;
    struct buf text = {0};

    assert((why != NULL) == (news == WATCH_LIMIT));
    switch (news) {
    case WATCH_CHANGED:
        if (!is_own_write(loader))
            on_saved(loader);
        break;
    case WATCH_TOUCHED: /* try again: a file that the code lacked may be there now */
        if (loader->state == LOADER_BROKEN &&
            loop_now_ms(loader->service->loop) > loader->ended_at_ms + RETRY_MS)
            load(loader);
        break;
    case WATCH_GONE:
        text_add(&text, "%s is gone: waiting for it to come back%s", loader->target.path,
                 loader_serving(loader) > 0 ? ", the last version goes on" : "");
        say(loader, "gone", &text);
        break;
    case WATCH_LIMIT:
        terminal_say(&loader->journal->terminal, "watch", why);
        break;
    }
}

/* ---- public functions ---- */

int loader_begin(struct loader *loader, struct service *service, struct journal *journal,
                 const struct loader_opts *opts, loader_fn *changed, void *owner, struct err *err)
{
    auto_free char *advice = NULL;

    memset(loader, 0, sizeof(*loader));
    loader->service = service;
    loader->journal = journal;
    loader->opts = *opts;
    loader->changed = changed;
    loader->owner = owner;
    loop_post_init(&loader->loaded, on_loaded);
    loop_timer_init(&loader->again, on_again);
    loop_timer_init(&loader->slow, on_slow);
    loop_timer_init(&loader->look, on_look);
    if (target_open(&loader->target, opts->code.command, opts->code.path, err) < 0)
        return -1;
    /* Look now, since the page may ask for the state while load() still waits for an empty file. */
    target_look(&loader->target, opts->code.runtimes, opts->code.fallback);
    if (loader->target.only != NULL)
        advice = advice_on_name(loader->target.path, loader->target.only, opts->code.runtimes,
                                opts->code.fallback);
    if (advice != NULL)
        terminal_say(&journal->terminal, "hint", advice);
    loader->since_ms = text_now_ms();
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
    loop_timer_clear(&loader->slow);
    loop_timer_clear(&loader->look);
    if (loader->is_loading && loader->service->init != NULL)
        (void)drop_current(loader);
    gate_open(&loader->service->gate);
}

void loader_done(struct loader *loader)
{
    if (loader->service == NULL)
        return;
    assert(loader->watch == NULL); /* loader_stop() was called, or loader_begin() has failed */
    loop_post_cancel(&loader->loaded);
    loader->service->cannot_start = NULL;
    free(loader->why);
    own_writes_done(&loader->own_writes);
    fault_done(&loader->fault);
    user_names_done(&loader->names);
    target_done(&loader->target);
}

void loader_published(struct loader *loader, uint64_t came_at_us)
{
    loader->began_us = came_at_us;
    loader->since_ms = text_now_ms() - (loop_now_us(loader->service->loop) - came_at_us) / 1000;
    loader->in_place = false;
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
