#include "worker/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void window_init(struct window *window)
{
    memset(window, 0, sizeof(*window));
    list_init(&window->jobs);
    window->soonest_ms = UINT64_MAX;
}

static void window_check(const struct window *window)
{
    assert((window->n == 0) == list_empty(&window->jobs));
    assert(window->n_tombstones <= window->n);
    assert(window->unsent != NULL || window->unsent_written == 0);
    assert(window->n_prefix == 0 || window->n > 0);
    assert(window->unsent == NULL || window->n > 0);
    assert(!window->sent_brace || window->unsent_written == 0);
}

/* Whether the time limit of this job is running. With request ids the limits of all jobs run at
 * once, and a tombstone has no limit. Without request ids only the limit of the oldest entry runs.
 * That holds for a tombstone, too, since it blocks the jobs behind it. */
static bool has_turn(const struct window *window, const struct job *job)
{
    return window->numbered ? !job->tombstone : job == window_oldest(window);
}

/* If this job's time limit begins when its turn comes (JOB_BY_TURN), and its turn has come, set
 * soonest_ms to 0. Then the owner calls window_late() at once, which sets the deadline. */
static void begin_turn(struct window *window, const struct job *job)
{
    if (job != NULL && job->deadline_at_ms == JOB_BY_TURN && has_turn(window, job))
        window->soonest_ms = 0;
}

static void give_number(struct window *window, struct job *job)
{
    job->number = ++window->last_number;
    job->head_len = (uint8_t)request_id_head(job->head, job->number);
}

void window_open(struct window *window)
{
    assert(window->n == 0);
    window_set_numbered(window, false);
    window->unheard = false;
    window->sent_brace = false;
    window->last_number = 0;
}

void window_set_numbered(struct window *window, bool numbered)
{
    assert(!window_awaits_answer(window));
    assert(!window->sent_brace || !numbered);
    window->numbered = numbered;
    if (numbered)
        list_each(node, &window->jobs)
            give_number(window, list_item(node, struct job, node));
}

void window_add(struct window *window, struct job *job)
{
    assert(job->outcome == JOB_PENDING && job->answer == NULL);
    assert(job->len > 0 && job->line[job->len - 1] == '\n');
    list_add_tail(&window->jobs, &job->node);
    window->n++;
    job->end_at = 0;
    if (window->numbered)
        give_number(window, job);
    if (window->unsent == NULL)
        window->unsent = job;
    if (window->n == 1 || job->deadline_at_ms < window->soonest_ms)
        window->soonest_ms = job->deadline_at_ms;
    begin_turn(window, job);
    window_check(window);
}

struct job *window_oldest(const struct window *window)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what window_take() frees is not in the list. */
    return window->n > 0 ? list_item(window->jobs.next, struct job, node) : NULL;
}

struct job *window_find(const struct window *window, uint64_t number)
{
    assert(window->numbered); /* only then lines have request ids */
    list_each(node, &window->jobs) {
        struct job *job = list_item(node, struct job, node);

        if (job == window->unsent && window->unsent_written == 0)
            break;
        if (job->number == number)
            return job;
        if (job == window->unsent)
            break;
    }
    return NULL;
}

/* Length of a job's line as it is written to the worker: with its request id if it has one. */
static size_t written_len(const struct window *window, const struct job *job)
{
    return job->len + (window->numbered ? job->head_len + sizeof(REQUEST_ID_TAIL) - 1 : 0);
}

static struct job *job_after(const struct window *window, const struct job *job)
{
    return job->node.next != &window->jobs ? list_item(job->node.next, struct job, node) : NULL;
}

struct job *window_take(struct window *window, struct job *job)
{
    assert(window->n > 0);
    if (job == window_oldest(window))
        window->n_prefix = 0;
    if (window->unsent == job) {
        window->unsent = job_after(window, job);
        window->unsent_written = 0;
    }
    list_remove(&job->node);
    window->n--;
    begin_turn(window, window_oldest(window));
    if (job->tombstone) {
        assert(window->n_tombstones > 0);
        window->n_tombstones--;
        job_drop_line(job);
        free(job);
        job = NULL;
    }
    window_check(window);
    return job;
}

void window_drop_tombstones(struct window *window)
{
    struct list *next;

    for (struct list *node = window->jobs.next; node != &window->jobs; node = next) {
        struct job *job = list_item(node, struct job, node);

        next = node->next;
        if (job->tombstone)
            (void)window_take(window, job);
    }
}

bool window_has_only_prefix(const struct window *window)
{
    return window->n_prefix > 0 && window->unsent == window_oldest(window) &&
           window->unsent_written <= window->n_prefix;
}

bool window_awaits_answer(const struct window *window)
{
    return window->n > 0 &&
           (window->unsent != window_oldest(window) || window->unsent_written > window->n_prefix);
}

/* The first byte of every line is "{". If that byte was written before there was a line
 * (window_sent_brace()), count it as a byte of the first unsent line from now on. */
static void count_brace(struct window *window)
{
    assert(!window->sent_brace || window->unsent_written == 0);
    if (window->unsent != NULL && window->unsent_written == 0) {
        window->unsent_written = window->sent_brace;
        if (window->sent_brace && window->unsent == window_oldest(window))
            window->n_prefix = 1;
        window->sent_brace = false;
    }
}

const char *window_prefix(struct window *window)
{
    struct job *job = window->unsent;

    assert(job != NULL && job == window_oldest(window) && !window->numbered);
    assert(job->len >= sizeof("{}\n") - 1);
    count_brace(window);
    if (window->unsent_written + sizeof("}\n") - 1 == job->len) /* "{}": "{" was written */
        return NULL;
    window->n_prefix = window->unsent_written + 1;
    return job->line + window->unsent_written;
}

void window_sent_brace(struct window *window)
{
    assert(window->unsent == NULL && !window->sent_brace);
    window->sent_brace = true;
    window->n_written++;
}

/* Fill `pieces` with the bytes of a job's line that follow the first n_skip. Returns the number of
 * pieces. */
static int line_pieces(const struct window *window, struct job *job, size_t n_skip,
                       struct iovec pieces[WINDOW_PIECES])
{
    static char tail[] = REQUEST_ID_TAIL "\n";
    struct iovec all[WINDOW_PIECES] = {
        {job->head, job->head_len}, {job->line, job->len - 1}, {tail, sizeof(tail) - 1}};
    int n = 0;

    assert(n_skip < written_len(window, job));
    if (!window->numbered) {
        pieces[0] = (struct iovec){job->line + n_skip, job->len - n_skip};
        return 1;
    }
    for (int i = 0; i < WINDOW_PIECES; i++) {
        size_t skipped = n_skip < all[i].iov_len ? n_skip : all[i].iov_len;

        n_skip -= skipped;
        if (skipped < all[i].iov_len)
            pieces[n++] =
                (struct iovec){(char *)all[i].iov_base + skipped, all[i].iov_len - skipped};
    }
    return n;
}

int window_lines(struct window *window, struct iovec *lines, int max)
{
    int pieces = window->numbered ? WINDOW_PIECES : 1;
    int n = 0;

    count_brace(window);
    for (struct job *job = window->unsent; job != NULL && n + pieces <= max;
         job = job_after(window, job))
        n +=
            line_pieces(window, job, job == window->unsent ? window->unsent_written : 0, lines + n);
    return n;
}

void window_wrote(struct window *window, size_t n)
{
    assert(n == 0 || !window->sent_brace); /* count_brace() cleared it before the write */
    window->n_written += n;
    while (n > 0) {
        size_t left;

        assert(window->unsent != NULL);
        left = written_len(window, window->unsent) - window->unsent_written;
        if (n < left) {
            window->unsent_written += n;
            return;
        }
        n -= left;
        window->unsent->end_at = window->n_written - n;
        if (!window->numbered)
            window->unsent->number = ++window->last_number;
        window->unsent = job_after(window, window->unsent);
        window->unsent_written = 0;
    }
}

bool window_is_between_lines(const struct window *window)
{
    return window->unsent_written == 0 && !window->sent_brace;
}

void window_wrote_else(struct window *window, size_t n)
{
    assert(window_is_between_lines(window));
    window->n_written += n;
}

/* How many bytes were written before the first byte of this job's line. */
static uint64_t start_of(const struct window *window, const struct job *job)
{
    assert(window->n_written >= window->unsent_written);
    assert(job == window->unsent || job->end_at >= written_len(window, job));
    return job == window->unsent ? window->n_written - window->unsent_written
                                 : job->end_at - written_len(window, job);
}

/* Count the jobs whose lines the process has read in full or, unless in_full, beyond a prefix. Use
 * the position of each line among all bytes written. Adding up the lengths of the lines in the
 * window would be wrong: a job answered before its line was read has left the window. */
static unsigned n_lines_read(const struct window *window, size_t n_unread, bool in_full)
{
    uint64_t n_written = window->n_written;
    uint64_t read_up_to = n_unread < n_written ? n_written - n_unread : 0;
    size_t n_prefix = window->n_prefix; /* of the oldest job only */
    unsigned n = 0;

    list_each(node, &window->jobs) {
        const struct job *job = list_item(node, struct job, node);

        if (in_full ? job == window->unsent || job->end_at > read_up_to
                    : start_of(window, job) + n_prefix >= read_up_to)
            break;
        n_prefix = 0;
        n++;
        if (job == window->unsent)
            break;
    }
    return n;
}

/* Whether a job's line, from byte n_skip on, is bytes[0 .. n). */
static bool has_bytes(const struct window *window, struct job *job, size_t n_skip,
                      const char *bytes, size_t n)
{
    struct iovec pieces[WINDOW_PIECES];
    int n_pieces = line_pieces(window, job, n_skip, pieces);

    for (int i = 0; i < n_pieces && n > 0; i++) {
        size_t n_now = n < pieces[i].iov_len ? n : pieces[i].iov_len;

        if (memcmp(bytes, pieces[i].iov_base, n_now) != 0)
            return false;
        bytes += n_now;
        n -= n_now;
    }
    assert(n == 0);
    return true;
}

bool window_wrote_last(const struct window *window, const char *bytes, size_t n)
{
    uint64_t first = window->n_written - n; /* position of bytes[0] */

    if (n > window->n_written)
        return false;
    list_each(node, &window->jobs) {
        struct job *job = list_item(node, struct job, node);
        uint64_t start = start_of(window, job);
        uint64_t end = job == window->unsent ? window->n_written : job->end_at;
        uint64_t at = start > first ? start : first;

        if (!job->tombstone && at < end &&
            !has_bytes(window, job, at - start, bytes + (at - first), end - at))
            return false;
        if (job == window->unsent)
            break;
    }
    return true;
}

unsigned window_n_read(const struct window *window, size_t n_unread)
{
    return n_lines_read(window, n_unread, false);
}

unsigned window_n_begun(const struct window *window, size_t n_unread)
{
    unsigned n_read;

    if (window->numbered)
        return n_lines_read(window, n_unread, true);
    n_read = window_n_read(window, n_unread);
    return window->unheard || n_read == 0 ? n_read : 1;
}

/* If any byte of the job's line was written, put a tombstone in its place: an entry that absorbs
 * the answer, which may still come. If not, do nothing. */
static void leave_tombstone(struct window *window, struct job *job)
{
    struct job *tombstone;

    assert(job->outcome == JOB_PENDING);
    if (job == window->unsent ? window->unsent_written == 0 : job->end_at == 0)
        return;
    tombstone = xcalloc(1, sizeof(*tombstone));
    tombstone->tombstone = true;
    tombstone->len = job->len;
    tombstone->end_at = job->end_at;
    tombstone->number = job->number;
    tombstone->head_len = job->head_len;
    memcpy(tombstone->head, job->head, sizeof(tombstone->head));
    tombstone->deadline_at_ms = JOB_BY_TURN;
    list_add_before(&job->node, &tombstone->node);
    window->n++;
    window->n_tombstones++;
    if (window->unsent == job) { /* the rest of the line must still be written */
        tombstone->line = TAKE(job->line);
        tombstone->block = TAKE(job->block);
        window->unsent = tombstone;
    }
}

struct job *window_give_up(struct window *window, struct job *job)
{
    assert(!job->tombstone);
    leave_tombstone(window, job);
    return window_take(window, job);
}

enum window_late window_late(struct window *window, uint64_t now_ms, uint64_t tombstone_ms,
                             struct job **late)
{
    window->soonest_ms = UINT64_MAX;
    list_each(node, &window->jobs) {
        struct job *job = list_item(node, struct job, node);

        if (job->deadline_at_ms == JOB_BY_TURN && has_turn(window, job))
            job->deadline_at_ms = now_ms + (job->tombstone ? tombstone_ms : job->limit_ms);
        if (job->deadline_at_ms <= now_ms) {
            if (!window->numbered && job == window_oldest(window) &&
                (window_awaits_answer(window) || job->tombstone))
                return WINDOW_LATE_RUNNING;
            if (!job->tombstone) {
                *late = window_give_up(window, job);
                return WINDOW_LATE_JOB;
            }
        }
        if (job->deadline_at_ms < window->soonest_ms)
            window->soonest_ms = job->deadline_at_ms;
    }
    return WINDOW_IN_TIME;
}
