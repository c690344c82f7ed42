#pragma once

/*
 * frames - a stack trace with the user's frames only: those of launchers and interpreters are left
 * out, so that the file and line to look at come first.
 */

#include <stddef.h>

struct buf;

/* Append text[0 .. n) to out, less the lines that are frames in files below `launchers` (a folder,
 * absolute; NULL: unknown) or of an interpreter's own code. A text of such lines alone is kept. */
void frames_put_users(const char *text, size_t n, const char *launchers, struct buf *out);
