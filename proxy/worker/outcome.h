#pragma once

/*
 * outcome - how an activation ends. A table has for each outcome its name in the log, its label in
 * the metrics, the HTTP status, the kind of error and the error text. To add an outcome, add a row
 * to the table in outcome.c.
 */

/* How a job ended. */
enum job_outcome {
    JOB_PENDING,
    JOB_ANSWERED,  /* the action answered; job->answer is not checked yet */
    JOB_DIED,      /* its process ended before it answered; job->reason says how, "" if unknown */
    JOB_STOPPED,   /* the proxy shut down before the action answered */
    JOB_BYSTANDER, /* its process was killed, but not because of this job; job->reason says why */
    JOB_EXHAUSTED, /* its process exceeded a limit, the container's or ours: see job->reason */
    JOB_LATE,      /* its deadline passed while it ran or waited */
    JOB_TOO_LONG,  /* the answer exceeded --answer-max-bytes */
    JOB_MALFORMED, /* its process wrote something that is no valid answer; job->reason says what */
    JOB_UNSTARTED, /* no process of the action could be started; job->reason says why */
    JOB_CANCELLED, /* the client left before the job was begun */
    JOB_ABANDONED, /* the proxy was shut down before the job was begun */
};
#define N_JOB_OUTCOMES (JOB_ABANDONED + 1)

/* How a POST /run ended: the outcome of its job, or why it was refused. */
enum run_end {
    RUN_OK,
    RUN_FAILED,     /* the launcher reported that the function threw an error */
    RUN_BAD_ANSWER, /* the answer is no object or array */
    RUN_DIED,
    RUN_DEADLINE,
    RUN_ANSWER_TOO_LONG,
    RUN_EXHAUSTED, /* the action exceeded a limit and died of it */
    RUN_UNSTARTED, /* no process of the action could be started */
    RUN_ABANDONED, /* accepted, but the proxy was shut down before the activation began */
    RUN_CANCELLED, /* the client left before the end of the reply */
    /* From here on: why the request was refused. */
    RUN_DRAINING,
    RUN_NO_ACTION,
    RUN_BAD_BODY,
    RUN_BODY_TOO_LARGE,
    RUN_BUSY, /* another activation runs, and --one-at-a-time is set */
    RUN_QUEUE_FULL,
    RUN_NO_ROOM, /* the bodies and answers in memory reached --held-max-bytes */
    N_RUN_ENDS
};

/*
 * The kind of failure: callers see it as a member "kind" beside "error" in answers of the command
 * `pipe` and of streamed replies, as a header in other replies. docs/errors.md says which kinds may
 * be retried.
 */
enum error_kind {
    ERROR_KIND_NONE,        /* no failure */
    ERROR_KIND_REQUEST,     /* the request cannot be used; no activation was begun */
    ERROR_KIND_METHOD,      /* the action has no function of this name; no function was called */
    ERROR_KIND_ACTION,      /* the function returned an error, or no valid answer */
    ERROR_KIND_DIED,        /* the process ended before it answered */
    ERROR_KIND_LATE,        /* the deadline passed; the activation may have begun */
    ERROR_KIND_EXHAUSTED,   /* the process exceeded a limit: memory, processor time or file size */
    ERROR_KIND_OVERLOAD,    /* the proxy has too much work already; no activation was begun */
    ERROR_KIND_UNAVAILABLE, /* no working action, or the proxy shuts down; no activation begun */
    N_ERROR_KINDS
};

#define ERROR_KIND_HEADER "x-whiskloop-kind"

/* What is inserted between `text` and `tail` of a struct outcome. */
enum outcome_detail {
    DETAIL_NONE,
    DETAIL_REASON,    /* the job's reason */
    DETAIL_LIMIT_MS,  /* the job's time limit; its reason, if any, follows `tail` as a sentence */
    DETAIL_MAX_BYTES, /* the length of the longest answer allowed */
};

struct outcome {
    const char *name;     /* name of the outcome in our log */
    enum run_end end;     /* how a POST /run with this outcome is counted in the metrics */
    int status;           /* HTTP status of the reply */
    enum error_kind kind; /* the kind of error named in the reply */
    const char *text;     /* start of the error text in the reply */
    enum outcome_detail detail;
    const char *tail; /* end of the error text in the reply */
};

/* The table row of any outcome but JOB_PENDING. The row of JOB_ANSWERED is for an answer that is no
 * object or array. */
const struct outcome *outcome_of(enum job_outcome outcome);
/* The name of an outcome in our log; JOB_PENDING has one, too. */
const char *job_outcome_name(enum job_outcome outcome);
/* The label in the metrics for requests that ended this way. */
const char *run_end_name(enum run_end end);
/* The word for the kind, as callers see it; NULL for ERROR_KIND_NONE. */
const char *error_kind_name(enum error_kind kind);
