#pragma once

/*
 * kin - find and kill descendants of the proxy's child processes that have left their process
 * group.
 *
 * A signal to a group does not reach processes that called setsid(), as headless browsers do. When
 * the parent of such a process dies, the process becomes our child, since the proxy is the
 * subreaper. To tell later which child started it, each start of a child gets its own value of
 * oom_score_adj, called its mark. Descendants inherit the mark, and we can read it without waiting
 * for the process. Marks are above the proxy's own score, so when memory is short the kernel kills
 * marked processes before the proxy.
 *
 * The state is global, since a process has only one set of children. Before kin_open() there are no
 * marks and nothing is killed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;

#define KIN_UNTRACE_MS 100 /* time between two calls of kin_untrace() for one process */
#define KIN_END_MS     300 /* longest wait of kin_end_all(): a hundred processes die much faster */

/* Call before the proxy is made undumpable: after that /proc/self belongs to root, and the proxy
 * may be unable to write its oom_score_adj. Children that exist already were inherited through
 * exec, and are never killed. */
void kin_open(void);
void kin_close(void);
/* Tell that all actions run as this user. A process of an action that has changed its oom_score_adj
 * has lost its mark. If such a process becomes our child and runs as this user, kin_end() kills it,
 * too, but only while no child that has a mark is running. */
void kin_set_user(uid_t uid);
/* Whether a signal has stopped this process; false also if its /proc files cannot be read. */
bool kin_is_stopped(pid_t pid);
/* Processor time of all threads of this process, in milliseconds; 0 also if its /proc files cannot
 * be read. */
uint64_t kin_used_ms(pid_t pid);
/* If process `pid` has a tracer, such as a debugger, and the tracer descends from us, kill the
 * tracer: we do not learn that `pid` is dead until the tracer has ended or has waited for `pid`. */
void kin_untrace(pid_t pid);
/* Never kill this child, although it is not watched by the loop. */
void kin_spare(pid_t pid);

/* Choose a mark (it stands for an oom_score_adj) for a child that will be started: the one that the
 * fewest running children have. Give the mark back with kin_end() or kin_unmark(). */
unsigned kin_mark(void);
/* Processes that we start between kin_begin() and kin_finish() get the mark: they inherit our own
 * oom_score_adj, which kin_begin() sets to the mark's value. This costs two system calls. */
void kin_begin(unsigned mark);
void kin_finish(void);
/* Give the mark to a process that was started by another process, not by us. */
void kin_mark_process(pid_t pid, unsigned mark);
/* Give back a mark with which nothing was started. */
void kin_unmark(unsigned mark);

/*
 * Call when a child with this mark is dead. Kills the descendants that the child has left. The loop
 * later kills processes that these descendants have started meanwhile. If several children share
 * the mark, nothing is killed until the last of them is dead.
 */
void kin_end(struct loop *loop, unsigned mark);
/* Kill all children except those that kin_spare() protects. Wait until they are dead, at most
 * KIN_END_MS. Survivors are reported in our log. */
void kin_end_all(void);
