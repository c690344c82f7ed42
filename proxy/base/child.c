#include "base/child.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/privileges.h"

int child_enter(const struct privileges *privileges, bool with_limits, pid_t parent, int *os)
{
    int failed = with_limits ? privileges_limit(privileges, os) : 0;

    if (failed == 0)
        failed = privileges_become(privileges, os);
    /* only now: a change of user clears this setting */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* the proxy ended before prctl() */
    return failed;
}

void child_forget(int first_fd, unsigned flags)
{
    sigset_t none;

    for (int signo = 1; signo < NSIG; signo++)
        (void)signal(signo, SIG_DFL);
    /* Before Linux 5.9 this fails. Then the child also holds our clients' connections open, until
     * the child ends. */
    (void)syscall(SYS_close_range, (unsigned)first_fd, ~0U, flags);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* last: a pending signal may end the child here */
}

void child_prepare(int first_fd)
{
    (void)setpgid(0, 0);
    child_forget(first_fd, 0);
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
