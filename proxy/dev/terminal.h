#pragma once

/*
 * terminal - what a developer reads on stdout: one line for the start, for each version and for
 * each activation. The log lines of an activation stand beneath its line.
 *
 * That line tells how the activation ended, so its log is held back until then. An activation that
 * takes longer than TERMINAL_HOLD_MS also gets a line while it runs, and from then on its log
 * appears as it is written. Nothing waits for a terminal that stalls: log lines and activations
 * beyond TERMINAL_PENDING_BYTES are dropped and counted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/output.h"

struct activation;
struct fault;

#define TERMINAL_HOLD_MS    250   /* an activation that takes longer gets a line while it runs */
#define TERMINAL_HOLD_BYTES 65536 /* an activation with a longer log is shown while it runs */
#define TERMINAL_PENDING_BYTES                                                                     \
    (1u << 20) /* bytes that wait for the terminal; beyond this, logs and activations are dropped */

struct terminal {
    struct output output;
    bool colors;
    bool is_json;
    /* number of dropped log lines and activations that the terminal has not been told of yet */
    uint64_t n_dropped;
};

/* is_json: write one JSON object a line instead of text. */
void terminal_init(struct terminal *terminal, struct loop *loop, bool is_json);
void terminal_done(struct terminal *terminal, int wait_ms);

/* Write one line of text. event: the line's member "event" with --log-format json. */
void terminal_say(struct terminal *terminal, const char *event, const char *text);
/* Tell that a version did not load. serving: the version that still serves; 0: none. */
void terminal_say_broken(struct terminal *terminal, const struct fault *fault, unsigned serving);
/* Write the log lines that a version wrote while it loaded. Call once it has loaded. */
void terminal_said(struct terminal *terminal, const char *text, size_t n);
/* Write one log line. activation: the one that wrote the line; NULL: none. stream: "stdout",
 * "stderr", or "load" for what a version wrote while it loaded. */
void terminal_log(struct terminal *terminal, struct activation *activation, const char *stream,
                  const char *text, size_t n);
/* Write that the activation is running, and the log lines that were held back. A second call does
 * nothing. */
void terminal_show(struct terminal *terminal, struct activation *activation);
/* Write that the activation waits for a process. A second call does nothing. */
void terminal_show_waiting(struct terminal *terminal, struct activation *activation);
void terminal_end(struct terminal *terminal, struct activation *activation);
/* Write the answer of --invoke, which is JSON. */
void terminal_answer(struct terminal *terminal, const char *answer, size_t n);
