#include "test.h"

#include <string.h>

#include "base/suggest.h"
#include "base/util.h"

static const char *const known[] = {"c",      "go",      "java",       "nodejs",
                                    "python", "WORKERS", "WRITE_AHEAD"};

static void a_misspelt_word_finds_its_neighbour_and_others_find_none(void **state)
{
    static const struct {
        const char *word;
        const char *wanted;
    } cases[] = {
        {"node", "nodejs"},
        {"pyhton", "python"},
        {"python3", "python"},
        {"Java", "java"},
        {"golang", "go"},
        {"WORKER", "WORKERS"},
        {"workers", "WORKERS"},
        {"WRITEAHEAD", "WRITE_AHEAD"},
        {"", NULL},
        {"rust", NULL},
        {"x", NULL},
        {"perl", NULL},
        {"a-word-that-is-longer-than-all-that-are-compared-at-all", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct suggest suggest = {.word = cases[i].word};

        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            suggest_offer(&suggest, known[k]);
        if (cases[i].wanted == NULL
                ? suggest.best != NULL
                : suggest.best == NULL || strcmp(suggest.best, cases[i].wanted) != 0)
            fail_msg("\"%s\" found %s", cases[i].word,
                     suggest.best != NULL ? suggest.best : "nothing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_misspelt_word_finds_its_neighbour_and_others_find_none),
    };

    return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}
