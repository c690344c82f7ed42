/*
 * model - the pool, its workers and their conversations in every order of events.
 *
 * The scenarios: what kind of process, and what may happen how often. Each is explored to a depth
 * that is printed, counted in events from the moment at which all workers are ready.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/util.h"
#include "world.h"

const struct scenario *scenario;

#define PIPELINE "{\"ok\":true,\"pipeline\":8}"
#define RING     "{\"ok\":true,\"pipeline\":8,\"ring\":true}"
#define NUMBERED "{\"ok\":true,\"concurrent\":3}"
#define CONTROL  "{\"ok\":true,\"concurrent\":3,\"control\":true}"

#define ONE_WORKER  .n_workers = 1, .queue_max = 4
#define TWO_WORKERS .n_workers = 2, .queue_max = 4
#define ON_3        .answers = ANSWERS_FD3, .on = 3

static const struct scenario scenarios[] = {
    {"single", "announces nothing: gets a line with care, may answer twice", ON_3, ONE_WORKER,
     .ahead = 1, .by_line = true, .depth = {10, 18},
     .budget = {.submits = 3, .deaths = 1, .extras = 1, .leaves = 1, .times = 2, .amid = 1}},
    {"buffered", "the same, but it reads all there is", ON_3, ONE_WORKER, .ahead = 1,
     .depth = {12, 22},
     .budget = {.submits = 3, .deaths = 1, .extras = 1, .halves = 1, .times = 2, .amid = 1}},
    {"unseen", "the same, and /proc is closed to us", ON_3, ONE_WORKER, .ahead = 1, .blind = true,
     .depth = {12, 20}, .budget = {.submits = 3, .deaths = 1, .extras = 1, .times = 3, .amid = 1}},
    {"ends", "announces nothing: dies twice, or closes its pipes", ON_3, ONE_WORKER, .ahead = 1,
     .warm = true, .by_line = true, .depth = {9, 17},
     .budget = {.submits = 3, .deaths = 2, .closes = 1, .leaves = 1, .times = 2, .amid = 1}},
    {"auto-1", "answers on 1, nobody said so", ONE_WORKER, .answers = ANSWERS_AUTO, .on = 1,
     .ahead = 1, .by_line = true, .depth = {12, 20},
     .budget = {.submits = 3, .deaths = 1, .extras = 1, .times = 3, .amid = 1}},
    {"auto-3", "answers on 3, logs on 1 what looks like an answer", ONE_WORKER,
     .answers = ANSWERS_AUTO, .on = 3, .ahead = 1, .by_line = true, .depth = {13, 24},
     .budget = {.submits = 3, .logs = 2, .times = 3, .amid = 1}},
    {"pipeline", "takes lines ahead", ON_3, ONE_WORKER, .ready = PIPELINE, .ahead = 2, .warm = true,
     .depth = {10, 18}, .budget = {.submits = 3, .deaths = 1, .leaves = 1, .times = 2, .amid = 1}},
    {"pipeline-small", "the same, and its pipe takes a line and a half", ON_3, ONE_WORKER,
     .ready = PIPELINE, .ahead = 3, .warm = true, .pipe_bytes = 22, .depth = {10, 18},
     .budget = {.submits = 4, .deaths = 1, .halves = 1, .times = 2, .amid = 1}},
    {"pipeline-unseen", "the same, and /proc is closed to us", ON_3, ONE_WORKER, .ready = PIPELINE,
     .ahead = 3, .warm = true, .blind = true, .depth = {12, 19},
     .budget = {.submits = 3, .deaths = 1, .times = 3, .amid = 1}},
    {"vouched", "--pipeline vouches for it", ON_3, ONE_WORKER, .vouched = 8, .ahead = 3,
     .warm = true, .by_line = true, .depth = {11, 19},
     .budget = {.submits = 3, .deaths = 1, .closes = 1, .times = 2, .amid = 1}},
    {"ring", "keeps answers in the ring", ON_3, ONE_WORKER, .ready = RING, .ring = true, .ahead = 3,
     .warm = true, .depth = {12, 20}, .budget = {.submits = 3, .deaths = 1, .times = 2, .amid = 1}},
    {"numbered", "takes several at a time, answers in any order", ON_3, ONE_WORKER,
     .ready = NUMBERED, .numbered = true, .ahead = 3, .depth = {10, 17},
     .budget = {.submits = 3, .deaths = 1, .extras = 1, .halves = 1, .times = 2, .amid = 1}},
    {"control", "the same, and is told who has left", ON_3, ONE_WORKER, .ready = CONTROL,
     .numbered = true, .ahead = 3, .pipe_bytes = 30, .depth = {11, 18},
     .budget = {.submits = 3, .deaths = 1, .leaves = 2, .times = 2}},
    {"two", "two workers", ON_3, TWO_WORKERS, .ahead = 1, .warm = true, .by_line = true,
     .depth = {9, 15}, .budget = {.submits = 3, .deaths = 2, .leaves = 1, .times = 1}},
    {"two-pipeline", "two workers that take lines ahead", ON_3, TWO_WORKERS, .ready = PIPELINE,
     .ahead = 2, .warm = true, .depth = {10, 17},
     .budget = {.submits = 4, .deaths = 1, .times = 2}},
    {"replace", "another version takes over", ON_3, ONE_WORKER, .ahead = 1, .warm = true,
     .by_line = true, .depth = {10, 17},
     .budget = {.submits = 3, .deaths = 1, .times = 2, .replaces = 1, .leaves = 1}},
    {"replace-pipeline", "the same, and lines go ahead", ON_3, ONE_WORKER, .ready = PIPELINE,
     .ahead = 3, .warm = true, .depth = {8, 14},
     .budget = {.submits = 3, .deaths = 1, .times = 2, .replaces = 2, .unspawned = 1}},
    {"stop", "the proxy is told to end", ON_3, ONE_WORKER, .ready = PIPELINE, .ahead = 3,
     .warm = true, .depth = {9, 16},
     .budget = {.submits = 3, .deaths = 1, .leaves = 1, .times = 2, .stops = 1, .amid = 1}},
    {"stop-numbered", "the same with several at a time", ON_3, ONE_WORKER, .ready = NUMBERED,
     .numbered = true, .ahead = 3, .depth = {8, 13},
     .budget = {.submits = 3, .deaths = 1, .times = 2, .stops = 1, .replaces = 1, .amid = 1}},
    {"restarts", "dies while idle, again and again; cannot be started", ON_3, ONE_WORKER,
     .ready = PIPELINE, .ahead = 2, .warm = true, .broken_after = 2, .depth = {13, 26},
     .budget = {.submits = 2, .deaths = 4, .times = 4, .unspawned = 3}},
    {"queue", "more ask than the queue takes", ON_3, .n_workers = 1, .queue_max = 1, .ahead = 1,
     .warm = true, .by_line = true, .depth = {11, 20},
     .budget = {.submits = 5, .deaths = 1, .leaves = 1, .times = 2}},
};

static void usage(void)
{
    (void)fprintf(stderr,
                  "usage: model [--long] [--scenario NAME] [--depth N] [--seconds N] [--no-prune]\n"
                  "       model --scenario NAME --replay PATH\n"
                  "       model --list\n");
    exit(2);
}

static double seconds_of(const struct timespec *begin)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static void run(const struct scenario *what, unsigned depth, bool prune, double seconds)
{
    static const char *const ends[] = {
        [END_DEPTH] = "    ", [END_ALL] = " all", [END_TIME] = " cut"};
    struct explored found;
    struct timespec begin;

    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    scenario = what;
    found = explore(depth, prune, seconds);
    (void)printf("%-16s depth %2u%s %9llu states %10llu events %9llu paths %6.1f s\n", what->name,
                 found.depth, ends[found.end], (unsigned long long)found.n_states,
                 (unsigned long long)found.n_steps, (unsigned long long)found.n_paths,
                 seconds_of(&begin));
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *name = NULL;
    const char *replay = NULL;
    bool is_long = false;
    bool prune = true;
    unsigned depth = 0;
    double seconds = 0;
    bool is_known = false;

    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;

        if (strcmp(argv[i], "--long") == 0)
            is_long = true;
        else if (strcmp(argv[i], "--no-prune") == 0)
            prune = false;
        else if (strcmp(argv[i], "--scenario") == 0 && has_value)
            name = argv[++i];
        else if (strcmp(argv[i], "--replay") == 0 && has_value)
            replay = argv[++i];
        else if (strcmp(argv[i], "--depth") == 0 && has_value)
            depth = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0 && has_value)
            seconds = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--list") == 0)
            name = "";
        else
            usage();
    }
    log_set_level(LOG_OFF);
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        if (name != NULL && *name == '\0')
            (void)printf("%-16s %s\n", scenarios[i].name, scenarios[i].what);
        if (name != NULL && strcmp(name, scenarios[i].name) != 0)
            continue;
        is_known = true;
        scenario = &scenarios[i];
        if (replay != NULL)
            return explore_replay(replay);
        run(scenario, depth > 0 ? depth : scenario->depth[is_long], prune, seconds);
    }
    if (!is_known && (name == NULL || *name != '\0'))
        usage();
    return 0;
}
