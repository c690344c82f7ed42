/* activations: which ones are remembered. */

#include "test.h"

#include <string.h>

#include "base/util.h"
#include "dev/activations.h"
#include "worker/job.h"

#define N_RUNNING (ACTIVATIONS_MAX + 1)

struct fixture {
    struct activations all;
    struct job jobs[N_RUNNING];
    struct activation *begun[N_RUNNING];
    char line[16];
    char large[ACTIVATION_TEXT_MAX_BYTES / 2];
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    activations_init(&f->all);
    memcpy(f->line, "{\"value\":{}}", 12);
    memset(f->large, 'x', sizeof(f->large));
    f->large[0] = f->large[sizeof(f->large) - 1] = '"';
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    activations_done(&f->all);
    free(f);
    return 0;
}

static struct activation *begin(struct fixture *f, size_t i)
{
    f->jobs[i].line = f->line;
    f->jobs[i].len = strlen(f->line);
    f->begun[i] = activations_begin(&f->all, &f->jobs[i], 1, 0);
    return f->begun[i];
}

static void end(struct fixture *f, struct activation *a, const char *answer, size_t n)
{
    a->job = NULL;
    a->status = ACTIVATION_OK;
    activations_end(&f->all, a, 200, answer, n, 1);
}

static bool is_kept(const struct fixture *f, const struct activation *a)
{
    list_each(node, &f->all.all) {
        if (list_item(node, struct activation, node) == a)
            return true;
    }
    return false;
}

static void one_that_ends_beside_too_many_running_ones_stays_until_the_next_begins(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < N_RUNNING; i++)
        (void)begin(f, i);
    end(f, f->begun[0], "{}", 2);
    assert_true(is_kept(f, f->begun[0]));
    end(f, f->begun[1], "{}", 2);
    assert_false(is_kept(f, f->begun[0]));
    assert_true(is_kept(f, f->begun[1]));
}

static void one_whose_answer_passes_the_bound_stays_and_older_ones_go(void **state)
{
    struct fixture *f = *state;
    struct activation *first = begin(f, 0);

    for (size_t i = 1; f->all.n_bytes + sizeof(f->large) <= ACTIVATIONS_MAX_BYTES; i++)
        end(f, begin(f, i), f->large, sizeof(f->large));
    end(f, first, f->large, sizeof(f->large));
    assert_true(is_kept(f, first));
    assert_false(is_kept(f, f->begun[1]));
    assert_true(f->all.n_bytes <= ACTIVATIONS_MAX_BYTES);
}

/* Between the end of the job and the reply. */
static void one_without_a_job_and_a_reply_is_not_forgotten(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < N_RUNNING - 1; i++)
        (void)begin(f, i);
    f->begun[0]->job = NULL;
    f->begun[0]->status = ACTIVATION_OK;
    (void)begin(f, N_RUNNING - 1);
    assert_true(is_kept(f, f->begun[0]));
    activations_end(&f->all, f->begun[0], 200, "{}", 2, 1);
    assert_true(is_kept(f, f->begun[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(one_that_ends_beside_too_many_running_ones_stays_until_the_next_begins),
        TEST(one_whose_answer_passes_the_bound_stays_and_older_ones_go),
        TEST(one_without_a_job_and_a_reply_is_not_forgotten),
    };

    return cmocka_run_group_tests_name("activations", tests, NULL, NULL);
}
