#pragma once

/*
 * greeting - the first line of a proxy that is started on a terminal, and what it waits for at the
 * end.
 */

#include <stdint.h>

struct config;
struct service;

/* For a person at a terminal: where the proxy listens, what it serves, and what to do next. port: 0
 * for a Unix socket. origin: what named the action that is being started, such as "--action"; used
 * only while the gate is closed. */
void greeting_say(const struct config *config, const struct service *service, unsigned port,
                  const char *origin);
/* For a person who has ended the proxy: n_jobs activations still run, and the proxy waits for them,
 * wait_ms at most. If either is 0, nothing is said. */
void greeting_say_waiting(unsigned n_jobs, uint64_t wait_ms);
