#pragma once

/*
 * busy_poll - decide whether to look for events again and again for some microseconds before
 * sleeping.
 *
 * Waking a process on an idle processor takes 5 us on real hardware and 20 to 50 us on a virtual
 * machine, several times as long as a small activation. A process that is still looking need not be
 * woken. So if events follow each other within microseconds, looking for the next one pays;
 * otherwise it only burns processor time. The lengths of the last waits tell which is the case.
 */

#include <stdbool.h>
#include <stdint.h>

/* A sleep this short counts as ended soon: looking for events would have been better. */
#define BUSY_POLL_SOON_US 250

struct busy_poll {
    uint64_t limit_us; /* setting: how long to look for events before sleeping; 0: never look */
    unsigned score;    /* the higher, the more of the last waits ended soon */
};

/* Whether to look for events before sleeping. false at first, until several waits have ended
 * soon. */
bool busy_poll_pays(const struct busy_poll *poll);

/*
 * Call when a wait for events has ended. soon: whether it ended within limit_us if we looked, or
 * within BUSY_POLL_SOON_US if we slept. Looking pays while at least four of five waits end soon:
 * then at most one look in five is in vain.
 */
void busy_poll_learn(struct busy_poll *poll, bool soon);
