#pragma once

/*
 * kin - find and kill descendants of our processes that have left their process group.
 *
 * A signal to a group does not reach processes that called setsid(), as headless browsers do. When
 * the parent of such a process dies it becomes our child, since we are the subreaper. To tell which
 * start such a process descends from, each start gets its own oom_score_adj, its mark: descendants
 * inherit the mark, and it can be read from any process without waiting for that process. Marks are
 * above our own score, so the kernel kills these processes before us when memory is short.
 *
 * The state is global, as our children are. Before kin_open() there are no marks and nothing is
 * killed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;

#define KIN_END_MS 300 /* limit of kin_end_all(): far more than a hundred processes take to die */

/* Call before the program is made undumpable: after that /proc/self belongs to root. Children that
 * exist already were inherited through exec, and are never killed. */
void kin_open(void);
void kin_close(void);
/* All actions run as this user: its unmarked processes are killed, too. */
void kin_set_user(uid_t uid);
/* Whether a signal has stopped this process; false also if /proc is closed to us. */
bool kin_is_stopped(pid_t pid);
/* Processor time of all threads of this process, in milliseconds; 0 also if /proc is closed to
 * us. */
uint64_t kin_used_ms(pid_t pid);
/* Never kill this child, though the loop does not watch it. */
void kin_spare(pid_t pid);

/* Allocate a mark for one start, shared with as few others as possible. kin_end() or kin_unmark()
 * gives it back. */
unsigned kin_mark(void);
/* Processes started from here to kin_finish() carry the mark. Costs two system calls. */
void kin_begin(unsigned mark);
void kin_finish(void);
/* Mark a process that another process started. */
void kin_mark_process(pid_t pid, unsigned mark);
/* Give back a mark with which nothing was started. */
void kin_unmark(unsigned mark);

/*
 * A process that was started with this mark is dead: kill its leftovers now and, from the loop,
 * processes that they start meanwhile. With a shared mark this waits until the last start that uses
 * it has ended.
 */
void kin_end(struct loop *loop, unsigned mark);
/* Kill all children except the spared ones, and wait for them for at most KIN_END_MS. Survivors are
 * reported in our log. */
void kin_end_all(void);
