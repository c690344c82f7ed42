#pragma once

/*
 * frames - a stack trace with the user's frames only: those of launchers and interpreters are left
 * out, so that the file and line to look at come first.
 */

#include <stddef.h>

struct buf;

/* Append text[0 .. n) to out without the frames of an interpreter's own code, or of files below
 * `launchers` (an absolute folder; NULL: unknown). A text of nothing but such frames is appended
 * whole. */
void frames_put_users(const char *text, size_t n, const char *launchers, struct buf *out);
