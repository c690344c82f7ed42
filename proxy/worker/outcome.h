#pragma once

/*
 * outcome - what becomes of an activation, and what follows: one table from the outcome to the
 * words in the log and the metrics, the status, the kind of error and the text. Another outcome is
 * a row in outcome.c.
 */

/* Of a job. */
enum job_outcome {
    JOB_PENDING,
    JOB_ANSWERED,  /* answer is what the action wrote; not yet judged */
    JOB_DIED,      /* the action ended before it answered; reason: how, "" when nobody knows */
    JOB_STOPPED,   /* the proxy shut down before it answered */
    JOB_KILLED,    /* its process was killed for another activation's sake: see reason */
    JOB_EXHAUSTED, /* ... as it passed a limit of the container or of ours: see reason */
    JOB_LATE,      /* its deadline passed, running or waiting */
    JOB_TOO_LONG,  /* the answer passed the bound */
    JOB_MALFORMED, /* the action waits for its next line and has written no answer: see reason */
    JOB_UNSTARTED, /* the action could not be started again: see reason */
    JOB_ABANDONED, /* the proxy is being taken down */
};
#define N_JOB_OUTCOMES (JOB_ABANDONED + 1)

/* Of a POST /run: what became of its job, or why it was refused. */
enum run_end {
    RUN_OK,
    RUN_FAILED,     /* the function threw, as its launcher reports */
    RUN_BAD_ANSWER, /* no object or array */
    RUN_DIED,
    RUN_DEADLINE,
    RUN_ANSWER_TOO_LONG,
    RUN_EXHAUSTED, /* the action passed a limit and died of it */
    RUN_UNSTARTED, /* the action could not be started again */
    RUN_ABANDONED, /* begun, but the proxy was taken down */
    RUN_CANCELLED, /* its client left in the middle of its stream */
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

/* What a caller is told a failure is: worker/error_kind.h. */
enum error_kind {
    ERROR_KIND_NONE,        /* no failure */
    ERROR_KIND_REQUEST,     /* the request is unusable; not begun */
    ERROR_KIND_METHOD,      /* no function of this name; not begun */
    ERROR_KIND_ACTION,      /* the function answered with an error, or with what is no answer */
    ERROR_KIND_DIED,        /* the process ended before it answered */
    ERROR_KIND_LATE,        /* the deadline passed; it may have begun */
    ERROR_KIND_EXHAUSTED,   /* the process passed a limit of memory, processor time or file size */
    ERROR_KIND_OVERLOAD,    /* no room; not begun */
    ERROR_KIND_UNAVAILABLE, /* no action that works, or shutting down; not begun */
    N_ERROR_KINDS
};

/* What stands between the two halves of a text. */
enum outcome_detail {
    DETAIL_NONE,
    DETAIL_REASON,    /* the job's reason */
    DETAIL_LIMIT_MS,  /* the time that it had; the job's reason, if any, is a sentence behind */
    DETAIL_MAX_BYTES, /* how long an answer may be */
};

struct outcome {
    const char *name;     /* in our log */
    enum run_end end;     /* in the metrics */
    int status;           /* of the reply */
    enum error_kind kind; /* in the reply */
    const char *text;     /* in the reply: its start ... */
    enum outcome_detail detail;
    const char *tail; /* ... and its end */
};

/* For JOB_ANSWERED: what holds when the answer is no object or array. Not for JOB_PENDING. */
const struct outcome *outcome_of(enum job_outcome outcome);
/* The word in the log; any outcome. */
const char *job_outcome_name(enum job_outcome outcome);
/* The label. */
const char *run_end_name(enum run_end end);
