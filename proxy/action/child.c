#include "action/child.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void child_prepare(int first_fd)
{
    sigset_t none;

    for (int signo = 1; signo < NSIG; signo++)
        (void)signal(signo, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    /* Kernels before 5.9 refuse: then a client's connection stays open until this child ends. */
    (void)syscall(SYS_close_range, (unsigned)first_fd, ~0U, 0U);
    (void)umask(022);
}

void child_limit(unsigned resource, uint64_t most)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) < 0)
        return;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most)
        limit.rlim_max = most;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(resource, &limit);
}
