#pragma once

/*
 * greeting - the first line of a proxy that is started on a terminal.
 */

struct config;
struct service;

/* For a person at a terminal: where it listens, what for, and what to do next. port: 0 for a Unix
 * socket. origin: who named the action that is being started; used only while the gate is
 * closed. */
void greeting_say(const struct config *config, const struct service *service, unsigned port,
                  const char *origin);
