#pragma once

/*
 * terminal - what a developer reads on stdout: a line for the start, for each version and each
 * activation, whose log lines stand beneath it.
 *
 * The line of an activation tells how it ended, so its log is held until then; one that takes
 * longer than TERMINAL_HOLD_MS gets a line for its beginning, and its log appears as it is written.
 * Nothing waits for a terminal that stalls: log lines beyond a bound are dropped and counted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/output.h"

struct activation;
struct fault;

#define TERMINAL_HOLD_MS    250
#define TERMINAL_HOLD_BYTES 65536 /* an activation's log beyond this is shown while it runs */
#define TERMINAL_PENDING_BYTES                                                                     \
    (1u << 20) /* bytes not taken by the terminal; beyond this, log lines are dropped */

struct terminal {
    struct output output;
    bool colors;
    bool is_json;
    uint64_t n_dropped; /* log lines and activations dropped since one was last written */
};

/* is_json: write one JSON object a line instead of text. */
void terminal_init(struct terminal *terminal, struct loop *loop, bool is_json);
void terminal_done(struct terminal *terminal, int wait_ms);

/* Write a line. event: its name with --log-format json. text: one line. */
void terminal_say(struct terminal *terminal, const char *event, const char *text);
/* Tell that a version did not load. serving: the version that still serves; 0: none. */
void terminal_say_broken(struct terminal *terminal, const struct fault *fault, unsigned serving);
/* Write the log lines that a version wrote while it loaded. Call once it has loaded. */
void terminal_said(struct terminal *terminal, const char *text, size_t n);
/* Write one log line. activation: the one that wrote it; NULL: none. stream: "stdout", "stderr", or
 * "load". */
void terminal_log(struct terminal *terminal, struct activation *activation, const char *stream,
                  const char *text, size_t n);
/* Show that an activation runs, and the log that was held. A second call does nothing. */
void terminal_show(struct terminal *terminal, struct activation *activation);
void terminal_end(struct terminal *terminal, struct activation *activation);
/* Write the answer of --invoke, which is JSON. */
void terminal_answer(struct terminal *terminal, const char *answer, size_t n);
