#pragma once

/*
 * outcome - how an activation ends: one table from the outcome to its name in the log, its label in
 * the metrics, the HTTP status, the kind of error and the text. A new outcome is a row in
 * outcome.c.
 */

/* How a job ended. */
enum job_outcome {
    JOB_PENDING,
    JOB_ANSWERED,  /* `answer` is what the action wrote, not checked yet */
    JOB_DIED,      /* the process ended first; reason: how, "" if unknown */
    JOB_STOPPED,   /* the proxy shut down before the action answered */
    JOB_KILLED,    /* its process was killed, but not because of this job: see reason */
    JOB_EXHAUSTED, /* its process exceeded a limit, the container's or ours: see reason */
    JOB_LATE,      /* its deadline passed, running or waiting */
    JOB_TOO_LONG,  /* the answer exceeded --answer-max-bytes */
    JOB_MALFORMED, /* it waits for its next line and gave no valid answer to this one: see reason */
    JOB_UNSTARTED, /* the action could not be started again: see reason */
    JOB_CANCELLED, /* never begun: the client left */
    JOB_ABANDONED, /* never begun: the proxy is being taken down */
};
#define N_JOB_OUTCOMES (JOB_ABANDONED + 1)

/* How a POST /run ended: the outcome of its job, or why it was refused. */
enum run_end {
    RUN_OK,
    RUN_FAILED,     /* the function threw, as its launcher reports */
    RUN_BAD_ANSWER, /* no object or array */
    RUN_DIED,
    RUN_DEADLINE,
    RUN_ANSWER_TOO_LONG,
    RUN_EXHAUSTED, /* the action exceeded a limit and died of it */
    RUN_UNSTARTED, /* the action could not be started again */
    RUN_ABANDONED, /* accepted, but the proxy was taken down before it began */
    RUN_CANCELLED, /* the client left */
    /* refused: */
    RUN_DRAINING,
    RUN_NO_ACTION,
    RUN_BAD_BODY,
    RUN_BODY_TOO_LARGE,
    RUN_BUSY, /* --one-at-a-time */
    RUN_QUEUE_FULL,
    RUN_NO_ROOM, /* --held-max-bytes */
    N_RUN_ENDS
};

/* The kind of failure that a caller is told: worker/error_kind.h. */
enum error_kind {
    ERROR_KIND_NONE,        /* no failure */
    ERROR_KIND_REQUEST,     /* the request is unusable; not begun */
    ERROR_KIND_METHOD,      /* no function of this name; not begun */
    ERROR_KIND_ACTION,      /* the function returned an error, or no valid answer */
    ERROR_KIND_DIED,        /* the process ended before it answered */
    ERROR_KIND_LATE,        /* the deadline passed; it may have begun */
    ERROR_KIND_EXHAUSTED,   /* the process exceeded a limit: memory, processor time or file size */
    ERROR_KIND_OVERLOAD,    /* no room; not begun */
    ERROR_KIND_UNAVAILABLE, /* no working action, or shutting down; not begun */
    N_ERROR_KINDS
};

/* What is inserted between `text` and `tail` of a struct outcome. */
enum outcome_detail {
    DETAIL_NONE,
    DETAIL_REASON,    /* the job's reason */
    DETAIL_LIMIT_MS,  /* the job's time limit; its reason, if any, is appended as a sentence */
    DETAIL_MAX_BYTES, /* how long an answer may be */
};

struct outcome {
    const char *name;     /* its name in our log */
    enum run_end end;     /* its label in the metrics */
    int status;           /* HTTP status of the reply */
    enum error_kind kind; /* in the reply */
    const char *text;     /* in the reply: start of its text */
    enum outcome_detail detail;
    const char *tail; /* in the reply: end of its text */
};

/* The row of an outcome other than JOB_PENDING. The row of JOB_ANSWERED is for an answer that is no
 * object or array. */
const struct outcome *outcome_of(enum job_outcome outcome);
/* The word in the log, for any outcome. */
const char *job_outcome_name(enum job_outcome outcome);
/* The label in the metrics. */
const char *run_end_name(enum run_end end);
