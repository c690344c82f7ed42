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
    const struct runtime *fallback; /* what source without a known ending is */
    unsigned inspect;               /* 0: no debugger; else as for inspect_port() */
    bool runtime_is_named;
};

/* The state has changed. */
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
    unsigned version;     /* that serves; 0: none yet */
    const char *language; /* of the last that was found; NULL: none yet */
    struct fault fault;
    struct user_names names; /* of the version that serves */
    char *why;               /* owned; why the load that has just ended failed */
    bool is_loading;         /* service->init is ours */
    bool is_dropped;         /* ... and being cancelled */
    bool is_saved;           /* again, while it loads: the next load takes that */
    bool has_ended;          /* a load: `loaded` is posted */
    bool in_place;           /* what loads starts from the user's folder */
    bool served_in_place;    /* ... and so does what serves */
    bool is_lost;            /* the version that served has crashed and cannot start again */
    bool stopped;
    unsigned n_abandoned;  /* loads in a row */
    unsigned inspect_port; /* of the version that loads or serves; 0: none */
    uint64_t began_us;     /* the load */
    uint64_t since_ms;     /* ... by the clock */
    uint64_t took_us;      /* ... that succeeded last */
    struct loop_post loaded;
    struct loop_timer again;   /* for a file that is empty or away for a moment */
    uint64_t patient_until_ms; /* until then such a file is waited for; 0: not */
    struct loop_timer slow;    /* tells that a load takes long */
    struct loop_timer look;    /* whether the version before a broken one still serves */
    uint64_t ended_at_ms;      /* the last load */
};

/* Begin to load and to watch. 0; -1: there is nothing to load. */
int loader_begin(struct loader *loader, struct service *service, struct journal *journal,
                 const struct loader_opts *opts, loader_fn *changed, void *owner, struct err *err);
/* Watch no more, and load nothing. */
void loader_stop(struct loader *loader);
void loader_done(struct loader *loader);

/* The version that serves, or can again after a crash; 0: none. */
unsigned loader_serving(const struct loader *loader);
/* A version came by POST /init. */
void loader_published(struct loader *loader);
const char *loader_state_name(const struct loader *loader);
