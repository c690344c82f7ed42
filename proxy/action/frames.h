#pragma once

/*
 * frames - reduce a stack trace to the user's frames: those of launchers and interpreters are left
 * out, so that the file and line to look at come first.
 */

#include <stddef.h>

struct buf;

/* Append text[0 .. n) to out without the frames of an interpreter's own code, or of files below
 * `launchers` (an absolute folder; NULL: unknown). A text that consists only of such frames is
 * appended whole. */
void frames_put_users(const char *text, size_t n, const char *launchers, struct buf *out);
