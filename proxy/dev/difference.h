#pragma once

/*
 * difference - show where two texts differ, line by line, as diff -u does.
 */

struct buf;

#define DIFFERENCE_CONTEXT 3  /* equal lines shown before and after those that differ */
#define DIFFERENCE_SHOWN   40 /* most lines shown of each kind: "- ", "+ " and equal */
/* Most pairs of lines, one of each text, that are compared: the table of pairs takes 8 MB. Beyond
 * this limit, only the equal lines at the start and at the end are found. */
#define DIFFERENCE_CELLS_MAX 4000000

/* Append the lines that differ, "- " before those of `expected`, "+ " before those of `answer`, and
 * some equal lines around them. A comma at the end of a line is ignored: in JSON it only tells that
 * another line follows. */
void difference_write(const char *expected, const char *answer, struct buf *out);
