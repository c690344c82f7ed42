#include "worker/death.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/err.h"
#include "worker/oom.h"

#define SHELL_SIGNAL 128 /* a shell whose last command was killed ends with this and the signal */

static const char *const texts[DEATH_COUNT] = {
    /* The platform's words for a container that the kernel has killed. */
    [DEATH_MEMORY] = "The action exhausted its memory and was aborted.",
    [DEATH_CPU] = "The action used more processor time than one process may (--rlimit-cpu) and was "
                  "aborted.",
    [DEATH_FILE_SIZE] = "The action wrote more into one file than it may (--rlimit-fsize) and was "
                        "aborted.",
};

enum death death_of(int wait_status, bool wanted, struct oom *oom, uint64_t now_ms)
{
    int signo = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;

    if (wanted)
        return DEATH_WANTED;
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == SHELL_SIGNAL + SIGKILL)
        signo = SIGKILL;
    if (signo == SIGKILL && oom != NULL && oom_claim(oom, now_ms))
        return DEATH_MEMORY;
    if (signo == SIGXCPU)
        return DEATH_CPU;
    if (signo == SIGXFSZ)
        return DEATH_FILE_SIZE;
    return WIFSIGNALED(wait_status) ? DEATH_SIGNAL : DEATH_EXIT;
}

const char *death_text(enum death death)
{
    return texts[death];
}

void death_say_how(int wait_status, char *out, size_t size)
{
    if (WIFSIGNALED(wait_status))
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
    /* As the suites compare it. */
    return err_set(err, ERR_ACTION, 0, "%s",
                   reports_ready ? "Command exited abruptly during initialization."
                                 : "command exited");
}
