#pragma once

/*
 * manifest - a runtime.json: what it may say, and the placeholders in its commands.
 */

struct err;
struct runtime;

enum placeholder {
    PLACEHOLDER_RUNTIME,
    PLACEHOLDER_LIBEXEC,
    PLACEHOLDER_ACTION,
    PLACEHOLDER_MAIN,
    PLACEHOLDER_ENTRY,
    N_PLACEHOLDERS, /* also: of the form, but unknown */
};

/* Fill a runtime that has its dir. 0, or -1: ERR_SYSTEM (cannot read), ERR_REQUEST (names file and
 * field); half-filled then, so manifest_done() as after success. */
int manifest_read(const char *path, struct runtime *runtime, struct err *err);
/* Frees all members and leaves zeroes. */
void manifest_done(struct runtime *runtime);

/* Replace the placeholders of one argument of a command; the caller frees. */
char *manifest_expand(const char *text, const char *const values[N_PLACEHOLDERS]);
