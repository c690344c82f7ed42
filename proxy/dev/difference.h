#pragma once

/*
 * difference - show where two texts differ, line by line, as diff -u does.
 */

struct buf;

#define DIFFERENCE_CONTEXT 3  /* equal lines shown before and after those that differ */
#define DIFFERENCE_SHOWN   40 /* most lines shown of each kind: "- ", "+ " and equal */
/* Most pairs of lines that are compared with each other, 8 MB of memory. With more, only the equal
 * lines at the start and at the end are found. */
#define DIFFERENCE_CELLS_MAX 4000000

/* Append the lines that differ, "- " before those of `expected`, "+ " before those of `answer`. A
 * comma at the end of a line does not count: in JSON it only tells that another line follows. */
void difference_write(const char *expected, const char *answer, struct buf *out);
