/*
 * Between finding a child and signalling it, its pid cannot pass to another process: the pid stays
 * taken until we reap the child, and we reap nothing in between. For other descendants, which their
 * parents may reap, kill_descendant() takes a pidfd.
 */

#include "base/kin.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"

#define SCORE_MAX 1000 /* the highest oom_score_adj that the kernel accepts */
/* Each child gets an oom_score_adj of its own, called its mark: above this and above our score. */
#define SCORE_FROM    800
#define MARKS_MAX     64   /* we give at most 64 marks: if more children run, some share one */
#define SPARED_MAX    64   /* kin_spare() protects at most this many children at a time */
#define CHILDREN_MAX  4096 /* a round of killing handles at most this many; the next one the rest */
#define KILLS_MAX     1000 /* a round kills at most this many: it must not take long */
#define ROUND_MS      5    /* pause between rounds of killing: the killed are gone by then */
#define ROUNDS_QUICK  200
#define ROUND_SLOW_MS 100   /* pause after ROUNDS_QUICK rounds */
#define TEXT_BYTES    65536 /* we read at most this much of the list of our children's pids */
#define PARENTS_MAX   64
#define STATUS_BYTES  4096 /* we read only the top of /proc/PID/status, where TracerPid is */

static struct {
    int score_fd;  /* our own oom_score_adj, open for writing; -1: it cannot be written */
    int own_score; /* our oom_score_adj before kin_begin() and after kin_finish() */
    /* Each child gets a mark, which stands for an oom_score_adj. All descendants of the child
     * inherit this score: by it, we find the processes that an ended child has left behind. Marks
     * are 1 .. n_marks. If n_marks is 0, all children have mark 0, and no score is set. */
    unsigned n_marks;
    int first_score;                /* the oom_score_adj of mark 1 */
    unsigned n_used[MARKS_MAX + 1]; /* per mark: number of running children that have it */
    bool pending[MARKS_MAX + 1]; /* per mark: its children have ended; kill processes they left */
    unsigned rounds_left;        /* rounds that may still follow with the short pause */
    bool has_user;               /* kin_set_user() was called: `user` is valid */
    uid_t user;
    pid_t spared[SPARED_MAX];
    unsigned n_spared;       /* kin_spare() calls so far; the last SPARED_MAX are in spared[] */
    struct loop *loop;       /* borrowed; NULL until the first kin_end() */
    struct loop_timer timer; /* runs the next round of killing */
    bool open;
} kin = {.score_fd = -1};

static void on_round(struct loop_timer *timer);

/* ---- what the kernel knows of a process ---- */

static bool read_score(pid_t pid, int *score)
{
    char path[64];
    char text[16];

    (void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
    if (!file_read_text(path, text, sizeof(text)))
        return false;
    *score = (int)strtol(text, NULL, 10);
    return true;
}

#define STAT_MAX_BYTES 512

/* Read /proc/PID/stat. Returns its text from the field `state` on, "S PPID ..."; NULL: it cannot be
 * read. */
static const char *read_stat(pid_t pid, char text[STAT_MAX_BYTES])
{
    char path[64];
    const char *at;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (!file_read_text(path, text, STAT_MAX_BYTES) || (at = strrchr(text, ')')) == NULL)
        return NULL;
    return strlen(at) > 4 ? at + 2 : NULL;
}

/* The pid of this process's parent; 0: it cannot be read. */
static pid_t parent_of(pid_t pid)
{
    char text[STAT_MAX_BYTES];
    const char *stat = read_stat(pid, text);

    return stat != NULL ? (pid_t)strtol(stat + 2, NULL, 10) : 0;
}

bool kin_is_stopped(pid_t pid)
{
    char text[STAT_MAX_BYTES];
    const char *stat = read_stat(pid, text);

    return stat != NULL && stat[0] == 'T';
}

uint64_t kin_used_ms(pid_t pid)
{
    char text[STAT_MAX_BYTES];
    const char *stat = read_stat(pid, text);
    unsigned long user, kernel;

    /* proc_pid_stat(5): utime and stime are fields 14 and 15; `stat` begins with field 3, the
     * state. */
    if (stat == NULL ||
        sscanf(stat, "%*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user, &kernel) != 2)
        return 0;
    return (uint64_t)(user + kernel) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* For kernels without /proc/PID/task/TID/children: look at all processes. */
static size_t scan_children(pid_t *pids, size_t n_max)
{
    DIR *proc = opendir("/proc");
    const struct dirent *item;
    size_t n = 0;

    while (proc != NULL && n < n_max && (item = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(item->d_name, NULL, 10);

        if (pid > 1 && parent_of(pid) == getpid())
            pids[n++] = pid;
    }
    if (proc != NULL)
        (void)closedir(proc);
    return n;
}

/* List the children of this process's main thread. Returns how many were found, at most n_max. */
static size_t list_children(pid_t parent, pid_t *pids, size_t n_max)
{
    auto_buf struct buf text = {0};
    auto_fd int fd = -1;
    char path[64];
    const char *at;
    size_t n = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return parent == getpid() ? scan_children(pids, n_max) : 0;
    /* One read() returns at most a page of the list, so read until its end. */
    (void)buf_read_all(&text, fd, TEXT_BYTES, -1);
    buf_add(&text, "", 1);
    at = buf_at(&text);
    while (n < n_max) {
        char *end;
        long pid = strtol(at, &end, 10);

        if (end == at)
            break;
        pids[n++] = (pid_t)pid;
        at = end;
    }
    return n;
}

/* ---- marks ---- */

void kin_open(void)
{
    pid_t pids[SPARED_MAX];
    size_t n = list_children(getpid(), pids, SPARED_MAX);
    int from;

    assert(!kin.open);
    for (size_t i = 0; i < n; i++)
        kin_spare(pids[i]);
    loop_timer_init(&kin.timer, on_round);
    kin.open = true;
    kin.score_fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (kin.score_fd < 0 || !read_score(getpid(), &kin.own_score))
        return;
    from = kin.own_score < SCORE_FROM ? SCORE_FROM : kin.own_score;
    kin.first_score = from + 1;
    kin.n_marks = (unsigned)(SCORE_MAX - from);
    if (kin.n_marks > MARKS_MAX)
        kin.n_marks = MARKS_MAX;
}

void kin_close(void)
{
    fd_close(&kin.score_fd);
    loop_timer_clear(&kin.timer);
    memset(&kin, 0, sizeof(kin));
    kin.score_fd = -1;
}

void kin_set_user(uid_t uid)
{
    kin.has_user = true;
    kin.user = uid;
}

void kin_spare(pid_t pid)
{
    kin.spared[kin.n_spared++ % SPARED_MAX] = pid;
}

unsigned kin_mark(void)
{
    unsigned best = kin.n_marks > 0 ? 1 : 0;

    for (unsigned mark = best; mark <= kin.n_marks; mark++)
        if (kin.n_used[mark] < kin.n_used[best] ||
            (kin.n_used[mark] == kin.n_used[best] && kin.pending[best] && !kin.pending[mark]))
            best = mark;
    assert(best <= kin.n_marks);
    kin.n_used[best]++;
    kin.pending[best] = false; /* from now on the mark does not tell old processes from new ones */
    return best;
}

void kin_unmark(unsigned mark)
{
    assert(mark <= kin.n_marks && kin.n_used[mark] > 0);
    kin.n_used[mark]--;
}

static void write_score(int fd, int score)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", score);

    (void)!pwrite(fd, text, (size_t)n, 0);
}

static int score_of(unsigned mark)
{
    assert(mark >= 1 && mark <= kin.n_marks);
    assert(kin.n_used[mark] > 0);
    return kin.first_score + (int)mark - 1;
}

void kin_begin(unsigned mark)
{
    assert(mark == 0 || kin.score_fd >= 0);
    if (mark > 0)
        write_score(kin.score_fd, score_of(mark));
}

void kin_finish(void)
{
    assert(kin.n_marks == 0 || kin.score_fd >= 0);
    if (kin.n_marks > 0)
        write_score(kin.score_fd, kin.own_score);
}

void kin_mark_process(pid_t pid, unsigned mark)
{
    char path[64];
    auto_fd int fd = -1;

    if (mark == 0)
        return;
    (void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        write_score(fd, score_of(mark));
}

/* ---- ending ---- */

static bool is_spared(pid_t pid)
{
    for (size_t i = 0; i < ARRAY_LEN(kin.spared); i++)
        if (kin.spared[i] == pid)
            return true;
    return false;
}

/* Whether this process is one of our children, or descends from one. A child that kin_spare()
 * protects does not count. */
static bool descends_from_us(pid_t pid)
{
    for (unsigned n = 0; pid > 0 && n < PARENTS_MAX; n++) {
        pid_t parent = parent_of(pid);

        if (parent == getpid())
            return !is_spared(pid);
        pid = parent;
    }
    return false;
}

void kin_untrace(pid_t pid)
{
    static const char field[] = "\nTracerPid:";
    char path[64];
    char text[STATUS_BYTES];
    const char *at;
    pid_t tracer;

    assert(pid > 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (!file_read_text(path, text, sizeof(text)) || (at = strstr(text, field)) == NULL)
        return;
    tracer = (pid_t)strtol(at + sizeof(field) - 1, NULL, 10);
    if (tracer > 0 && descends_from_us(tracer))
        (void)kill(tracer, SIGKILL);
}

static bool is_users(pid_t pid)
{
    struct stat info;
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return kin.has_user && stat(path, &info) == 0 && info.st_uid == kin.user;
}

static bool is_idle(void)
{
    for (unsigned mark = 0; mark <= kin.n_marks; mark++)
        if (kin.n_used[mark] > 0)
            return false;
    return true;
}

/* Whether this process was started by a child of ours that has ended, or by a descendant of it. */
static bool is_left_behind(pid_t pid)
{
    int score;
    int mark;

    if (!read_score(pid, &score))
        return false;
    if (kin.n_marks == 0)
        return kin.pending[0];
    mark = score - kin.first_score + 1;
    if (mark >= 1 && mark <= (int)kin.n_marks)
        return kin.pending[mark];
    /* The process has no mark: it has changed its oom_score_adj. But with --user every child that
     * runs as this user belongs to the action. */
    return is_idle() && is_users(pid);
}

/* Kill a descendant of ours that is no child of ours, at least until its parents are dead. */
static bool kill_descendant(pid_t pid)
{
    auto_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    return fd >= 0 && descends_from_us(pid) &&
           syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

/* Kill the children for which is_left_behind() is true, and those of their descendants for which it
 * is. Processes that `loop` watches are not killed. loop is NULL: kill all. A child that
 * kin_spare() protects is never killed. Returns how many were killed, at most KILLS_MAX. */
static size_t kill_round(const struct loop *loop)
{
    auto_free pid_t *pids = xcalloc(CHILDREN_MAX, sizeof(*pids));
    size_t n_children = list_children(getpid(), pids, CHILDREN_MAX);
    size_t n = n_children, n_killed = 0;

    for (size_t i = 0; i < n && n_killed < KILLS_MAX; i++) {
        size_t n_more;

        if (is_spared(pids[i]) ||
            (loop != NULL && (loop_child_is_watched(loop, pids[i]) || !is_left_behind(pids[i]))))
            continue;
        /* Before it dies: later its children are ours, but those of its children still are not. */
        n_more = list_children(pids[i], pids + n, CHILDREN_MAX - n);
        if (i < n_children ? kill(pids[i], SIGKILL) < 0 : !kill_descendant(pids[i]))
            continue;
        n += n_more;
        n_killed++;
    }
    return n_killed;
}

/* Kill what is left behind, until a round finds nothing. */
static void go_on(struct loop *loop)
{
    unsigned pause_ms = ROUND_MS;

    assert(kin.open);
    assert(kin.loop == loop);
    assert(kin.rounds_left <= ROUNDS_QUICK);
    if (kill_round(loop) == 0) {
        memset(kin.pending, 0, sizeof(kin.pending));
        return;
    }
    if (kin.rounds_left == 0)
        pause_ms = ROUND_SLOW_MS;
    else if (--kin.rounds_left == 0)
        log_warn("kin.left", log_text("reason", "processes of an action start others as fast as "
                                                "they are killed"));
    loop_timer_set(loop, &kin.timer, loop_now_ms(loop) + pause_ms);
}

static void on_round(struct loop_timer *timer)
{
    (void)timer;
    go_on(kin.loop);
}

void kin_end(struct loop *loop, unsigned mark)
{
    if (!kin.open)
        return;
    assert(mark <= kin.n_marks && kin.n_used[mark] > 0);
    if (--kin.n_used[mark] > 0)
        return;
    kin.pending[mark] = true;
    kin.rounds_left = ROUNDS_QUICK;
    kin.loop = loop;
    go_on(loop);
}

void kin_end_all(void)
{
    uint64_t until_ns = loop_clock_ns() + (uint64_t)KIN_END_MS * 1000000;

    if (!kin.open)
        return;
    loop_timer_clear(&kin.timer);
    for (;;) {
        const struct timespec pause = {.tv_nsec = 1000000};
        size_t n_left = kill_round(NULL);

        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (n_left == 0)
            return;
        if (loop_clock_ns() >= until_ns) {
            log_warn("kin.left", log_count("processes", n_left));
            return;
        }
        (void)nanosleep(&pause, NULL);
    }
}
