#include "worker/death.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/oom.h"

#define SHELL_SIGNAL 128 /* a shell whose last command was killed exits with 128 + the signal */

static const struct {
    const char *name;
    const char *text; /* error text for the activation, if a limit was exceeded; else NULL */
} deaths[N_DEATHS] = {
    [DEATH_NONE] = {"none", NULL},
    [DEATH_EXITED] = {"exited", NULL},
    [DEATH_SIGNALLED] = {"signalled", NULL},
    [DEATH_DEADLINE] = {"deadline", NULL},
    [DEATH_START_TIMEOUT] = {"start_timeout", NULL},
    [DEATH_REFUSED] = {"refused", NULL},
    [DEATH_HUNG] = {"hung", NULL},
    [DEATH_STOPPED] = {"stopped", NULL},
    /* The text that OpenWhisk itself uses when the kernel has killed a container. */
    [DEATH_MEMORY] = {"memory", "The action exhausted its memory and was aborted."},
    [DEATH_CPU] = {"cpu", "The action used more processor time than one process may (--rlimit-cpu) "
                          "and was aborted."},
    [DEATH_FILE_SIZE] = {"file_size", "The action wrote more into one file than it may "
                                      "(--rlimit-fsize) and was aborted."},
    [DEATH_UNSPAWNED] = {"unspawned", NULL},
};

const char *death_name(enum death death)
{
    assert(death < N_DEATHS);
    return deaths[death].name;
}

const char *death_text(enum death death)
{
    assert(death < N_DEATHS);
    return deaths[death].text;
}

static enum death by_itself(int wait_status)
{
    return WIFSIGNALED(wait_status) ? DEATH_SIGNALLED : DEATH_EXITED;
}

enum death death_of(int wait_status, enum death told, bool killed, struct oom *oom, uint64_t now_ms)
{
    int signo = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;

    assert(told == DEATH_NONE || (told >= DEATH_DEADLINE && told <= DEATH_STOPPED));

    /* A process that exits closes its pipes first, so we may have taken it for hung before its exit
     * status came. It did hang only if our signal ended it. */
    if (told == DEATH_HUNG && signo != SIGTERM && !(signo == SIGKILL && killed))
        return by_itself(wait_status);
    if (told != DEATH_NONE)
        return told;
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == SHELL_SIGNAL + SIGKILL)
        signo = SIGKILL;
    if (signo == SIGKILL && oom_claim(oom, now_ms))
        return DEATH_MEMORY;
    if (signo == SIGXCPU)
        return DEATH_CPU;
    if (signo == SIGXFSZ)
        return DEATH_FILE_SIZE;
    return by_itself(wait_status);
}

void death_say_how(int wait_status, bool is_program, char *out, size_t size)
{
    if (wait_status == 0 && is_program)
        (void)snprintf(out, size,
                       "exit status 0: it must stay and read a line for each activation; "
                       "a program that is started for each one: --runtime oneshot");
    else if (WIFSIGNALED(wait_status))
        (void)snprintf(out, size, "signal %d (%s)", WTERMSIG(wait_status),
                       strsignal(WTERMSIG(wait_status)));
    else
        (void)snprintf(out, size, "exit status %d", WEXITSTATUS(wait_status));
}

int death_explain(enum death death, bool reports_ready, struct err *err)
{
    const char *text = death_text(death);

    if (text != NULL)
        return err_set(err, ERR_EXHAUSTED, 0, "%s", text);
    /* Test suites compare these texts: keep them. */
    return err_set(err, ERR_ACTION, 0, "%s",
                   reports_ready ? "Command exited abruptly during initialization."
                                 : "command exited");
}
