#pragma once

/* spawn_fixture - one child of spawn_start(), what it says, and its end. */

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec_spec_fixture.h"
#include "worker/spawn.h"

/* All that comes on fd until its end, cut where the room is. */
static inline const char *heard_on(int fd, char *text, size_t size)
{
    size_t n = 0;
    ssize_t got;

    while ((got = read(fd, text + n, size - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    return text;
}

/* Kill and reap it, if it was not, and close what it left. */
static inline void child_end(struct spawned *child)
{
    if (child->pid > 0) {
        spawn_kill(child->pid, SIGKILL);
        (void)waitpid(child->pid, NULL, 0);
    }
    spawned_close(child);
}
