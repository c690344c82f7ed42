#pragma once

/*
 * reach - whether the action's user (--user) can access what its processes need.
 */

struct err;
struct privileges;

/*
 * Call access() as that user, in a child: for each folder on the way to `path`, and then for
 * `path`.
 *
 * path      absolute
 * mode      R_OK, W_OK, X_OK or several of them, for the last part of the path
 * what      for the text, "the runtimes (--runtime-dir)"
 * Returns   0, also when actions run as no other user; or -1: ERR_REQUEST, which names the part of
 *           the path that is closed
 */
int reach_check(const struct privileges *privileges, const char *path, int mode, const char *what,
                struct err *err);
