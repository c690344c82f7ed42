#pragma once

/*
 * channel - the four pipes of a worker: lines in, answers out, logs forwarded.
 *
 * Knows which of descriptors 1 and 3 carries the answers (architecture 3), or finds out while the
 * first answer comes: in "auto" that is 3 if it carries one, else 1, once the process is known to
 * be back at its input. On descriptor 1 only a JSON object or array that somebody waits for is an
 * answer, all else is a log line, unless a launcher keeps the two apart; what stands on descriptor
 * 3 in answer mode while nobody waits is stale and dropped.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/exec_spec.h"
#include "base/line.h"
#include "base/loop.h"
#include "worker/forwarder.h"

struct ready;
struct spawned;

#define CHANNEL_PART_MARK    '+'  /* begins a line with a part of an answer (runtime/README.md) */
#define CHANNEL_NARROW_BYTES 4096 /* the least that a pipe can be; some machines make it a page */

/* What it wrote where an answer was awaited, and what is none. */
enum channel_odd {
    ODD_NOTHING,
    ODD_BOM,  /* a byte order mark in front */
    ODD_UTF8, /* bytes that are not UTF-8 */
    ODD_JSON, /* a line that is no whole document */
    ODD_OPEN, /* a line without its end */
};

/* What the worker is expected to say now. */
enum channel_wanted {
    WANT_NOTHING, /* only an announcement, and only before it was given its first line */
    WANT_READY,   /* the line that reports ready */
    WANT_ANSWER,
};

enum channel_result {
    CHANNEL_NONE,     /* nothing of what is wanted */
    CHANNEL_LINE,     /* one line handed out */
    CHANNEL_TOO_LONG, /* an answer passed the bound; its beginning handed out, the rest dropped */
};

struct channel {
    struct loop *loop;
    enum answers answers; /* ANSWERS_AUTO until it is known */
    struct loop_watch in;
    struct loop_watch fd1; /* open while answers may come on it */
    struct loop_watch fd3; /* likewise */
    struct line line1;
    struct line line3;
    struct forwarder
        out; /* the descriptor that is not answers; and log lines that stand among them */
    struct forwarder err;          /* descriptor 2 */
    struct output_waiter out_room; /* while log lines among the answers cannot leave */
    loop_watch_fn *on_fd1;         /* the owner's */
    loop_watch_fn *on_fd3;         /* likewise */
    bool fed;                      /* a line was written to this worker */
    bool narrow;                   /* the pipe for lines has room for one write */
    bool cannot_narrow;            /* ... or cannot be made so here */
    unsigned n_vain;               /* times in a row that it had room and was not empty */
    int wide_bytes;                /* its size before */
    struct buf held;               /* auto: a line of descriptor 1 that may be the answer */
    bool is_held;                  /* ... there is one */
    enum channel_odd odd;          /* since the last line was written to it */
    bool kept_apart;     /* a launcher keeps its answers apart from the user's output: while one is
                         awaited every line is one, also a wrong one */
    bool parts;          /* a launcher marks parts of answers: such a line is no log line */
    bool paused;         /* nothing is read: what came last must be taken first */
    bool passing;        /* inside a long line on descriptor 1 that cannot be an answer */
    uint64_t n_stale;    /* answer lines dropped because nobody waited for them */
    int ring;            /* owned; -1: none */
    bool uses_ring;      /* it said so */
    uint64_t n_read1;    /* bytes read as answers on descriptor 1, in this process's life */
    uint64_t n_read3;    /* ... and on 3 */
    uint64_t n_written;  /* bytes, in this process's life */
    uint64_t read_up_to; /* so many of them it must have read to be known to read; 0: not asked */
    bool question;       /* the last of those is an empty line of ours */
};

/* out, err: our own streams, borrowed. answer_max_bytes: longest line with an answer accepted. */
void channel_init(struct channel *channel, struct output *out, struct output *err,
                  size_t answer_max_bytes);

/* Take over the pipes. on_fd1, on_fd3: called from the loop when an answer may have come. */
void channel_open(struct channel *channel, struct loop *loop, const struct spawned *spawned,
                  enum answers answers, loop_watch_fn *on_fd1, loop_watch_fn *on_fd3);
/* Nothing more is written: the process may leave in order. */
void channel_close_input(struct channel *channel);
/* Move the input to `to`, which is closed; nothing more can be written here. */
void channel_hand_over_input(struct channel *channel, struct loop_watch *to);
/* Forward the last log bytes and close all pipes. */
void channel_close(struct channel *channel);
/* Frees memory; the channel is closed. */
void channel_done(struct channel *channel);

/* Write what fits. Bytes written; 0: no room now; -1: the worker does not read any more. */
ssize_t channel_write(struct channel *channel, const struct iovec *lines, int n_lines);
/* The same with bytes that are no activation's; what went is taken off. false: as -1. */
bool channel_tell(struct channel *channel, struct buf *bytes);
/* The same with a part of a line that nobody can begin. Bytes written; 0: no room; -1: as above. */
ssize_t channel_probe(struct channel *channel, struct iovec part);
/* Make the pipe so narrow that it is writable only when it is empty: then what was written was
 * read, and who read it is back at its input. false: that cannot be had here. */
bool channel_narrow(struct channel *channel);
void channel_widen(struct channel *channel);
/* It was told writable. Where that proves to say nothing, channel_narrow() fails from then on. */
void channel_saw_room(struct channel *channel);
/* Bytes of lines that the worker has not read yet. */
size_t channel_unread(const struct channel *channel);
/* Whether it has read anything at all. */
bool channel_has_read(const struct channel *channel);
/* Take them out of the pipe, all at once, so that the worker has read what stood before them and
 * nothing else. n_unread: their number. false: /proc is closed to us, they stay and may still be
 * read. Nothing is written after this. */
bool channel_take_back(struct channel *channel, size_t *n_unread);

/* Find out whether it still reads: by what stands in the pipe, or else by an empty line, unless a
 * line has been written in part. */
void channel_ask(struct channel *channel, bool between_lines);
/* Whether it has read anything since it was asked; also when it was not. */
bool channel_reads(struct channel *channel);

/* Nobody waited for an answer that was handed out. */
static inline void channel_was_stale(struct channel *channel)
{
    channel->n_stale++;
}

/* Its input was not closed by us. */
static inline bool channel_takes_input(const struct channel *channel)
{
    return channel->in.sock != NULL;
}

/* Every descriptor on which answers could come is at its end. */
static inline bool channel_ended(const struct channel *channel)
{
    return channel->fd1.sock == NULL && channel->fd3.sock == NULL;
}

/* Nobody reads our log, and what comes on descriptor 1 may be log lines: it is not told as readable
 * again before there is room. false: read on. */
bool channel_hold_up(struct channel *channel);

/* Read no answers, and no log lines among them, until channel_resume(). */
void channel_pause(struct channel *channel);
void channel_resume(struct channel *channel);

/* What the process said of itself when it reported ready. */
void channel_announced(struct channel *channel, const struct ready *ready);
/* It is dead and its pipes are read: take in what it has made and not written. */
void channel_pull_ring(struct channel *channel);

/* Read what is there on the answer descriptors, a bounded amount. true: something came. */
bool channel_pull(struct channel *channel);

/*
 * Hand out the next line that is wanted; text as in line_next(). Lines that are not wanted are
 * forwarded as log (descriptor 1) or dropped (descriptor 3) on the way.
 */
enum channel_result channel_next(struct channel *channel, enum channel_wanted wanted,
                                 const char **text, size_t *n);

/* The process is back at its input: what stands on the descriptors is all that there is.
 * In auto mode this tells where the answers come, and channel_next() hands out the one that was
 * held. */
void channel_decide(struct channel *channel);
/* Whether a line is a part of an answer, from a launcher that announced parts. */
static inline bool channel_is_part(const struct channel *channel, const char *text, size_t n)
{
    return channel->parts && n > 0 && text[0] == CHANNEL_PART_MARK;
}
static inline bool channel_is_undecided(const struct channel *channel)
{
    return channel->is_held;
}
/* What came since the last line was written, if it looks as if it was meant as an answer. */
enum channel_odd channel_oddity(const struct channel *channel);
const char *channel_oddity_text(enum channel_odd odd);

/* After the end of the stream: an unfinished last line counts if it is a whole object or array;
 * else on descriptor 1 it goes to the log. */
enum channel_result channel_rest(struct channel *channel, const char **text, size_t *n);

/* Before the next line is written: what stands unfinished is no part of its answer. */
void channel_drop_rest(struct channel *channel);

/* End of an activation: all log bytes written before its answer go on, unfinished lines end. */
void channel_settle_logs(struct channel *channel);
/* The same while lines are ahead: the start of a line is the next activation's, and stays. */
void channel_settle_log_lines(struct channel *channel);
