#pragma once

/*
 * greeting - two lines for a person who runs the proxy on a terminal: one when it has started, and
 * one when it waits for activations before it ends.
 */

#include <stdint.h>

struct config;
struct service;

/* Say where the proxy listens, what it serves, and what to do next. Nothing is said if stderr is no
 * terminal. port: 0 for a Unix socket. origin: what named the preloaded action, such as "--action";
 * NULL only if no preloaded action is being started. */
void greeting_say(const struct config *config, const struct service *service, unsigned port,
                  const char *origin);
/* Say that n_jobs activations still run, and that the proxy waits at most wait_ms for them.
 * Nothing is said if either is 0, or if stderr is no terminal. */
void greeting_say_waiting(unsigned n_jobs, uint64_t wait_ms);
