#pragma once

/*
 * loader - bring the code on disk into service, at the start and after each save. A version that
 * does not load leaves the one before it serving.
 *
 *     LOADING ──► READY
 *        │ ▲        │ saved
 *        │ └────────┤
 *        ▼   saved  │
 *     BROKEN ───────┘
 *
 * A save while a version loads abandons that version and loads the newer one. Where saves come more
 * often than a version takes to load, each load gets more time than the abandoned one before it, so
 * that one of them ends.
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/user_names.h"
#include "dev/fault.h"
#include "dev/target.h"
#include "dev/watch.h"
#include "http/service.h"

struct err;
struct journal;
struct loader;

enum loader_state {
    LOADER_LOADING,
    LOADER_READY,
    LOADER_BROKEN,
};

struct loader_opts {
    const char *path; /* FILE or FOLDER */
    const char *main;
    char *const *env;
    uint64_t bytes_max;
    const struct runtimes *runtimes;
    const struct runtime *fallback; /* the runtime for source without a known ending */
    unsigned inspect;               /* 0: no debugger; else as for inspect_port() */
    bool runtime_is_named;
};

/* Called when the state has changed. */
typedef void loader_fn(void *owner);

struct loader {
    struct service *service; /* borrowed */
    struct journal *journal; /* borrowed */
    struct loader_opts opts;
    loader_fn *changed;
    void *owner;
    struct target target;
    struct watch *watch;
    enum loader_state state;
    unsigned version;     /* number of the newest version that has loaded; 0: none yet */
    const char *language; /* language of the code that was found last; NULL: none yet */
    struct fault fault;
    struct user_names names; /* user's file names for the newest version that has loaded */
    char *why;               /* owned; why the load that just ended failed; NULL: it succeeded */
    bool is_loading;         /* a load is under way: service->init is ours */
    /* the load that is under way is being cancelled */
    bool is_dropped;
    bool is_saved;        /* saved in a load's grace time: load again when either ends */
    bool has_ended;       /* a load has ended, and `loaded` is posted */
    bool in_place;        /* the version that loads runs in the user's folder */
    bool served_in_place; /* the version that serves runs in the user's folder */
    bool is_lost;         /* the version that served has crashed and cannot start again */
    bool stopped;
    unsigned n_abandoned;  /* loads abandoned in a row */
    unsigned inspect_port; /* port for debugging the version that loads or serves; 0: none */
    uint64_t began_us;     /* time of loop_now_us() at which the last load began */
    uint64_t since_ms;     /* Unix time at which the last load began */
    uint64_t took_us;      /* duration of the last load that succeeded */
    struct loop_post loaded;
    struct loop_timer
        again; /* load when it fires: the file is being saved, or another load goes on */
    uint64_t patient_until_ms; /* wait until then for an empty or missing file; 0: no wait */
    struct loop_timer slow;    /* tells that a load takes long */
    struct loop_timer look;    /* checks whether the version before a broken one still serves */
    uint64_t ended_at_ms;      /* time of loop_now_ms() at which the last load ended */
};

/* Begin to load and to watch. 0; -1 with err: the path leads to no file or folder. */
int loader_begin(struct loader *loader, struct service *service, struct journal *journal,
                 const struct loader_opts *opts, loader_fn *changed, void *owner, struct err *err);
/* Stop watching, and abandon a load that is under way. */
void loader_stop(struct loader *loader);
void loader_done(struct loader *loader);

/* The version that serves, or can start again after a crash; 0: none. */
unsigned loader_serving(const struct loader *loader);
/* Call when a version came by POST /init and serves. came_at_us: the time of loop_now_us() at which
 * the request came. */
void loader_published(struct loader *loader, uint64_t came_at_us);
const char *loader_state_name(const struct loader *loader);
