#pragma once

/*
 * passed - pass request headers on to the action (--pass-headers). Header X-Foo becomes the member
 * "header_x_foo" of the JSON line that the action gets. Launchers set the environment variable
 * __OW_HEADER_X_FOO from this member.
 */

#include <stddef.h>

#include "base/json.h"

struct buf;
struct err;
struct request;

#define PASSED_MAX       32   /* most headers that can be passed */
#define PASSED_NAME_MAX  64   /* most bytes of a header's name */
#define PASSED_VALUE_MAX 4096 /* most bytes of a header's value; a longer one is not passed */

/* The names of the headers to pass, in lower case. */
struct passed {
    char names[PASSED_MAX][PASSED_NAME_MAX + 1];
    size_t n;
};

/* Read the value of --pass-headers. list: header names with commas between them; "": none. Returns
 * 0; or -1 with err filled. */
int passed_read(struct passed *passed, const char *list, struct err *err);

/* For each header named in `passed` that the request has, append a member and a comma to `members`,
 * unless `object`, the body of the request, has a member of this name itself. If a header comes
 * several times, the values are joined by ", ". */
void passed_add(const struct passed *passed, const struct request *request,
                struct json_slice object, struct buf *members);
