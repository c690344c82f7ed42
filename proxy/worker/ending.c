#include "worker/ending.h"

#include <signal.h>
#include <string.h>

#include "base/loop.h"
#include "worker/spawn.h"

void ending_init(struct ending *ending, struct loop *loop, struct loop_timer *timer,
                 uint64_t patience_ms)
{
    memset(ending, 0, sizeof(*ending));
    ending->loop = loop;
    ending->timer = timer;
    ending->patience_ms = patience_ms;
}

void ending_ask(struct ending *ending)
{
    ending->signo = SIGTERM;
    ending->at_ms = loop_now_ms(ending->loop) + ending->patience_ms;
}

void ending_tell(struct ending *ending, pid_t pid)
{
    spawn_kill(pid, SIGTERM);
    ending->signo = SIGKILL;
    ending->at_ms = loop_now_ms(ending->loop) + ending->patience_ms;
}

void ending_kill(struct ending *ending, pid_t pid)
{
    spawn_kill(pid, SIGKILL);
    ending->signo = 0;
}

static bool is_due(const struct ending *ending)
{
    return loop_now_ms(ending->loop) >= ending->at_ms;
}

void ending_step(struct ending *ending, pid_t pid, bool hurried)
{
    if (ending->signo == SIGTERM && (hurried || is_due(ending)))
        ending_tell(ending, pid);
    if (ending->signo == SIGKILL && is_due(ending))
        ending_kill(ending, pid);
    if (ending->signo != 0)
        loop_timer_set(ending->loop, ending->timer, ending->at_ms);
    else
        loop_timer_clear(ending->timer);
}
