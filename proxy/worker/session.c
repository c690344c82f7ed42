#include "worker/session.h"

#include <assert.h>
#include <string.h>

void session_init(struct session *s, struct loop *loop, const struct exec_spec *spec,
                  const struct worker_opts *opts, struct output *out, struct output *err,
                  struct loop_post *step, struct loop_post *changed)
{
    assert(opts->answer_max_bytes > 0);
    assert(step != NULL && changed != NULL);
    s->loop = loop;
    s->spec = spec;
    s->opts = opts;
    s->step = step;
    s->changed = changed;
    s->holder = (struct job_holder){.loop = loop, .step = step};
    s->stdin_probe.fd = -1;
    channel_init(&s->channel, out, err, opts->answer_max_bytes + REQUEST_ID_MAX);
    window_init(&s->window);
    list_init(&s->finished);
    list_init(&s->returned);
    list_init(&s->spoke);
}

void session_begin(struct session *s, pid_t pid, int in)
{
    assert(s->window.n == 0 && pid > 0);
    s->pid = pid;
    s->ready = s->refused = s->ended = s->spoiled = s->dismissed = false;
    s->takes_control = s->asked_idle = s->holder.asked = false;
    s->refusal.kind = ERR_NONE;
    s->n_logged = s->reads_by_ms = s->unread_at_ms = s->health_at_ms = 0;
    window_open(&s->window);
    pacing_open(&s->pacing, s->opts->ahead_max, s->opts->vouched);
    placement_open(&s->placement, s->opts->wake_near);
    stdin_probe_open(&s->stdin_probe, pid, in, s->spec->privileges);
}

void session_close(struct session *s)
{
    assert(s->window.n == 0);
    channel_close(&s->channel);
    stdin_probe_close(&s->stdin_probe);
    buf_done(&s->greeting);
}

void session_done(struct session *s)
{
    window_drop_tombstones(&s->window);
    assert(s->window.n == 0 && list_empty(&s->finished) && list_empty(&s->returned));
    assert(list_empty(&s->spoke));
    session_close(s);
}
