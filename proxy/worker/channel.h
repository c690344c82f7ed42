#pragma once

/*
 * channel - the four pipes of a worker: lines in, answers out, logs forwarded.
 *
 * Answers come on descriptor 1 or 3 (architecture, section 3). ANSWERS_AUTO: this is not known yet,
 * and the first answer decides. A line on 3 decides for 3 at once. A line on 1 that may be the
 * answer stays undecided until the process waits for more input. If a line on 3 has come by then,
 * the line on 1 is log. If not, it is the answer, and decides for 1.
 *
 * Sometimes we only guess that the process waits for input. Then a later answer on 3 changes the
 * decision to 3. That answer itself is dropped, since its client already got the line of 1.
 *
 * If answers come on descriptor 1, a line on 1 is an answer if it is a JSON object or array and a
 * job waits for an answer; all other lines on 1 are log. But if the launcher announced `pipeline`
 * or `concurrent`, every line on 1 is an answer. If answers come on descriptor 3, all lines on 1
 * are log, and a line on 3 is dropped if no job waits for an answer.
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

/* first byte of a line that has a part of an answer, not the whole (runtime/README.md) */
#define CHANNEL_PART_MARK '+'

/* What is wrong with output that was probably meant as an answer. */
enum channel_odd {
    ODD_NOTHING,
    ODD_BOM,  /* a byte order mark in front of the text */
    ODD_UTF8, /* bytes that are not UTF-8 */
    ODD_JSON, /* a line that is no whole JSON document */
    ODD_OPEN, /* a last line without a newline */
};

/* Which kind of line the caller of channel_next() waits for. */
enum channel_wanted {
    WANT_NOTHING, /* none; a ready line is taken all the same if no activation was sent yet */
    WANT_READY,   /* the ready line, such as {"ok":true}: the process reports that it is ready */
    WANT_ANSWER,
};

enum channel_result {
    CHANNEL_NONE,     /* no line of the wanted kind has come yet */
    CHANNEL_LINE,     /* one line is handed out */
    CHANNEL_TOO_LONG, /* a wanted line is too long: its start is handed out, its rest is dropped */
};

struct channel {
    enum answers answers;  /* the descriptor of the answers; ANSWERS_AUTO: not decided yet */
    struct stdin_pipe in;  /* lines to the worker */
    struct loop_watch fd1; /* the process's descriptor 1, while answers may come there */
    struct loop_watch fd3; /* the process's descriptor 3, while answers may come there */
    struct line line1;
    struct line line3;
    /* forwards log lines found among answers, and all output of fd1 or fd3 if it has no answers */
    struct forwarder out;
    struct forwarder err;          /* forwards descriptor 2 */
    struct output_waiter out_room; /* resumes reading fd1 when our stdout is no longer full */
    loop_watch_fn *on_fd1;         /* called when fd1 is readable; set by channel_open() */
    loop_watch_fn *on_fd3;         /* called when fd3 is readable; set by channel_open() */
    struct buf undecided;          /* with ANSWERS_AUTO: a line of fd1 that may be the answer */
    bool is_undecided;             /* `undecided` contains a line */
    bool is_guess; /* `answers` is ANSWERS_STDOUT by a guess; an answer on fd3 overrules it */
    /* how many lines of fd1 were handed out as answers while is_guess was set; if the guess proves
     * wrong, that many answers on fd3 are dropped, since their clients got those lines */
    uint64_t n_owed;
    enum channel_odd odd; /* first fault of the output since channel_forget_oddity() */
    bool kept_apart;      /* launcher announced pipeline or concurrent: fd1 has only answers */
    bool parts;   /* the launcher may send parts of answers, marked with CHANNEL_PART_MARK */
    bool paused;  /* channel_pause() has stopped the reading of fd1 and fd3 */
    bool passing; /* part of a long log line of fd1 was forwarded; the rest comes next */
    /* A line of fd3 was too long, and had no newline when the next activation began. The program
     * may still write the rest of it: drop the next line of fd3, unless it is an answer. */
    bool cut3;
    /* answers for which no job waited, in all processes of the worker; hear.c counts those of a
     * numbered window */
    uint64_t n_stale;
    int ring; /* memfd into which the launcher copies answers (base/ring.h), owned; -1: none */
    bool uses_ring;   /* the launcher announced that it uses the ring */
    uint64_t n_read1; /* bytes read from fd1 in the life of this process */
    uint64_t n_read3; /* bytes read from fd3 in the life of this process */
};

/* out, err: our own stdout and stderr, borrowed. answer_max_bytes: longest line taken as an
 * answer. */
void channel_init(struct channel *channel, struct output *out, struct output *err,
                  size_t answer_max_bytes);

/* Take over the pipes of a process that was just started. on_fd1, on_fd3: called from the loop when
 * the descriptor is readable. */
void channel_open(struct channel *channel, struct loop *loop, const struct spawned *spawned,
                  enum answers answers, loop_watch_fn *on_fd1, loop_watch_fn *on_fd3);
/* Forward the last log bytes, close all pipes, free all memory. */
void channel_close(struct channel *channel);

/* Whether every descriptor on which answers could come has reached its end or is closed. */
static inline bool channel_ended(const struct channel *channel)
{
    return channel->fd1.sock == NULL && channel->fd3.sock == NULL;
}

/* If our stdout is full and descriptor 1 may carry log lines, stop reading descriptor 1 until our
 * stdout has room. true: reading was stopped. */
bool channel_hold_up(struct channel *channel);

/* Stop (paused is true) or resume reading those of descriptors 1 and 3 that may bring answers. */
void channel_pause(struct channel *channel, bool paused);

/* Take note of what the process announced in its ready line. */
void channel_announced(struct channel *channel, const struct ready *ready);
/* Call when the process is dead and its pipes are read to their ends: take the answers that it put
 * into the ring (base/ring.h) but did not write into a pipe. */
void channel_pull_ring(struct channel *channel);

/* Read a bounded amount from those of descriptors 1 and 3 on which answers may come. true: at least
 * one byte came. */
bool channel_pull(struct channel *channel);

/*
 * Hand out the next line of the wanted kind. text is borrowed, and valid until the channel reads
 * more or hands out another line. Other lines are forwarded to the log (descriptor 1) or dropped
 * (descriptor 3).
 */
enum channel_result channel_next(struct channel *channel, enum channel_wanted wanted,
                                 const char **text, size_t *n);

/* Call when the process waits for more input, and all of its output was read and went through
 * channel_next(): it has written its whole answer. If a line of descriptor 1 is `undecided` and
 * descriptor 3 has no answer, answers come on 1 from now on, and channel_next() hands out that
 * line. is_certain: false if the process only seems to wait. Then a later answer on 3 still changes
 * the decision to 3. */
void channel_decide(struct channel *channel, bool is_certain);
/* Whether a line is a part of an answer. Only a launcher that announced parts can write one. */
static inline bool channel_is_part(const struct channel *channel, const char *text, size_t n)
{
    return channel->parts && n > 0 && text[0] == CHANNEL_PART_MARK;
}
static inline bool channel_is_undecided(const struct channel *channel)
{
    return channel->is_undecided;
}
/* The descriptor on which answers come; ANSWERS_AUTO while that is not certain. */
static inline enum answers channel_answers(const struct channel *channel)
{
    return channel->is_guess ? ANSWERS_AUTO : channel->answers;
}
/* Take a line that is `undecided` for a log line: forward it to the log, and also what was read
 * after it on descriptor 1. */
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

/* Call at the end of the worker's output. Hand out the first of these that there is: an answer
 * without a newline on descriptor 3, the `undecided` line, an answer without a newline on
 * descriptor 1. Any other unfinished line of descriptor 1 goes to the log. */
enum channel_result channel_rest(struct channel *channel, const char **text, size_t *n);

/* Call before the next line is written to the worker. Unfinished output is no part of the next
 * answer: that of descriptor 3 is discarded, that of descriptor 1 goes to the log. */
void channel_drop_rest(struct channel *channel);

/* At the end of an activation: forward all log bytes written before its answer, and end unfinished
 * log lines by a newline. */
void channel_settle_logs(struct channel *channel);
/* Like channel_settle_logs(), but keep unfinished log lines: the process was already given its next
 * activation, to which they belong. */
void channel_settle_log_lines(struct channel *channel);
