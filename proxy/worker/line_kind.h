#pragma once

/*
 * line_kind - what a line of an action's output may be, judged by its text. n: length of the text,
 * without the newline.
 */

#include <stdbool.h>
#include <stddef.h>

/* Whether the line begins as a JSON object or array does: a cheap test before the whole line is
 * parsed. */
bool line_may_be_answer(const char *text, size_t n);
/* Whether the line is a JSON object or array. */
bool line_is_answer(const char *text, size_t n);
/* Whether a line that is no answer was probably meant as one. */
bool line_looks_like_answer(const char *text, size_t n);
/* Whether the line begins with the byte order mark of UTF-8. */
bool line_has_bom(const char *text, size_t n);
/* Whether the line is a ready line: a JSON object with a member "ok". */
bool line_is_announcement(const char *text, size_t n);
/* Like line_is_announcement(), but "ok" must be the first member: log lines may contain
 * "ok", too. */
bool line_is_announcement_among_logs(const char *text, size_t n);
