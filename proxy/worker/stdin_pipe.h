#pragma once

/*
 * stdin_pipe - the pipe from which a process reads its lines, and how far it has read.
 *
 * The kernel tells how far (FIONREAD), so this works for any program.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/loop.h"

#define STDIN_PIPE_NARROW_BYTES 4096 /* smallest pipe; the kernel rounds it up to a page */

struct stdin_pipe {
    struct loop_watch watch; /* our end; if closed, the process reads the end of its input */
    bool fed;                /* a line was written to this process */
    bool narrow;             /* the pipe was made so small that it holds one write */
    bool cannot_narrow;      /* the pipe cannot be made narrow here */
    unsigned n_vain;         /* times in a row that it was narrow and writable, but not empty */
    int wide_bytes;          /* its size before it was made narrow */
    uint64_t n_written;      /* bytes, in this process's life */
    uint64_t read_up_to;     /* stdin_pipe_ask(): so many bytes must be read; 0: not asked */
    bool question;           /* the last byte up to read_up_to is an empty line */
};

void stdin_pipe_init(struct stdin_pipe *in);
/* A new process was started. fd: our end of its pipe, taken over. */
void stdin_pipe_open(struct stdin_pipe *in, struct loop *loop, int fd);
/* Close our end: the process reads what was written, then the end of its input. */
void stdin_pipe_close(struct stdin_pipe *in);
/* Move our end to `to`, which must be closed; nothing more can be written here. */
void stdin_pipe_hand_over(struct stdin_pipe *in, struct loop_watch *to);
static inline bool stdin_pipe_is_open(const struct stdin_pipe *in)
{
    return in->watch.sock != NULL;
}

/* Write lines of activations, as far as they fit. Returns the bytes written; 0: no room now; -1:
 * the process does not read any more. */
ssize_t stdin_pipe_write(struct stdin_pipe *in, const struct iovec *lines, int n_lines);
/* Like stdin_pipe_write(), for bytes that let no activation begin: a control line, or a line
 * without its end. */
ssize_t stdin_pipe_put(struct stdin_pipe *in, const void *bytes, size_t n);

/* Shrink the pipe so that it is writable only when it is empty: then the process has read what was
 * written and is back at its input. false: not possible here. */
bool stdin_pipe_narrow(struct stdin_pipe *in);
void stdin_pipe_widen(struct stdin_pipe *in);
/* Call when the pipe is reported writable. If a narrow pipe is then not empty, a few times in a
 * row, it is widened, and stdin_pipe_narrow() fails from then on. */
void stdin_pipe_saw_room(struct stdin_pipe *in);

/* Bytes of lines that the process has not read yet. */
size_t stdin_pipe_unread(const struct stdin_pipe *in);
/* Whether the process has read anything at all. */
bool stdin_pipe_has_read(const struct stdin_pipe *in);
/* Take the unread bytes out of the pipe, all at once; n_unread: how many belong to lines. false:
 * /proc is closed to us, so they stay and may still be read. Write nothing after this. */
bool stdin_pipe_take_back(struct stdin_pipe *in, size_t *n_unread);

/* Begin to watch whether the process still reads the bytes in the pipe. If there are none, and
 * between_lines (no line is written in part), write an empty line for it to read. */
void stdin_pipe_ask(struct stdin_pipe *in, bool between_lines);
/* Whether the process has read anything since stdin_pipe_ask(); true also if that was not
 * called. */
bool stdin_pipe_reads(struct stdin_pipe *in);
