/* An answer and the expected answer are both rewritten by canonical_json() and compared as texts:
 * members sorted, each on a line of its own, equal numbers written in the same way. */

#include "dev/check.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/exec_spec.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/utf8.h"
#include "base/util.h"
#include "dev/canonical.h"
#include "dev/difference.h"
#include "dev/target.h"
#include "filter/argument.h"
#include "pool/pool.h"
#include "worker/contract.h"

#define EXPECTED_BYTES_MAX (64u << 20)

struct check {
    struct loop *loop; /* borrowed */
    struct check_opts opts;
    char **names;      /* owned; names of the files input*.json, NULL-terminated */
    size_t next;       /* index in `names` of the input that runs or is next */
    struct pool *pool; /* borrowed */
    struct job job;
    struct loop_post step;
    unsigned n_failed;
    bool running;
    bool told;
    bool stopped;
    check_ended_fn *ended;
    void *owner;
};

/* ---- comparing ---- */

/* Print the lines in which the answer differs from `expected`. expected "": all lines of the answer
 * differ. */
static void print_difference(const char *expected, const char *answer)
{
    auto_buf struct buf text = {0};

    difference_write(expected, answer, &text);
    (void)fwrite(buf_at(&text), 1, buf_len(&text), stdout);
}

/* Compare the answer to input-x.json with the one in expected-x.json, and print the outcome. more:
 * text in parentheses behind the input's name if the answer is not as expected; "": none. Returns
 * false if the test failed. */
static bool judge(const struct check *check, const char *input, const struct buf *answer,
                  const char *more)
{
    auto_free char *name = xasprintf(more[0] != '\0' ? "%s (%s)" : "%s%s", input, more);
    auto_free char *expected = xasprintf("expected%s", input + strlen("input"));
    auto_free char *path = xasprintf("%s/%s", check->opts.folder, expected);
    auto_fd int fd = target_open_file(check->opts.folder, expected);
    auto_buf struct buf text = {0};
    auto_free char *wanted = NULL;
    auto_free char *got = canonical_json(buf_at(answer), buf_len(answer));
    size_t n_mark;
    bool is_right;

    assert(strncmp(input, "input", strlen("input")) == 0);
    assert(got != NULL); /* on_done() passes an answer that is JSON, or an error as JSON */
    if (fd < 0 || buf_read_all(&text, fd, EXPECTED_BYTES_MAX, -1) < 0) {
        (void)printf("FAILED  %s: cannot read %s: %s; the answer was\n", name, path,
                     strerror(errno));
        print_difference("", got);
        return false;
    }
    n_mark = utf8_mark_length(buf_at(&text), buf_len(&text));
    wanted = canonical_json(buf_at(&text) + n_mark, buf_len(&text) - n_mark);
    if (wanted == NULL) {
        (void)printf("FAILED  %s: %s is no JSON\n", input, path);
        return false;
    }
    is_right = strcmp(wanted, got) == 0;
    if (is_right) {
        (void)printf("ok      %s\n", input);
    } else {
        (void)printf("FAILED  %s: - expected, + answered\n", name);
        print_difference(wanted, got);
    }
    return is_right;
}

/* ---- running the inputs one after the other ---- */

/* Print a failure for each file expected*.json without its file input*.json, since a name may be
 * misspelt. Returns the number of failures. */
static size_t tell_alone(const struct check *check)
{
    char **names = target_list(check->opts.folder, "expected", ".json");
    size_t n = 0;

    for (char **name = names; *name != NULL; name++) {
        auto_free char *input = xasprintf("input%s", *name + strlen("expected"));
        bool has_input = false;

        for (char **other = check->names; *other != NULL; other++)
            has_input = has_input || strcmp(*other, input) == 0;
        if (has_input)
            continue;
        (void)printf("FAILED  %s: there is no %s\n", *name, input);
        n++;
    }
    strv_free(&names);
    return n;
}

static void tell_end(struct check *check)
{
    struct err err = {.kind = ERR_NONE};
    size_t n, n_failed;

    assert(!check->told);
    assert(!check->running);
    assert(check->n_failed <= check->next);
    n = check->next + tell_alone(check);
    n_failed = check->n_failed + (n - check->next);
    check->told = true;
    (void)printf("%zu of %zu passed\n", n - n_failed, n);
    (void)fflush(stdout);
    if (n_failed > 0)
        (void)err_set(&err, ERR_ACTION, 0, "test: %zu of %zu failed", n_failed, n);
    check->ended(check->owner, &err);
}

static void clear_job(struct check *check)
{
    assert(!check->running); /* a worker reads the line of a running job */
    job_drop_line(&check->job);
    free(check->job.answer);
    memset(&check->job, 0, sizeof(check->job));
}

static void on_done(struct job *job)
{
    struct check *check = container_of(job, struct check, job);
    auto_buf struct buf answer = {0};
    char why[512], more[sizeof(job->reason)] = "";

    assert(check->running);
    check->running = false;
    if (check->stopped)
        return;
    if (contract_is_answered(job)) {
        buf_add(&answer, job->answer, job->answer_len);
    } else { /* a test may expect the error that a client would get */
        contract_explain(job, check->opts.answer_max_bytes, why, sizeof(why));
        json_add_error(&answer, why);
        contract_say_more(job, more, sizeof(more));
    }
    check->n_failed += !judge(check, check->names[check->next++], &answer, more);
    (void)fflush(stdout);
    clear_job(check);
    loop_post(check->loop, &check->step);
}

static void on_step(struct loop_post *post)
{
    struct check *check = container_of(post, struct check, step);
    struct job *job = &check->job;

    assert(!check->running);
    if (check->stopped)
        return;
    while (check->names[check->next] != NULL) {
        auto_free char *word = xasprintf("@%s/%s", check->opts.folder, check->names[check->next]);
        struct err err;

        if (argument_read(job, word, NULL, check->opts.argument_max_bytes, -1, &err) == 0) {
            bool taken;

            job->done = on_done;
            job->limit_ms = check->opts.run_ms;
            job->deadline_at_ms = JOB_BY_TURN;
            list_init(&job->node);
            taken = pool_submit(check->pool, job);
            assert(taken); /* the pool has room, since only the check submits jobs to it */
            check->running = true;
            return;
        }
        (void)printf("FAILED  %s: %s\n", check->names[check->next++], err.text);
        check->n_failed++;
        clear_job(check);
    }
    if (!check->told)
        tell_end(check);
}

/* ---- public functions ---- */

struct check *check_new(struct loop *loop, const struct check_opts *opts, check_ended_fn *ended,
                        void *owner, struct err *err)
{
    struct check *check = xcalloc(1, sizeof(*check));

    check->loop = loop;
    check->opts = *opts;
    check->ended = ended;
    check->owner = owner;
    loop_post_init(&check->step, on_step);
    check->names = target_list(opts->folder, "input", ".json");
    if (check->names[0] != NULL)
        return check;
    if (access(opts->folder, R_OK) < 0)
        (void)err_set(err, ERR_REQUEST, errno, "test: cannot read \"%s\": %s", opts->folder,
                      strerror(errno));
    else
        (void)err_set(err, ERR_REQUEST, 0, "test: no input*.json in \"%s\"", opts->folder);
    check_free(&check);
    return NULL;
}

void check_free(struct check **check)
{
    struct check *c = *check;

    if (c == NULL)
        return;
    assert(!c->running);
    loop_post_cancel(&c->step);
    clear_job(c);
    strv_free(&c->names);
    free(c);
    *check = NULL;
}

void check_serve(struct check *check, struct pool *pool)
{
    assert(check->pool == NULL);
    check->pool = pool;
    loop_post(check->loop, &check->step);
}

bool check_is_running(const struct check *check)
{
    return check->running;
}

bool check_has_ended(const struct check *check)
{
    return check->told;
}

void check_stop(struct check *check)
{
    check->stopped = true;
}
