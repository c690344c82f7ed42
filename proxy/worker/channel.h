#pragma once

/*
 * channel - the four pipes of a worker: lines in, answers out, logs forwarded.
 *
 * Answers come on descriptor 1 or 3 (architecture 3). In auto mode the first answer decides: 3 if
 * one comes there, else 1, once the process is back at its input, reading the next line. Where that
 * can only be guessed, an answer on 3 still overrules it later.
 *
 * On descriptor 1 a line is an answer if a job waits for one and it is a JSON object or array; all
 * other lines are log lines. A launcher that announces `pipeline` or `concurrent` writes only
 * answers there, so every line is one. A line on descriptor 3 for which no job waits is dropped.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/exec_spec.h"
#include "base/line.h"
#include "base/loop.h"
#include "worker/forwarder.h"
#include "worker/stdin_pipe.h"

struct ready;
struct spawned;

#define CHANNEL_PART_MARK '+' /* begins a line with a part of an answer (runtime/README.md) */

/* What is wrong with output that was probably meant as an answer. */
enum channel_odd {
    ODD_NOTHING,
    ODD_BOM,  /* a byte order mark in front */
    ODD_UTF8, /* bytes that are not UTF-8 */
    ODD_JSON, /* a line that is no whole document */
    ODD_OPEN, /* a line without a newline */
};

/* What the worker is expected to say now. */
enum channel_wanted {
    WANT_NOTHING, /* no line, or a ready line if no activation was sent yet */
    WANT_READY,   /* the line that reports ready */
    WANT_ANSWER,
};

enum channel_result {
    CHANNEL_NONE,     /* no wanted line yet */
    CHANNEL_LINE,     /* one line handed out */
    CHANNEL_TOO_LONG, /* a wanted line is too long; its start is handed out, the rest dropped */
};

struct channel {
    enum answers answers;  /* ANSWERS_AUTO until it is known */
    struct stdin_pipe in;  /* lines to the worker */
    struct loop_watch fd1; /* descriptor 1; open while it may carry answers */
    struct loop_watch fd3; /* descriptor 3; open while it may carry answers */
    struct line line1;
    struct line line3;
    /* log lines found among answers, and all of the descriptor that has no answers */
    struct forwarder out;
    struct forwarder err;          /* descriptor 2 */
    struct output_waiter out_room; /* waits while our log is full; fd1 is not watched then */
    loop_watch_fn *on_fd1;         /* called when fd1 is readable; set by the owner */
    loop_watch_fn *on_fd3;         /* called when fd3 is readable */
    struct buf held;               /* auto mode: a line of descriptor 1 that may be the answer */
    bool is_held;                  /* `held` has a line */
    bool is_guess;        /* it is guessed that answers come on 1; one on 3 overrules that */
    uint64_t n_owed;      /* answers taken on 1 by that guess; for each, a late one may come on 3 */
    enum channel_odd odd; /* the first oddity since channel_forget_oddity() */
    bool kept_apart;      /* launcher announced pipeline or concurrent: fd1 has only answers */
    bool parts;       /* the launcher may send parts of answers, marked with CHANNEL_PART_MARK */
    bool paused;      /* channel_pause(): nothing is read */
    bool passing;     /* inside a long log line on descriptor 1, which is forwarded in pieces */
    uint64_t n_stale; /* answers for which no job waited */
    int ring;         /* memory for answers (base/ring.h), owned; -1: none */
    bool uses_ring;   /* the launcher announced that it uses the ring */
    uint64_t n_read1; /* bytes read as answers on descriptor 1, in this process's life */
    uint64_t n_read3; /* bytes read as answers on descriptor 3 */
};

/* out, err: our own stdout and stderr, borrowed. answer_max_bytes: longest line taken as an
 * answer. */
void channel_init(struct channel *channel, struct output *out, struct output *err,
                  size_t answer_max_bytes);

/* Take over the pipes. on_fd1, on_fd3: called from the loop when the descriptor is readable. */
void channel_open(struct channel *channel, struct loop *loop, const struct spawned *spawned,
                  enum answers answers, loop_watch_fn *on_fd1, loop_watch_fn *on_fd3);
/* Forward the last log bytes and close all pipes. */
void channel_close(struct channel *channel);
/* Free the memory of a channel that is closed. */
void channel_done(struct channel *channel);

/* Count an answer that was handed out though no job waits for it. */
static inline void channel_was_stale(struct channel *channel)
{
    channel->n_stale++;
}

/* Whether all descriptors on which answers could come are at their ends. */
static inline bool channel_ended(const struct channel *channel)
{
    return channel->fd1.sock == NULL && channel->fd3.sock == NULL;
}

/* If our log is full and descriptor 1 may carry log lines, stop watching it until the log has room.
 * true: reading was stopped. */
bool channel_hold_up(struct channel *channel);

/* Stop reading the answer descriptors, or go on. */
void channel_pause(struct channel *channel, bool paused);

/* Take note of what the process announced in its ready line. */
void channel_announced(struct channel *channel, const struct ready *ready);
/* Call when the process is dead and its pipes are read to their ends: take the answers that it put
 * into the ring but did not write. */
void channel_pull_ring(struct channel *channel);

/* Read from the answer descriptors, a bounded amount. true: something came. */
bool channel_pull(struct channel *channel);

/*
 * Hand out the next line that is wanted; text as in line_next(). Other lines are forwarded as log
 * (descriptor 1) or dropped (descriptor 3).
 */
enum channel_result channel_next(struct channel *channel, enum channel_wanted wanted,
                                 const char **text, size_t *n);

/* Call when the process is back at its input, so that its answer is complete. If a line of
 * descriptor 1 is held (auto mode) and descriptor 3 has nothing, answers come on 1 from now on, and
 * channel_next() hands out that line. is_certain: false if the process only seems to be there. */
void channel_decide(struct channel *channel, bool is_certain);
/* Whether a line is a part of an answer, from a launcher that announced parts. */
static inline bool channel_is_part(const struct channel *channel, const char *text, size_t n)
{
    return channel->parts && n > 0 && text[0] == CHANNEL_PART_MARK;
}
static inline bool channel_is_undecided(const struct channel *channel)
{
    return channel->is_held;
}
/* Where answers come; ANSWERS_AUTO while that is not certain. */
static inline enum answers channel_answers(const struct channel *channel)
{
    return channel->is_guess ? ANSWERS_AUTO : channel->answers;
}
/* If a line is held it is no answer: forward it and what follows on descriptor 1 to the log. */
void channel_refuse_undecided(struct channel *channel);
/* What is wrong with output that came since channel_forget_oddity() and was probably meant as an
 * answer. */
enum channel_odd channel_oddity(const struct channel *channel);
/* Call when an activation ends or begins, so that odd output of one is not blamed on the next. */
static inline void channel_forget_oddity(struct channel *channel)
{
    channel->odd = ODD_NOTHING;
}
const char *channel_oddity_text(enum channel_odd odd);

/* At the end of the stream: hand out a last line without newline if it is a whole object or array,
 * or the line that is held (auto mode). Any other unfinished line of descriptor 1 goes to the
 * log. */
enum channel_result channel_rest(struct channel *channel, const char **text, size_t *n);

/* Call before the next line is written: discard unfinished output, which is no part of the next
 * answer. Unfinished output of descriptor 1 goes to the log. */
void channel_drop_rest(struct channel *channel);

/* At the end of an activation: forward all log bytes written before its answer, and end unfinished
 * log lines. */
void channel_settle_logs(struct channel *channel);
/* Like channel_settle_logs(), but keep unfinished log lines: the process has been given more lines,
 * so these belong to the next activation. */
void channel_settle_log_lines(struct channel *channel);
