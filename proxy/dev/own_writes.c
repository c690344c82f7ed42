#include "dev/own_writes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "action/runtimes.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/util.h"
#include "dev/activations.h"
#include "dev/terminal.h"
#include "dev/text.h"
#include "dev/watch.h"

#define EARLY_MS 12 /* a file's ctime is the time of the kernel's last tick, up to 10 ms early */

static bool is_source(const struct own_work *work, const char *name)
{
    auto_free char *path = xasprintf("%s/%s", work->folder, name);

    for (size_t i = 0; i < work->runtimes->n; i++)
        if (runtime_has_ending_of(&work->runtimes->items[i], name))
            return true;
    return access(path, X_OK) == 0;
}

static bool is_at_work(const struct own_work *work, uint64_t at_ms)
{
    if (work->is_ending)
        return true;
    if (at_ms + EARLY_MS >= work->load_began_ms && at_ms <= work->load_ended_ms)
        return true;
    list_each(node, &work->activations->all) {
        const struct activation *a = list_item(node, struct activation, node);

        if (at_ms + EARLY_MS >= a->started_ms &&
            (a->status == ACTIVATION_RUNNING || at_ms <= a->started_ms + a->duration_us / 1000 + 1))
            return true;
    }
    return false;
}

bool own_writes_are_all(const struct own_work *work, const struct watch_changes *changes)
{
    assert(changes->n <= WATCH_NAMES_MAX);
    if (!changes->is_all || changes->n == 0)
        return false;
    for (unsigned i = 0; i < changes->n; i++)
        if (is_source(work, changes->files[i].name) || !is_at_work(work, changes->files[i].at_ms))
            return false;
    return true;
}

bool own_writes_take(struct own_writes *own, const struct own_work *work,
                     const struct watch_changes *changes, struct terminal *terminal)
{
    const char *name;
    auto_buf struct buf text = {0};

    assert(own->n_versions <= OWN_WRITES_MAX);
    if (!own_writes_are_all(work, changes)) {
        if (own->n_versions < OWN_WRITES_MAX)
            own->n_versions = 0;
        return false;
    }
    name = changes->files[0].name;
    if (own->n_versions < OWN_WRITES_MAX) {
        own->n_versions++;
        text_add(&text, "%s has changed while the action loaded or ran: loading again", name);
        terminal_say(terminal, "own", text_of(&text));
        return false;
    }
    if (own->told != NULL && strcmp(own->told, name) == 0)
        return true;
    free(own->told);
    own->told = xstrdup(name);
    text_add(&text,
             "%s has changed again: the action seems to write it, so this makes no version, nor "
             "does any other such change",
             name);
    terminal_say(terminal, "own", text_of(&text));
    return true;
}

void own_writes_done(struct own_writes *own)
{
    free(TAKE(own->told));
}
