/*
 * All orders of events from one start, breadth first: a state that was seen is not gone on from, so
 * the first counterexample is one of the shortest. A path is the list of what was chosen; it is run
 * again from the start for each state, and from a copy of that for each event that may follow.
 */

#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

#define CHOICES_MAX 512
#define SEEN_FIRST  (1u << 16)

struct path {
    unsigned n_steps;
    unsigned n;
    uint8_t choices[];
};

static struct {
    uint8_t choices[CHOICES_MAX];
    uint8_t of[CHOICES_MAX];
    unsigned n;  /* known */
    unsigned at; /* taken */
    unsigned n_steps;
    bool settling;
    bool hang;
} path;

bool tracing;
static sigjmp_buf on_abort;

/* Not the wrapped ones: this memory is no part of a path. */
void *__real_malloc(size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);

static void *must(void *p)
{
    if (p == NULL) {
        (void)fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return p;
}

/* ---- choices ---- */

unsigned choose(unsigned n)
{
    if (n <= 1 || path.settling)
        return 0;
    assert(n <= UINT8_MAX && path.at < CHOICES_MAX);
    if (path.at == path.n) {
        path.choices[path.n] = 0;
        path.n++;
    }
    path.of[path.at] = (uint8_t)n;
    if (path.choices[path.at] >= n) {
        (void)fprintf(stderr, "no such choice: the path is another scenario's\n");
        exit(2);
    }
    return path.choices[path.at++];
}

/* The next path with the same first `base` choices. */
static bool next_path(unsigned base)
{
    path.n = path.at;
    while (path.n > base) {
        path.n--;
        if (path.choices[path.n] + 1 < path.of[path.n]) {
            path.choices[path.n]++;
            path.n++;
            return true;
        }
    }
    return false;
}

/* ---- what is said of a path ---- */

void say(const char *format, ...)
{
    char text[1024];
    va_list args;

    if (!tracing)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* Lines of the protocol stand in one line here. */
    for (const char *at = text; *at != '\0'; at++)
        if (*at == '\n')
            (void)fputs("\\n", stdout);
        else
            (void)putchar(*at);
    (void)putchar('\n');
}

static bool step(void)
{
    struct event events[EVENTS_MAX];
    unsigned n = world_events(events);

    if (n == 0)
        return false;
    if (tracing)
        (void)printf("%4u  ", ++path.n_steps);
    world_do(events[choose(n)]);
    state_check();
    return true;
}

static void begin_path(void)
{
    path.at = 0;
    path.settling = true; /* nothing is to be chosen before all workers are ready */
    world_reset();
    world_start();
    path.settling = false;
}

static void end_path(bool hang)
{
    path.settling = true;
    path.hang = hang;
    world_settle(hang);
    path.settling = false;
}

static void retrace(bool settle, bool hang)
{
    bool goes_on = true;

    tracing = true;
    path.n_steps = 0;
    begin_path();
    (void)printf("      all workers are ready: from here\n");
    while (path.at < path.n && goes_on)
        goes_on = step();
    if (settle) {
        (void)printf("      from here all behave well%s\n",
                     hang ? ", but no process answers or cares for SIGTERM" : "");
        end_path(hang);
    }
}

static void show(const char *what)
{
    bool settling = path.settling;

    (void)printf("\n%s: %s\n\n", scenario->name, what);
    path.n = path.at;
    retrace(settling, path.hang);
    (void)printf("\nnot seen again\n");
}

static void print_path(void)
{
    (void)printf("\nto run it again: model --scenario %s --replay ", scenario->name);
    for (unsigned i = 0; i < path.n; i++)
        (void)printf("%s%u", i > 0 ? "." : "", path.choices[i]);
    (void)printf("%s\n", path.n == 0 ? "-" : "");
    (void)fflush(stdout);
}

void broken(const char *format, ...)
{
    char what[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    if (!tracing)
        show(what);
    else
        (void)printf("\nBROKEN: %s\n", what);
    print_path();
    _exit(1);
}

/* An assert of the proxy. */
static void on_sigabrt(int signo)
{
    (void)signo;
    siglongjmp(on_abort, 1);
}

/* ---- states that were seen ---- */

static struct {
    uint64_t *hashes;
    size_t size;
    size_t n;
} seen;

static bool insert(uint64_t *hashes, size_t size, uint64_t hash)
{
    size_t at = hash & (size - 1);

    while (hashes[at] != 0) {
        if (hashes[at] == hash)
            return false;
        at = (at + 1) & (size - 1);
    }
    hashes[at] = hash;
    return true;
}

static uint64_t *table(size_t size)
{
    uint64_t *hashes = must(__real_malloc(size * sizeof(*hashes)));

    memset(hashes, 0, size * sizeof(*hashes));
    return hashes;
}

/* false: it was there. */
static bool is_new(uint64_t hash)
{
    if (2 * seen.n >= seen.size) {
        size_t size = seen.size > 0 ? 2 * seen.size : SEEN_FIRST;
        uint64_t *hashes = table(size);

        for (size_t i = 0; i < seen.size; i++)
            if (seen.hashes[i] != 0)
                (void)insert(hashes, size, seen.hashes[i]);
        __real_free(seen.hashes);
        seen.hashes = hashes;
        seen.size = size;
    }
    if (!insert(seen.hashes, seen.size, hash | 1))
        return false;
    seen.n++;
    return true;
}

/* ---- breadth first ---- */

struct frontier {
    struct path **paths;
    size_t n;
    size_t room;
};

static void push(struct frontier *frontier)
{
    struct path *copy = must(__real_malloc(sizeof(*copy) + path.at));

    copy->n = path.at;
    copy->n_steps = 0;
    memcpy(copy->choices, path.choices, path.at);
    if (frontier->n == frontier->room) {
        frontier->room = frontier->room > 0 ? 2 * frontier->room : 1024;
        frontier->paths =
            must(__real_realloc(frontier->paths, frontier->room * sizeof(struct path *)));
    }
    frontier->paths[frontier->n++] = copy;
}

static void run_to(const struct path *known, unsigned n_steps)
{
    memcpy(path.choices, known->choices, known->n);
    path.n = known->n;
    begin_path();
    for (unsigned i = 0; i < n_steps; i++)
        (void)step();
    assert(path.at == known->n);
}

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* All that may follow one state. is_last: what follows is not gone on from, but ended. */
static void follow(const struct path *known, unsigned n_steps, bool is_last, bool prune,
                   struct frontier *next, struct explored *found)
{
    unsigned base = known->n;
    struct event events[EVENTS_MAX];

    run_to(known, n_steps);
    if (world_events(events) == 0) { /* nothing is left that could happen */
        end_path(false);
        found->n_paths++;
        return;
    }
    arena_save();
    do {
        uint64_t hash;
        bool is_end;

        arena_restore();
        path.at = base;
        (void)step();
        found->n_steps++;
        hash = state_hash();
        if (!is_new(hash) && prune) {
            found->n_paths++;
            continue;
        }
        /* Where time has run out a good end is looked for, as no other path does it. */
        is_end = is_last || world.budget.times == 0;
        if (!is_last)
            push(next);
        if (is_end) {
            end_path(hash % 4 == 0);
            found->n_paths++;
        }
    } while (next_path(base));
}

static void go_through(unsigned depth, bool prune, double seconds, struct explored *found)
{
    struct frontier now = {0};
    double end_s = seconds > 0 ? now_s() + seconds : 0;

    begin_path();
    push(&now);
    while (now.n > 0 && found->depth < depth) {
        struct frontier next = {0};

        for (size_t i = 0; i < now.n; i++) {
            if (end_s > 0 && now_s() > end_s) {
                found->end = END_TIME;
                return;
            }
            follow(now.paths[i], found->depth, found->depth + 1 == depth, prune, &next, found);
            __real_free(now.paths[i]);
        }
        __real_free(now.paths);
        now = next;
        found->depth++;
    }
    found->end = now.n == 0 && found->depth < depth ? END_ALL : END_DEPTH;
}

static void begin(void)
{
    memset(&path, 0, sizeof(path));
    (void)signal(SIGABRT, on_sigabrt);
    if (sigsetjmp(on_abort, 1) != 0)
        broken("the proxy aborts");
}

struct explored explore(unsigned depth, bool prune, double seconds)
{
    struct explored found = {0};

    if (seen.size > 0)
        memset(seen.hashes, 0, seen.size * sizeof(*seen.hashes));
    seen.n = 0;
    begin();
    go_through(depth, prune, seconds, &found);
    found.n_states = seen.n;
    return found;
}

int explore_replay(const char *text)
{
    begin();
    for (const char *at = text; *at >= '0' && *at <= '9';) {
        char *end;

        path.choices[path.n++] = (uint8_t)strtoul(at, &end, 10);
        at = *end == '.' ? end + 1 : end;
    }
    retrace(true, false);
    retrace(true, true);
    return 0;
}
