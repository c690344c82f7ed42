#pragma once

/*
 * part_form - how parts and the end of an answer look to whoever asked for them: as lines of JSON,
 * or in a form of http/stream.c. Bytes out, nothing else.
 */

#include <stddef.h>

struct buf;
struct job;

/* What stands before a document and behind it. An error is an object with a member "error". */
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

/* The parts that have come, which are taken off the job. */
void part_form_parts(const struct part_form *form, struct buf *out, struct job *job);
/* The result, or why there is none. The job is done. answer_max_bytes: for that text. */
void part_form_end(const struct part_form *form, struct buf *out, const struct job *job,
                   size_t answer_max_bytes);
