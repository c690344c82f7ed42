#include "worker/outcome.h"

#include <assert.h>
#include <stddef.h>

#define NO_OBJECT "The action did not return a dictionary or array"

static const struct outcome outcomes[N_JOB_OUTCOMES] = {
    [JOB_PENDING] = {.name = "pending"},
    [JOB_ANSWERED] = {"answered", RUN_BAD_ANSWER, 502, ERROR_KIND_ACTION, NO_OBJECT, DETAIL_NONE,
                      "."},
    /* Test suites compare "command exited". A header of the reply says how the process died. */
    [JOB_DIED] = {"died", RUN_DIED, 400, ERROR_KIND_DIED, "command exited", DETAIL_NONE, ""},
    [JOB_STOPPED] = {"stopped", RUN_DIED, 400, ERROR_KIND_DIED,
                     "The action is being shut down: the activation ran longer than the drain "
                     "(--drain-timeout).",
                     DETAIL_NONE, ""},
    [JOB_BYSTANDER] = {"bystander", RUN_DIED, 400, ERROR_KIND_DIED, "", DETAIL_REASON, ""},
    [JOB_EXHAUSTED] = {"exhausted", RUN_EXHAUSTED, 502, ERROR_KIND_EXHAUSTED, "", DETAIL_REASON,
                       ""},
    [JOB_LATE] = {"late", RUN_DEADLINE, 502, ERROR_KIND_LATE,
                  "The action exceeded its time limits of ", DETAIL_LIMIT_MS, " milliseconds."},
    [JOB_TOO_LONG] = {"too long", RUN_ANSWER_TOO_LONG, 502, ERROR_KIND_ACTION,
                      "The action's answer is longer than ", DETAIL_MAX_BYTES,
                      " bytes (--answer-max-bytes)."},
    [JOB_MALFORMED] = {"malformed", RUN_BAD_ANSWER, 502, ERROR_KIND_ACTION, NO_OBJECT ": it wrote ",
                       DETAIL_REASON, "."},
    [JOB_UNSTARTED] = {"unstarted", RUN_UNSTARTED, 502, ERROR_KIND_UNAVAILABLE,
                       "cannot start action: ", DETAIL_REASON, ""},
    [JOB_CANCELLED] = {"cancelled", RUN_CANCELLED, 503, ERROR_KIND_UNAVAILABLE,
                       "The client left before the activation began.", DETAIL_NONE, ""},
    [JOB_ABANDONED] = {"abandoned", RUN_ABANDONED, 503, ERROR_KIND_UNAVAILABLE,
                       "The action is being shut down.", DETAIL_NONE, ""},
};

static const char *const labels[N_RUN_ENDS] = {
    [RUN_OK] = "ok",
    [RUN_FAILED] = "failed",
    [RUN_BAD_ANSWER] = "bad_answer",
    [RUN_DIED] = "died",
    [RUN_DEADLINE] = "deadline",
    [RUN_ANSWER_TOO_LONG] = "answer_too_long",
    [RUN_EXHAUSTED] = "exhausted",
    [RUN_UNSTARTED] = "unstarted",
    [RUN_ABANDONED] = "abandoned",
    [RUN_CANCELLED] = "cancelled",
    [RUN_DRAINING] = "draining",
    [RUN_NO_ACTION] = "no_action",
    [RUN_BAD_BODY] = "bad_body",
    [RUN_BODY_TOO_LARGE] = "body_too_large",
    [RUN_BUSY] = "busy",
    [RUN_QUEUE_FULL] = "queue_full",
    [RUN_NO_ROOM] = "no_room",
};

static const char *const kinds[N_ERROR_KINDS] = {
    [ERROR_KIND_REQUEST] = "request",   [ERROR_KIND_METHOD] = "method",
    [ERROR_KIND_ACTION] = "action",     [ERROR_KIND_DIED] = "died",
    [ERROR_KIND_LATE] = "late",         [ERROR_KIND_EXHAUSTED] = "exhausted",
    [ERROR_KIND_OVERLOAD] = "overload", [ERROR_KIND_UNAVAILABLE] = "unavailable",
};

const struct outcome *outcome_of(enum job_outcome outcome)
{
    assert(outcome > JOB_PENDING && outcome < N_JOB_OUTCOMES);
    return &outcomes[outcome];
}

const char *job_outcome_name(enum job_outcome outcome)
{
    assert(outcome < N_JOB_OUTCOMES);
    assert(outcomes[outcome].name != NULL);
    return outcomes[outcome].name;
}

const char *run_end_name(enum run_end end)
{
    assert(end < N_RUN_ENDS);
    assert(labels[end] != NULL);
    return labels[end];
}

const char *error_kind_name(enum error_kind kind)
{
    assert(kind < N_ERROR_KINDS);
    assert(kind == ERROR_KIND_NONE || kinds[kind] != NULL);
    return kinds[kind];
}
