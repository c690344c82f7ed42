#pragma once

/*
 * kin - processes that descend from one of ours and have left its process group.
 *
 * A signal to a group does not reach what called setsid(), as headless browsers do. When its parent
 * dies we inherit it, since we are the subreaper. Which start of ours it descends from is told by
 * its oom_score_adj: each start has a value of its own, a mark, which every descendant inherits and
 * which may be read of every process without waiting for anything that the process controls. The
 * values are above ours, so the kernel kills any of them before us when memory is short.
 *
 * The state is one for the program, as the children are. Before kin_open() there are no marks and
 * nothing is ended.
 */

#include <stdbool.h>
#include <sys/types.h>

struct loop;

#define KIN_END_MS 300 /* kin_end_all(): far beyond what a hundred processes take to die */

/* Before the program is made undumpable: then /proc/self is root's. The children that are there
 * already were inherited with an exec, and are never ended. */
void kin_open(void);
void kin_close(void);
/* Run all actions as this user: what has no mark is ended, too, where it is this user's. */
void kin_set_user(uid_t uid);
/* A child of ours that nobody watches and that is to live on. */
void kin_spare(pid_t pid);

/* A mark for one start, used by as few others as possible; kin_end() gives it back. */
unsigned kin_mark(void);
/* Processes that are started from here to kin_finish() carry the mark. Two system calls in all. */
void kin_begin(unsigned mark);
void kin_finish(void);
/* For a process that somebody else started. */
void kin_mark_process(pid_t pid, unsigned mark);
/* Nothing was started with it: give it back. */
void kin_unmark(unsigned mark);

/*
 * The process that was started with this mark is dead: kill what it left behind, at once, and then
 * from the loop what was started meanwhile. A mark that another start shares tells nothing: then it
 * waits for the end of that one.
 */
void kin_end(struct loop *loop, unsigned mark);
/* Kill every child of ours, but those that are spared, and wait for them; at most KIN_END_MS. What
 * is left when that is not enough is told in our log. */
void kin_end_all(void);
