#pragma once

/*
 * command - what the program does instead of serving: the commands invoke and pipe, with the pool
 * that a preloaded action gets.
 */

#include <stdbool.h>

struct command;
struct config;
struct err;
struct service;

/* It has nothing more to do. err->kind == ERR_NONE: all went well. Told once, from the loop. */
typedef void command_ended_fn(void *owner, const struct err *err);

/* Streams, pipes and argument are opened and read. service: its options are adapted. NULL: err
 * filled. Both borrowed for the command's life. */
struct command *command_new(const struct config *config, struct service *service,
                            command_ended_fn *ended, void *owner, struct err *err);
/* After the loop has ended: what is left is written, for up to wait_ms. 0; -1 with err: answers
 * were not taken. */
int command_finish(struct command *command, int wait_ms, struct err *err);
void command_free(struct command **command);

/* service->pool is there. */
void command_serve(struct command *command);
/* Read no further. */
void command_close(struct command *command);
/* ... and begin nothing any more. */
void command_stop(struct command *command);
/* Whether the pool has a job of it. */
bool command_is_running(const struct command *command);
/* Whether all is done that will be. */
bool command_is_done(const struct command *command);
