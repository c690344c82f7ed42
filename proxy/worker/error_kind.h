#pragma once

/*
 * error_kind - the kinds of failures that a caller is told of, beside the text: as "kind" beside
 * "error" in the answers of pipe and of streams, and as a header of other replies.
 * docs/errors.md says for each whether the caller may retry.
 */

#include <stdbool.h>
#include <stddef.h>

#include "worker/outcome.h"

struct buf;
struct job;

#define ERROR_KIND_HEADER "x-whiskloop-kind"

/* The word; NULL for none. */
const char *error_kind_name(enum error_kind kind);
/* Of a job that is done. is_answered: as contract_is_answered() says, which reads all of it. */
enum error_kind error_kind_of(const struct job *job, bool is_answered);

/* Append {"error":"<text>","kind":"<kind>"}. */
void error_kind_add(struct buf *out, enum error_kind kind, const char *text);
/* Append the job's good answer. An error of the action that names no kind gets one. */
void error_kind_add_answer(struct buf *out, const struct job *job);
