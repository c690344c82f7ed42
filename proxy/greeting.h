#pragma once

/*
 * greeting - the first line of a proxy that is started on a terminal.
 */

struct config;
struct service;

/* For a person at a terminal: where the proxy listens, what it serves, and what to do next. port: 0
 * for a Unix socket. origin: what named the action that is being started; used only while the gate
 * is closed. */
void greeting_say(const struct config *config, const struct service *service, unsigned port,
                  const char *origin);
