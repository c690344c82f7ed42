#pragma once

/*
 * contract - what the body of a /run means for a job, and what its end is called; the same for
 * each way that an activation comes in by. Texts: openwhisk-contract 1.3.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/* Said of an argument that is neither, to those who ask; "value" is the argument's name. */
#define CONTRACT_NO_OBJECT "The action did not receive a dictionary or array as an argument."

struct job;

/* Check that body[0 .. n) is one JSON object, or null, which stands for {}. top: filled then, of
 * kind JSON_OBJECT, a part of the body or static. false: text tells what is wrong. */
bool contract_check(const char *body, size_t n, struct json_slice *top, char *text, size_t size);

/* Whether the argument is of a kind that every action takes; none at all stands for {}. */
bool contract_is_argument(struct json_slice top);

/* The object as the job's one line. members: what is added to it, each with a comma behind it. */
void contract_set_line(struct job *job, struct json_slice top, const char *members,
                       size_t n_members);

/* The same within the body itself, whose bytes are the line from now on: n_members bytes before
 * `top` and one behind it must be ours to write. job->block is the memory that they lie in. */
void contract_set_line_within(struct job *job, struct json_slice top, const char *members,
                              size_t n_members);

/* How far away the moment in the body's `deadline` is, milliseconds; 0: none, past, or no
 * number. */
uint64_t contract_asked_ms(struct json_slice top);

/* Whether the job ended with what counts as an answer: an object or array. */
bool contract_is_answered(const struct job *job);
/* Whether that is what the platform takes for the failure of an action: an object with a member
 * "error". */
bool contract_is_error(const struct job *job);
/* What is said of a job that ended in any other way. answer_max_bytes: what JOB_TOO_LONG passed. */
void contract_explain(const struct job *job, size_t answer_max_bytes, char *text, size_t size);
