#pragma once

/* window_fixture - a window of four jobs with lines of 3 to 6 bytes, none of them written. */

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "worker/window.h"

#define N_JOBS       4
#define FAR_MS       1000000
#define NOW_MS       5000
#define TOMBSTONE_MS 100

struct fixture {
    struct window window;
    struct job *jobs[N_JOBS]; /* lines "a0\n", "b1x\n", "c2xx\n", "d3xxx\n": 3 to 6 bytes */
};

static inline int set_up(void **state)
{
    static const char *const lines[N_JOBS] = {"a0\n", "b1x\n", "c2xx\n", "d3xxx\n"};
    struct fixture *f = xcalloc(1, sizeof(*f));

    window_init(&f->window);
    for (unsigned i = 0; i < N_JOBS; i++) {
        f->jobs[i] = xcalloc(1, sizeof(*f->jobs[i]));
        list_init(&f->jobs[i]->node);
        f->jobs[i]->line = xstrdup(lines[i]);
        f->jobs[i]->len = strlen(lines[i]);
        f->jobs[i]->deadline_at_ms = FAR_MS;
        window_add(&f->window, f->jobs[i]);
    }
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    while ((job = window_oldest(&f->window)) != NULL)
        (void)window_take(&f->window, job); /* tombstones are freed in there */
    for (unsigned i = 0; i < N_JOBS; i++) {
        free(f->jobs[i]->line);
        free(f->jobs[i]);
    }
    free(f);
    return 0;
}

/* What would be written next, as one text; caller frees. */
static inline char *unwritten(struct window *window)
{
    struct iovec lines[N_JOBS * WINDOW_PIECES];
    int n = window_lines(window, lines, (int)ARRAY_LEN(lines));
    char *text = xcalloc(64, 1);

    for (int i = 0; i < n; i++)
        (void)strncat(text, lines[i].iov_base, lines[i].iov_len);
    return text;
}

static inline void assert_unwritten(struct window *window, const char *wanted)
{
    auto_free char *text = unwritten(window);

    assert_string_equal(text, wanted);
}

/* Make this one late and look: it must be the one that is handed out. */
static inline void give_up(struct fixture *f, struct job *job)
{
    struct job *late = NULL;

    job->deadline_at_ms = NOW_MS;
    assert_int_equal(window_late(&f->window, NOW_MS, TOMBSTONE_MS, &late), WINDOW_LATE_JOB);
    assert_ptr_equal(late, job);
}
