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

/* Open the command's input and output, read its argument, and change the options of `service` to
 * suit the command. For `test`, set config->file to the action found in the folder. config and
 * service: borrowed until command_free(). Returns NULL with err on failure. */
struct command *command_new(struct config *config, struct service *service, command_ended_fn *ended,
                            void *owner, struct err *err);
/* Call after the loop has ended: spend up to wait_ms on writing the answers that are left. Returns
 * 0; or -1 with err: the command was interrupted, or the reader did not take all answers. */
int command_finish(struct command *command, int wait_ms, struct err *err);
void command_free(struct command **command);

/* Call when the action is ready: begins to run activations on service->pool. */
void command_serve(struct command *command);
/* Read no further input. */
void command_close(struct command *command);
/* Read no further input, and begin no further activation. */
void command_stop(struct command *command);
/* Call when the user presses Ctrl-C. true: the command is invoke or test. It ends without an
 * answer, and the caller need not wait for running activations. false: the command is pipe, which
 * still answers the lines that it has read. */
bool command_interrupt(struct command *command);
/* Like command_stop(), if the action could not be started. why: the reason, for error texts.
 * reason: a longer text, `why` and what the action has written; NULL: there is none. */
void command_fail(struct command *command, const char *why, const char *reason);
/* Whether the pool has a job of this command. */
bool command_is_running(const struct command *command);
/* Whether nothing is left to wait for. pipe: the input has ended, and all answers are written.
 * invoke: the command has ended, or the activation never began. test: no activation runs. */
bool command_is_done(const struct command *command);
