#pragma once

/*
 * passed - request headers that are passed to the action (--pass-headers): X-Foo becomes the member
 * "header_x_foo" of the activation's line, and so the variable __OW_HEADER_X_FOO.
 */

#include <stddef.h>

#include "base/json.h"

struct buf;
struct err;
struct request;

#define PASSED_MAX       32   /* headers */
#define PASSED_NAME_MAX  64   /* most bytes of a name */
#define PASSED_VALUE_MAX 4096 /* most bytes of a value; a longer one is not passed */

/* The names of the headers to pass, in lower case. */
struct passed {
    char names[PASSED_MAX][PASSED_NAME_MAX + 1];
    size_t n;
};

/* list: names with commas between them; "": none. 0; -1: err filled. */
int passed_read(struct passed *passed, const char *list, struct err *err);

/* For each header of `passed` that the request has, append a member and a comma to `members`,
 * unless `object` (valid JSON) has that member. Several headers of the same name are joined by a
 * comma and a blank. */
void passed_add(const struct passed *passed, const struct request *request,
                struct json_slice object, struct buf *members);
