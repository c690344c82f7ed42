#pragma once

/*
 * command - the commands invoke, pipe and test. Each loads an action at the start and runs
 * activations on a pool of workers. No HTTP is served.
 */

#include <stdbool.h>

struct command;
struct config;
struct err;
struct service;

/* Called once, from the loop, when the command is done. err->kind == ERR_NONE: success. */
typedef void command_ended_fn(void *owner, const struct err *err);

/* Open streams and pipes, read the argument, and adapt the options of `service`. For `test`,
 * config->file is set to the action found in the folder. config and service are borrowed for the
 * command's life. NULL: err filled. */
struct command *command_new(struct config *config, struct service *service, command_ended_fn *ended,
                            void *owner, struct err *err);
/* Call after the loop has ended: writes the answers that are left, for up to wait_ms. 0; -1 with
 * err: the command was interrupted, or some answers were not read. */
int command_finish(struct command *command, int wait_ms, struct err *err);
void command_free(struct command **command);

/* Call when the action is ready: begins to run activations on service->pool. */
void command_serve(struct command *command);
/* Read no further input. */
void command_close(struct command *command);
/* Read no further input, and begin no further activation. */
void command_stop(struct command *command);
/* The user gives up. The commands invoke and test end without an answer, and activations that run
 * need not be waited for. false: this is the command pipe, which answers what it has read. */
bool command_interrupt(struct command *command);
/* Like command_stop(), if the action could not be started. why, reason: as for filter_fail(). */
void command_fail(struct command *command, const char *why, const char *reason);
/* Whether the pool has a job of this command. */
bool command_is_running(const struct command *command);
/* Whether nothing is left to do: every activation is answered and the answers are written, or none
 * can begin any more. */
bool command_is_done(const struct command *command);
