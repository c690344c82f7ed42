#pragma once

/*
 * stdin_pipe - the pipe from which a process reads its lines, and how far it has read.
 *
 * The kernel tells how many bytes are unread (FIONREAD), so this works for any program.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/loop.h"

struct buf;

#define STDIN_PIPE_NARROW_BYTES 4096 /* smallest pipe; the kernel rounds this up to a page */

struct stdin_pipe {
    struct loop_watch watch; /* our end; when it is closed, the process reads an end of file */
    bool got_line;           /* a line of an activation was written to this process at least once */
    bool narrow;             /* the pipe was shrunk so that it holds only one write */
    bool cannot_narrow;      /* the pipe could not be shrunk, or holds several writes even then */
    unsigned n_not_empty;    /* times in a row that the narrow pipe was writable though not empty */
    int wide_bytes;          /* size of the pipe before it was shrunk */
    uint64_t n_written;      /* bytes written to this process */
    /* how many bytes the process must have read to prove to stdin_pipe_reads() that it still reads;
     * 0: stdin_pipe_ask() was not called */
    uint64_t read_up_to;
    bool empty_line; /* byte number read_up_to is an empty line that stdin_pipe_ask() wrote */
};

void stdin_pipe_init(struct stdin_pipe *in);
/* Begin with a new process. fd: our end of its input pipe, taken over. */
void stdin_pipe_open(struct stdin_pipe *in, struct loop *loop, int fd);
/* Close our end: the process reads what was written, then an end of file. */
void stdin_pipe_close(struct stdin_pipe *in);
/* Move our end to `to`, a watch that is closed. Nothing more can be written here after that. */
void stdin_pipe_hand_over(struct stdin_pipe *in, struct loop_watch *to);
static inline bool stdin_pipe_is_open(const struct stdin_pipe *in)
{
    return in->watch.sock != NULL;
}

/* Write lines of activations, as many bytes as fit. Returns the number of bytes written; 0: no room
 * now; -1: the process does not read any more. */
ssize_t stdin_pipe_write(struct stdin_pipe *in, const struct iovec *lines, int n_lines);
/* Like stdin_pipe_write(), for bytes with which no activation can begin: a control line, or a line
 * without its end. */
ssize_t stdin_pipe_put(struct stdin_pipe *in, const void *bytes, size_t n);

/* Shrink the pipe so that it is writable only when it is empty, which shows that the process has
 * read all that was written. false: that is not possible here. */
bool stdin_pipe_narrow(struct stdin_pipe *in);
void stdin_pipe_widen(struct stdin_pipe *in);
/* Call when the pipe is reported writable. A narrow pipe should be empty then. If it is not, a few
 * times in a row, the pipe is widened, and stdin_pipe_narrow() fails from then on. */
void stdin_pipe_saw_room(struct stdin_pipe *in);

/* How many bytes the process has not read yet, without an empty line that stdin_pipe_ask()
 * wrote. */
size_t stdin_pipe_unread(const struct stdin_pipe *in);
/* Whether the process has read anything at all. */
bool stdin_pipe_has_read(const struct stdin_pipe *in);
/* Take all unread bytes out of the pipe, so that the process cannot read them, and append them to
 * `unread`, without an empty line that stdin_pipe_ask() wrote. false: the pipe cannot be opened for
 * reading in /proc, so the bytes stay and may still be read. Write nothing after this. */
bool stdin_pipe_take_back(struct stdin_pipe *in, struct buf *unread);

/* Begin to watch whether the process still reads. If the pipe is empty and between_lines is set (no
 * line is written only in part), write an empty line for the process to read. */
void stdin_pipe_ask(struct stdin_pipe *in, bool between_lines);
/* Whether the process has read anything since stdin_pipe_ask(); true also if stdin_pipe_ask() was
 * not called. */
bool stdin_pipe_reads(struct stdin_pipe *in);
