#pragma once

/*
 * greeting - two lines for a person who runs the proxy on a terminal: one at the start, and one
 * about what the proxy waits for at the end.
 */

#include <stdint.h>

struct config;
struct service;

/* For a person at a terminal: where the proxy listens, what it serves, and what to do next. port: 0
 * for a Unix socket. origin: what named the preloaded action, such as "--action"; used only while
 * this action is being started. */
void greeting_say(const struct config *config, const struct service *service, unsigned port,
                  const char *origin);
/* For a person who has ended the proxy: n_jobs activations still run, and the proxy waits wait_ms
 * at most for them. If either is 0, nothing is said. */
void greeting_say_waiting(unsigned n_jobs, uint64_t wait_ms);
