#pragma once

/*
 * contract - turn the body of a POST /run into the line that the action gets, and turn the outcome
 * of the job into an error for the caller: a text and a kind. Callers use HTTP, or our commands
 * `pipe` and `invoke`. Source of the texts: openwhisk-contract, section 1.3.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "worker/outcome.h"

/* The error text for an argument that is neither an object nor an array. The argument is the
 * member "value" of the body. */
#define CONTRACT_NO_OBJECT "The action did not receive a dictionary or array as an argument."

struct buf;
struct job;

/* The parts of a /run body that the proxy uses. Slices point into the body or to static text. */
struct contract_body {
    struct json_slice top;      /* the whole body, always an object */
    struct json_slice deadline; /* member "deadline" of top; of kind JSON_BAD if there is none */
};

/* Check that text[0 .. n) is one JSON object, or null, which stands for {}. true: body is filled.
 * false: why[0 .. size) receives a text that says what is wrong. */
bool contract_check(const char *text, size_t n, struct contract_body *body, char *why, size_t size);

/* Whether the argument, the member "value" of top, is an object, an array, null or missing: every
 * action accepts these. */
bool contract_is_argument(struct json_slice top);

/* Make the job's line for the action from the object `top`. members[0 .. n_members): members to add
 * at the front of the object, each followed by a comma. */
void contract_set_line(struct job *job, struct json_slice top, const char *members,
                       size_t n_members);

/* Like contract_set_line(), but make the line in place, in the memory that `top` points into,
 * instead of a copy. The n_members bytes before `top` and the byte after `top` must be writable.
 * The caller sets job->block to the start of that memory, which is freed with the line. */
void contract_set_line_within(struct job *job, struct json_slice top, const char *members,
                              size_t n_members);

/* Find the milliseconds until the body's deadline, 0 or less if it has passed. false: there is
 * none, or it is no number. */
bool contract_left_ms(const struct contract_body *body, int64_t *left_ms);

/* Whether the job has a valid answer: an object or array or, if the job's takes_any_result is set,
 * any JSON document. An answer that came only in parts (worker/parts.h) is valid, too. */
bool contract_is_answered(const struct job *job);
/* Like contract_is_answered(), but also find the answer's member "error". *error: of kind JSON_BAD
 * if there is none. */
bool contract_read_answer(const struct job *job, struct json_slice *error);
/* Whether the job has a valid answer that is no failure. The platform takes an answer with a member
 * "error" for a failure. */
bool contract_is_result(const struct job *job);
/* The kind for a job that has a valid answer. error: from contract_read_answer(). */
enum error_kind contract_kind_of_answer(const struct job *job, struct json_slice error);
/* Write the error text for a job without a valid answer. answer_max_bytes: the limit to name in the
 * text of JOB_TOO_LONG. */
void contract_explain(const struct job *job, size_t answer_max_bytes, char *text, size_t size);
/* For a job without a valid answer, write a detail that the text of contract_explain() lacks: how
 * the process died ("exit status 3"), or what the action returned instead of an object or array
 * (it returned a string: "Hi"). "": no detail. A long text is cut. The detail is kept apart because
 * test suites compare the text of contract_explain(). */
void contract_say_more(const struct job *job, char *text, size_t size);

/* Append {"error":"<text>","kind":"<kind>"}. */
void contract_add_error(struct buf *out, enum error_kind kind, const char *text);
/* Append the job's answer, which must be valid. If the answer has a member "error" but no "kind",
 * add the kind. error: from contract_read_answer(). */
void contract_add_answer(struct buf *out, const struct job *job, struct json_slice error);
