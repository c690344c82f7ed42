#pragma once

/*
 * command - the commands invoke and pipe, which run instead of serving HTTP, on the pool of a
 * preloaded action.
 */

#include <stdbool.h>

struct command;
struct config;
struct err;
struct service;

/* Called once, from the loop, when the command is done. err->kind == ERR_NONE: success. */
typedef void command_ended_fn(void *owner, const struct err *err);

/* Opens and reads streams, pipes and the argument. service: its options are adapted. NULL: err
 * filled. Both are borrowed for the command's life. */
struct command *command_new(const struct config *config, struct service *service,
                            command_ended_fn *ended, void *owner, struct err *err);
/* After the loop has ended: write what is left, for up to wait_ms. 0; -1 with err: some answers
 * were not taken. */
int command_finish(struct command *command, int wait_ms, struct err *err);
void command_free(struct command **command);

/* service->pool is there. */
void command_serve(struct command *command);
/* Read no further. */
void command_close(struct command *command);
/* ... and begin nothing any more. */
void command_stop(struct command *command);
/* The same, because the action could not be started. */
void command_fail(struct command *command, const char *why);
/* Whether the pool has a job of it. */
bool command_is_running(const struct command *command);
/* Whether all is done that will be. */
bool command_is_done(const struct command *command);
