#pragma once

/*
 * loader - bring the code on disk into service, at the start and after each save. If a version does
 * not load, the version before it goes on serving.
 *
 *     LOADING ──► READY
 *        │ ▲        │ saved
 *        │ └────────┤
 *        ▼   saved  │
 *     BROKEN ───────┘
 *
 * A save while a version loads abandons that load and begins another. If saves come more often than
 * a version takes to load, each load gets more time than the abandoned load before it, so that one
 * of them ends.
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/preloaded.h"
#include "action/user_names.h"
#include "dev/fault.h"
#include "dev/own_writes.h"
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
    struct preloaded_opts code; /* code.path: the argument FILE or FOLDER of the command */
    unsigned inspect;           /* 0: no debugger; else a port or INSPECT_DEFAULT */
};

/* Called when the loader's state has changed. */
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
    const char *language; /* language of the code in the last load, failed or not; NULL: none */
    struct fault fault;
    struct user_names names; /* user's own names for the files of the newest loaded version */
    char *why;               /* owned; why the load that ended last failed; NULL: it succeeded */
    bool is_loading;         /* a load is under way; service->init belongs to the loader */
    /* the load that is under way is being cancelled: ignore its outcome */
    bool is_dropped;
    /* a save came while the load must not be abandoned (grace time): load again when the grace time
     * or the load ends, whichever is first */
    bool is_saved;
    bool has_ended;       /* a load has ended, and on_loaded() was posted but has not run */
    bool in_place;        /* the version that loads runs in the user's folder, not in a copy */
    bool served_in_place; /* the version that serves runs in the user's folder, not in a copy */
    bool is_lost;         /* the version that served has crashed and cannot start again */
    bool stopped;
    unsigned n_abandoned;  /* number of loads abandoned in a row */
    unsigned inspect_port; /* port for debugging the version that loads or serves; 0: none */
    uint64_t began_us;     /* time of loop_now_us() at which the last load began */
    uint64_t since_ms;     /* Unix time at which the last load began */
    uint64_t until_ms;     /* Unix time at which the last load ended */
    uint64_t took_us;      /* duration of the last load that succeeded */
    struct own_writes own_writes;
    struct loop_post loaded;
    struct loop_timer again;   /* set while a load has to wait; when it fires, try to load again */
    uint64_t patient_until_ms; /* until when to wait for an empty or missing file; 0: no wait */
    struct loop_timer slow;    /* when it fires, tell that the load takes long */
    struct loop_timer look;    /* when it fires, check that the last loaded version still serves */
    uint64_t ended_at_ms;      /* time of loop_now_ms() at which the last load ended */
};

/* Begin to load the code at opts->code.path and to watch for saves. 0, or -1 with err: no file or
 * folder is there. */
int loader_begin(struct loader *loader, struct service *service, struct journal *journal,
                 const struct loader_opts *opts, loader_fn *changed, void *owner, struct err *err);
/* Stop watching, and abandon a load that is under way. */
void loader_stop(struct loader *loader);
/* Call after loader_stop(), or if loader_begin() has failed or was never called. */
void loader_done(struct loader *loader);

/* Number of the version that serves, or that can start again after a crash; 0: none. */
unsigned loader_serving(const struct loader *loader);
/* Call when a version that came by POST /init serves. came_at_us: the time of loop_now_us() at
 * which the request came. */
void loader_published(struct loader *loader, uint64_t came_at_us);
/* Append a text about a load that takes long. ms: the time it has taken so far. limit_ms: its time
 * limit, or NO_LIMIT_MS. */
void loader_add_slow(struct buf *out, uint64_t ms, uint64_t limit_ms);
const char *loader_state_name(const struct loader *loader);
