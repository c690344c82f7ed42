#pragma once

/*
 * part_form - how parts and the end of an answer are written for the caller: as JSON lines, or in a
 * form of http/stream.c. No input or output in here.
 */

#include <stddef.h>

struct buf;
struct job;

/* What to write before and after a document. An error is an object with a member "error". */
struct part_form {
    const char *part;
    const char *part_end;
    const char *result;
    const char *result_end;
    const char *error;
    const char *error_end;
};

/* {"part":…}, {"result":…} or {"error":…}, without newlines inside. */
extern const struct part_form part_lines;

/* Append the parts that have come, and take them off the job. */
void part_form_parts(const struct part_form *form, struct buf *out, struct job *job);
/* Append the result of a job that is done, or the reason why there is none. answer_max_bytes: for
 * contract_explain(). */
void part_form_end(const struct part_form *form, struct buf *out, const struct job *job,
                   size_t answer_max_bytes);
