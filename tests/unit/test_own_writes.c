/* own_writes: which changes of files are taken for the action's own. */

#include "test.h"

#include <stdlib.h>

#include "action/runtimes.h"
#include "base/util.h"
#include "dev/activations.h"
#include "dev/own_writes.h"
#include "dev/watch.h"

#define LOAD_BEGAN_MS 1000
#define LOAD_ENDED_MS 2000
#define RUN_BEGAN_MS  5000
#define RUN_MS        100

/* Whether one change is the action's own, of an action that loaded and then ran once. */
static bool is_own(const char *name, uint64_t at_ms, bool is_all, bool is_ending, bool is_running)
{
    char name_of_source[] = "__main__.py", *entry[] = {name_of_source, NULL};
    struct runtime python = {.entry = entry, .source = entry[0]};
    struct runtimes runtimes = {&python, 1};
    struct activation activation = {.started_ms = RUN_BEGAN_MS,
                                    .status = is_running ? ACTIVATION_RUNNING : ACTIVATION_OK,
                                    .duration_us = RUN_MS * 1000};
    struct activations activations = {.n = 1};
    struct own_work work = {.folder = "/nowhere",
                            .runtimes = &runtimes,
                            .activations = &activations,
                            .load_began_ms = LOAD_BEGAN_MS,
                            .load_ended_ms = LOAD_ENDED_MS,
                            .is_ending = is_ending};
    auto_free char *copy = xstrdup(name);
    struct watch_changes changes = {.n = 1, .is_all = is_all, .files = {{copy, at_ms}}};

    list_init(&activations.all);
    list_add_tail(&activations.all, &activation.node);
    return own_writes_are_all(&work, &changes);
}

static void a_file_written_while_the_action_works_is_its_own(void **state)
{
    static const struct {
        uint64_t at_ms;
        bool is_own;
    } cases[] = {
        {LOAD_BEGAN_MS - 100, false},  {LOAD_BEGAN_MS, true},
        {LOAD_ENDED_MS, true},         {LOAD_ENDED_MS + 1, false},
        {RUN_BEGAN_MS - 100, false},   {RUN_BEGAN_MS, true},
        {RUN_BEGAN_MS + RUN_MS, true}, {RUN_BEGAN_MS + RUN_MS + 100, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(is_own("state.txt", cases[i].at_ms, true, false, false), cases[i].is_own);
    assert_true(is_own("state.txt", RUN_BEGAN_MS + RUN_MS + 100, true, false, true));
    assert_true(is_own("state.txt", RUN_BEGAN_MS + RUN_MS + 100, true, true, false));
}

static void a_source_file_or_an_unknown_change_is_a_persons(void **state)
{
    (void)state;
    assert_false(is_own("lib/number.py", LOAD_BEGAN_MS, true, false, false));
    assert_false(is_own("state.txt", LOAD_BEGAN_MS, false, false, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_written_while_the_action_works_is_its_own),
        cmocka_unit_test(a_source_file_or_an_unknown_change_is_a_persons),
    };

    return cmocka_run_group_tests_name("own_writes", tests, NULL, NULL);
}
