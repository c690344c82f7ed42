#pragma once

/*
 * lines - how the native actions of the benchmarks talk: one activation per line in, one answer
 * per line out.
 *
 * All lines that one read brings are answered in one write, and no answer is held back over a
 * read: that is the best that a native action can do, so what is measured is the proxy.
 */

#include <stddef.h>

struct buf;

/* Append the answer to one line, without a newline. line: checked JSON, borrowed for the call. */
typedef void lines_answer_fn(struct buf *out, const char *line, size_t n);

/*
 * Answer standard input line by line until it ends; what stands behind the last newline is a line
 * too. With __OW_WAIT_FOR_ACK set, answers go to descriptor 3, behind a line that says how many
 * may be written ahead; else to standard output.
 * Returns the exit status of the program: 0, or 1 with the reason on stderr.
 */
int lines_serve(lines_answer_fn *answer);
