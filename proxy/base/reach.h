#pragma once

/*
 * reach - check that the action's user (--user) can access what the action's processes need.
 */

struct err;
struct privileges;

/*
 * Call access() as the action's user, in a child: for each folder on the way to `path`, and then
 * for `path`.
 *
 * path      absolute
 * mode      R_OK, W_OK, X_OK or several of them, for the last part of the path
 * what      says in the error text what path is, like "the runtimes (--runtime-dir)"
 * Returns   0, also if actions do not run as another user; or -1: ERR_REQUEST, whose text names the
 *           part of the path that cannot be accessed
 */
int reach_check(const struct privileges *privileges, const char *path, int mode, const char *what,
                struct err *err);
