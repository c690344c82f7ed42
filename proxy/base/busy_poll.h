#pragma once

/*
 * busy_poll - whether to look for events again and again for some microseconds before sleeping.
 *
 * Waking a process on an idle processor takes 5 us of real hardware and 20 to 50 us of a virtual
 * machine, several times as long as a small activation. A process that is still looking need not be
 * woken. So where events follow each other within microseconds, looking for the next one pays;
 * where they do not, it only burns processor time. The last waits tell which it is.
 */

#include <stdbool.h>
#include <stdint.h>

#define BUSY_POLL_SOON_US 250 /* a sleep this short would have ended in time had we looked */

struct busy_poll {
    uint64_t limit_us; /* setting: how long to look; 0: never */
    unsigned score;    /* of the last waits, see busy_poll_learn() */
};

/* Whether to look before sleeping. At first not. */
bool busy_poll_pays(const struct busy_poll *poll);

/*
 * A wait has ended. soon: within limit_us if we looked, within BUSY_POLL_SOON_US if we slept.
 * Looking pays while at least four of five waits end soon, so that at most a fifth of the looking
 * is in vain.
 */
void busy_poll_learn(struct busy_poll *poll, bool soon);
