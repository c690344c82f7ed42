#pragma once

/*
 * service - what the proxy serves: at most one action with its pool of workers, and the /init that
 * brings or replaces it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "action/actionloop.h"
#include "action/build.h"
#include "action/runtimes.h"
#include "action/store.h"
#include "action/user_names.h"
#include "base/exec_spec.h"
#include "base/held.h"
#include "base/metrics.h"
#include "base/output.h"
#include "base/privileges.h"
#include "http/gate.h"
#include "http/prewarmed.h"
#include "pool/pool.h"
#include "worker/outcome.h"
#include "worker/tally.h"

struct init;
struct job;
struct passed;
struct request;

/* Observes each POST /run whose activation is given to the pool. service->observer points to it. */
struct run_observer {
    /* Called when the pool has taken the job over. */
    void (*begun)(struct run_observer *observer, struct request *request, struct job *job);
    /* Called when the job is done, before its reply is sent. */
    void (*ended)(struct run_observer *observer, struct request *request, const struct job *job);
};

/* Error text for a request that cannot wait for the start of the action: as many as --queue-max
 * allows are waiting already. */
#define SERVICE_TOO_MANY_HELD                                                                      \
    "The action is being started, and too many requests wait for it already (--queue-max)."

/* Options from main(). All texts are borrowed and live as long as the program. */
struct service_opts {
    struct pool_opts pool;
    struct build_opts build;
    struct actionloop actionloop;
    const struct runtime *fallback;      /* the runtime for plain source text */
    char *const *environ;                /* the container's environment, passed to the action */
    const struct privileges *privileges; /* user and limits of the action's processes */
    /* In images made for Apache's docker skeleton, the folder of the image's own program, where the
     * program of an /init must go, too. If the folder is writable, the versions of the action are
     * stored below it (action/store.h). NULL: another kind of image. */
    const char *skeleton_dir;
    uint64_t run_ms;   /* time limit of one activation */
    bool no_deadlines; /* ignore the deadlines that requests have */
    /* an activation is abandoned this long before its deadline; negative: after its deadline */
    int64_t margin_ms;
    uint64_t init_ms;            /* time limit of one /init, and of one start of a worker */
    enum answers answers;        /* where answers come, if the runtime's manifest says "auto" */
    bool prelaunches;            /* start the launcher of `fallback` before there is an action */
    bool allow_reinit;           /* a further /init replaces the action */
    bool forks;                  /* fork workers from a zygote if the runtime can */
    const struct passed *passed; /* request headers to pass to the action */
    bool any;                    /* arguments and results may be any JSON value */
    bool one_at_a_time; /* refuse a /run while another runs, as Apache's Node runtime does */
    /* The log shows the user's own file names in place of ours, even if the /init names no file.
     * Set while we run a command such as `dev` or `invoke`. */
    bool renames_log;
    bool logs_init_error; /* log errors of /init, whatever the manifest says (OW_LOG_INIT_ERROR) */
};

/* The outcomes of POST /run since the program's start. */
struct run_tally {
    uint64_t n_ends[N_RUN_ENDS];
    uint64_t request_bytes; /* bytes of request bodies, except of refused requests */
    uint64_t answer_bytes;  /* bytes of answers passed on to clients */
    /* times since the request came, but not of requests that were refused at once */
    struct histogram queued; /* until a worker gets the job */
    struct histogram whole;  /* until the reply */
};

#define NO_LIMIT_MS (UINT64_C(30) * 86400000) /* stands for no time limit, as under a debugger */

struct service {
    struct loop *loop; /* borrowed */
    struct service_opts opts;
    struct store *store; /* borrowed */
    /* where the action's stdout and stderr go: to our own stdout and stderr; while we run a command
     * such as `invoke`, both to our stderr */
    struct output *out; /* borrowed */
    struct output *err; /* borrowed */
    struct pool *pool;  /* workers of the action; NULL before a successful /init */
    /* Number of the action's folder; 0: there is no action, or it has no folder in the store. */
    unsigned version;
    struct list retired; /* struct retired of http/versions.c: replaced or failed versions */
    /* workers of the default action, which serves while `pool` is NULL; NULL: not started */
    struct pool *default_pool;
    struct prewarmed prewarmed;    /* the waiting launcher of the fallback runtime, if any */
    struct init *init;             /* the /init in progress; NULL: none */
    struct user_names names;       /* the user's file names, which the log shows in place of ours */
    struct gate gate;              /* holds requests while a preloaded action starts */
    const char *cannot_start;      /* why the preloaded action failed for good; NULL: it did not */
    bool is_preloaded;             /* the action that serves came with the image, not by /init */
    struct held held;              /* counts the bytes of bodies and answers in memory */
    struct run_tally runs;         /* counters of POST /run */
    struct tally workers;          /* counters of the action's processes */
    struct run_observer *observer; /* borrowed; NULL: none */
    bool leaving;                  /* SIGTERM or SIGINT came: we still serve, but /readyz fails */
    bool draining;                 /* we shut down, and --drain-delay is over: no new activations */
};

/* Whether workers of this runtime are forked from a zygote (a process with the action loaded). */
static inline bool service_forks(const struct service *service, const struct runtime *runtime)
{
    return service->opts.forks && runtime->forks;
}

/* Ask the startup gate whether a request may be handled now, is held or is refused (gate_pass()).
 * While the proxy shuts down, the gate counts as open: no request is held. */
static inline enum gate_pass service_gate(struct service *service, struct request *request,
                                          gate_handler_fn *handler)
{
    return service->draining ? GATE_OPEN : gate_pass(&service->gate, request, handler, service);
}
