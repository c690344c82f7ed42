#pragma once

/*
 * error_kind - tells callers what kind of failure an error is: as a member "kind" beside "error" in
 * answers of the command `pipe` and of streamed replies, as an HTTP header in other replies.
 * docs/errors.md says which kinds may be retried.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "worker/outcome.h"

struct buf;
struct job;

#define ERROR_KIND_HEADER "x-whiskloop-kind"

/* The word for the kind, as callers see it; NULL for ERROR_KIND_NONE. */
const char *error_kind_name(enum error_kind kind);
/* The kind for a job that ended without a valid answer. */
enum error_kind error_kind_of(const struct job *job);
/* The kind for a job that has a valid answer. error: the answer's member "error", from
 * contract_read_answer(). */
enum error_kind error_kind_of_answer(const struct job *job, struct json_slice error);

/* Append {"error":"<text>","kind":"<kind>"}. */
void error_kind_add(struct buf *out, enum error_kind kind, const char *text);
/* Append the job's answer, which must be valid. If the answer has a member "error" but no "kind",
 * add the kind. error: from contract_read_answer(). */
void error_kind_add_answer(struct buf *out, const struct job *job, struct json_slice error);
