#pragma once

/*
 * part_form - format the parts of an answer, and then its end, for the caller: as JSON lines, or as
 * server-sent events (http/stream.c). The text is only appended to a buffer.
 */

#include <stddef.h>

struct buf;
struct job;

/* The texts before and after a JSON document, which is a part, the result or an error. The document
 * of an error is an object with a member "error". */
struct part_form {
    const char *part;
    const char *part_end;
    const char *result;
    const char *result_end;
    const char *error;
    const char *error_end;
};

/* JSON lines: each is {"part":…}, {"result":…} or {"error":…}, without newlines inside. */
extern const struct part_form part_lines;

/* Append to `out` the parts that have come, and remove them from the job. */
void part_form_parts(const struct part_form *form, struct buf *out, struct job *job);
/* Append the result of a job that is done, or an error that says why there is none.
 * answer_max_bytes: longest answer allowed, for the text of that error. */
void part_form_end(const struct part_form *form, struct buf *out, const struct job *job,
                   size_t answer_max_bytes);
