/*
 * Call access() in a child process that runs as the action's user: only the kernel takes groups,
 * capabilities and ACLs into account.
 */

#include "base/reach.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/err.h"
#include "base/privileges.h"
#include "base/util.h"

/* We check at most 200 components of a path: a component's number must fit an exit status. */
#define PARTS_MAX 200
#define CANNOT    255 /* exit status: the child failed before it could check */

static_assert(PARTS_MAX < CANNOT, "no component has the number that means failure");

/* Length of the first n components of a path: of "/a/bc" 1 for n = 0, 2 for 1, 5 for 2. */
static size_t length_of_parts(const char *path, int n)
{
    size_t len = 1;

    for (int i = 0; i < n; i++) {
        len += strspn(path + len, "/");
        len += strcspn(path + len, "/");
    }
    return len;
}

/* Called in the child process. Returns the number of the first component of the path that is not
 * accessible, counted from 1; 0: all are. */
static int closed_part(char *path, int mode)
{
    for (int n = 1; n <= PARTS_MAX; n++) {
        size_t len = length_of_parts(path, n);
        char kept = path[len];
        bool is_last = kept == '\0' || path[len + strspn(path + len, "/")] == '\0';

        path[len] = '\0';
        if (access(path, is_last ? mode : X_OK) < 0)
            return n;
        path[len] = kept;
        if (is_last)
            break;
    }
    return 0;
}

/* Call closed_part() in a child that runs as the action's user, and return its result. If the child
 * cannot be started, cannot become that user or is killed, return 0, as if all components were
 * accessible. */
static int look_as_user(const struct privileges *privileges, char *path, int mode)
{
    const struct timespec no_time = {0, 0};
    sigset_t ends;
    int status = 0;
    int os = 0;
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0)
        _exit(child_enter(privileges, false, parent, &os) != 0 ? CANNOT : closed_part(path, mode));
    while (pid > 0) {
        pid_t changed = waitpid(pid, &status, WUNTRACED);

        if (changed < 0 && errno != EINTR)
            return 0;
        if (changed == pid && !WIFSTOPPED(status))
            break;
        if (changed == pid) /* a process of that user stopped the child: do not wait for ever */
            (void)kill(pid, SIGKILL);
    }
    /* Remove this child's pending SIGCHLD, so that it does not wake the loop. No SIGCHLD of another
     * child can be lost here: the loop watches no child yet. */
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGCHLD);
    (void)sigtimedwait(&ends, NULL, &no_time);
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) != CANNOT ? WEXITSTATUS(status) : 0;
}

int reach_check(const struct privileges *privileges, const char *path, int mode, const char *what,
                struct err *err)
{
    auto_free char *given = xstrdup(path);
    auto_free char *real = NULL;
    char *shown = given;
    int part, real_part;

    assert(path[0] == '/');
    if (!privileges_as_user(privileges))
        return 0;
    part = look_as_user(privileges, given, mode);
    if (part == 0)
        return 0;
    /* If symbolic links lead to an inaccessible folder, name that folder. */
    real = realpath(path, NULL);
    real_part = real != NULL ? look_as_user(privileges, real, mode) : 0;
    if (real_part > 0) {
        shown = real;
        part = real_part;
    }
    shown[length_of_parts(shown, part)] = '\0';
    return err_set(
        err, ERR_REQUEST, 0,
        "user %u (--user) has no access to \"%.120s\", which %s %s; open it (chmod) or use "
        "another place",
        (unsigned)privileges->uid, shown, strcmp(shown, path) == 0 ? "is" : "is on the way to",
        what);
}
