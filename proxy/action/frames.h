#pragma once

/*
 * frames - leave the frames of launchers and interpreters out of a stack trace, so that the user's
 * own file and line come first.
 */

#include <stddef.h>

struct buf;

/* Append text[0 .. n) to out, without the frames of an interpreter's own code and of files in the
 * folder `launchers` (an absolute path; NULL: unknown). If all lines of the text belong to such
 * frames, the whole text is appended. */
void frames_put_users(const char *text, size_t n, const char *launchers, struct buf *out);
