#include "http/run_tally.h"

#include <assert.h>

const char *run_end_name(enum run_end end)
{
    static const char *const names[N_RUN_ENDS] = {
        [RUN_OK] = "ok",
        [RUN_FAILED] = "failed",
        [RUN_BAD_ANSWER] = "bad_answer",
        [RUN_DIED] = "died",
        [RUN_DEADLINE] = "deadline",
        [RUN_ANSWER_TOO_LONG] = "answer_too_long",
        [RUN_EXHAUSTED] = "exhausted",
        [RUN_UNSTARTED] = "unstarted",
        [RUN_ABANDONED] = "abandoned",
        [RUN_CANCELLED] = "cancelled",
        [RUN_DRAINING] = "draining",
        [RUN_NO_ACTION] = "no_action",
        [RUN_BAD_BODY] = "bad_body",
        [RUN_BODY_TOO_LARGE] = "body_too_large",
        [RUN_BUSY] = "busy",
        [RUN_QUEUE_FULL] = "queue_full",
        [RUN_NO_ROOM] = "no_room",
    };

    assert(end < N_RUN_ENDS);
    return names[end];
}
