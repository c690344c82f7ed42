#include "base/busy_poll.h"

#include <assert.h>

#define SCORE_PAYS 8
#define SCORE_MAX  16
#define SCORE_LATE 4 /* subtracted from the score for a wait that did not end soon */

bool busy_poll_pays(const struct busy_poll *poll)
{
    return poll->limit_us > 0 && poll->score >= SCORE_PAYS;
}

void busy_poll_learn(struct busy_poll *poll, bool soon)
{
    assert(poll->score <= SCORE_MAX);
    if (soon)
        poll->score = poll->score < SCORE_MAX ? poll->score + 1 : SCORE_MAX;
    else
        poll->score = poll->score > SCORE_LATE ? poll->score - SCORE_LATE : 0;
}
