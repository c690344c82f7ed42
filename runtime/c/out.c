/*
 * out - write answers to the proxy, and keep them in order with what is printed.
 *
 * The answers to all lines of one read wait, and are written at once. Three things must still work:
 *
 * The order. What an activation prints must reach the proxy after the previous answer. So stdout
 * and stderr are buffered, and whoever flushes them writes the waiting answers first.
 *
 * An activation that does not return. While there is work, a thread wakes up every FLUSH_MS and
 * writes the waiting answers and the printed text. When there is no work, it sleeps.
 *
 * An activation that ends the process. Waiting answers are in memory that the proxy reads when we
 * are dead (base/ring.h). If a proxy gives no such memory, each answer is written as it is made. In
 * a shell, exit() and the signals of a crash write the waiting answers.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/ring.h"
#include "base/util.h"
#include "inside.h"

#define KEPT_FD_MIN   100   /* our descriptors are above this: actions may count on small numbers */
#define LOG_BYTES     65536 /* size of the buffers of stdout and stderr */
#define FLUSH_MS      5     /* how long answers and printed text may wait */
#define IDLE_LOOKS    40    /* after this many rounds without work, the thread sleeps until woken */
#define STACK_BYTES   65536
#define CRASH_WAIT_MS 1000 /* how long a crashing process waits for the thread's write to end */
#define CRASH_SIGNALS 6
#define READY         "{\"ok\":true,\"pipeline\":64,\"parts\":true,\"control\":true}\n"
#define READY_RING    "{\"ok\":true,\"pipeline\":64,\"parts\":true,\"control\":true,\"ring\":true}\n"
#define RING_SEALS    (F_SEAL_SHRINK | F_SEAL_GROW) /* file seals that only a ring's memory has */

static struct {
    int fd; /* answers are written here; -1: not opened yet, or we are a fork and write none */
    pid_t pid;
    bool failed;          /* a write failed: nobody reads the answers any more */
    pthread_mutex_t lock; /* protects the members below */
    struct ring *ring;    /* its bytes from `written` up to ring->end are the waiting answers */
    uint64_t written;     /* bytes written so far, of all answers together */
    bool holds;           /* answers may wait; false: each is written at once */
    pthread_cond_t work;
    atomic_bool asleep; /* the thread waits for `work` to be signalled */
    atomic_uint n_work; /* counts calls of out_wake() */
} out = {.fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* Write the waiting answers. The caller holds the lock. */
static void write_batch(void)
{
    uint64_t end = atomic_load_explicit(&out.ring->end, memory_order_relaxed);

    while (out.written < end) {
        size_t at = out.written % RING_BYTES;
        size_t n =
            end - out.written < RING_BYTES - at ? (size_t)(end - out.written) : RING_BYTES - at;

        if (out.fd >= 0 && fd_write_all(out.fd, out.ring->bytes + at, n) < 0)
            out.failed = true;
        out.written += n;
    }
}

static void add_to_ring(const char *text, size_t n)
{
    uint64_t end = atomic_load_explicit(&out.ring->end, memory_order_relaxed);
    size_t at = end % RING_BYTES;
    size_t n_first = n < RING_BYTES - at ? n : RING_BYTES - at;

    memcpy(out.ring->bytes + at, text, n_first);
    memcpy(out.ring->bytes, text + n_first, n - n_first);
    out.ring->bytes[(end + n) % RING_BYTES] = '\n';
    atomic_store_explicit(&out.ring->end, end + n + 1, memory_order_release);
}

/* Write an answer that does not fit into the ring. No other answer waits. */
static void write_directly(const char *text, size_t n)
{
    if (out.fd >= 0 && (fd_write_all(out.fd, text, n) < 0 || fd_write_all(out.fd, "\n", 1) < 0))
        out.failed = true;
    out.written += n + 1;
    atomic_store_explicit(&out.ring->end, out.written, memory_order_release);
}

static bool has_printed(void)
{
    return __fpending(stdout) > 0 || __fpending(stderr) > 0;
}

/* Write the waiting answers, then what was printed after them. The caller holds the lock. */
static void write_all(void)
{
    write_batch();
    if (has_printed()) {
        (void)fflush(stdout);
        (void)fflush(stderr);
    }
}

void whisk_flush(void)
{
    (void)pthread_mutex_lock(&out.lock);
    write_all();
    (void)pthread_mutex_unlock(&out.lock);
}

bool out_flush(void)
{
    whisk_flush();
    return !out.failed;
}

void out_answer(const char *text, size_t n)
{
    (void)pthread_mutex_lock(&out.lock);
    if (has_printed())
        write_all();
    if (atomic_load_explicit(&out.ring->end, memory_order_relaxed) - out.written + n >= RING_BYTES)
        write_batch();
    if (n < RING_BYTES)
        add_to_ring(text, n);
    else
        write_directly(text, n);
    if (!out.holds)
        write_batch();
    (void)pthread_mutex_unlock(&out.lock);
}

void out_part(const char *line, size_t n)
{
    if (!out_is_ours()) /* we are a child that the handler has forked */
        return;
    whisk_flush();
    /* No answer waits, and none is made while a handler runs. So the lock is not needed here, where
     * a caller that reads slowly may block us. */
    if (fd_write_all(out.fd, line, n) < 0)
        out.failed = true;
    (void)pthread_mutex_lock(&out.lock);
    out.written += n;
    atomic_store_explicit(&out.ring->end, out.written, memory_order_release);
    (void)pthread_mutex_unlock(&out.lock);
}

bool out_is_ours(void)
{
    return out.fd >= 0 && getpid() == out.pid;
}

/* ---- for activations that do not return ---- */

static void *look(void *unused)
{
    struct timespec span = {.tv_nsec = FLUSH_MS * 1000000L};
    unsigned seen = 0, n_idle = 0;

    for (;;) {
        unsigned n = atomic_load(&out.n_work);

        n_idle = n == seen ? n_idle + 1 : 0;
        seen = n;
        (void)pthread_mutex_lock(&out.lock);
        write_all();
        if (n_idle >= IDLE_LOOKS) {
            atomic_store(&out.asleep, true);
            /* out_wake() counts n_work up before it reads `asleep`. So once `asleep` is set, look
             * at n_work again. */
            while (atomic_load(&out.asleep) && atomic_load(&out.n_work) == seen)
                (void)pthread_cond_wait(&out.work, &out.lock);
            atomic_store(&out.asleep, false);
            n_idle = 0;
        }
        (void)pthread_mutex_unlock(&out.lock);
        (void)nanosleep(&span, NULL);
    }
    return unused;
}

void out_wake(void)
{
    atomic_fetch_add(&out.n_work, 1);
    if (!atomic_load(&out.asleep))
        return;
    (void)pthread_mutex_lock(&out.lock);
    (void)pthread_cond_signal(&out.work);
    (void)pthread_mutex_unlock(&out.lock);
}

static bool start_thread(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int failed;

    /* The thread inherits a full mask: signals are for the action's threads. Its stack has the
     * usual size, since glibc takes the action's thread-local variables out of it. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    failed = pthread_create(&thread, &attr, look, NULL);
    (void)pthread_attr_destroy(&attr);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return failed == 0;
}

/* ---- for activations that end the process, or double it ---- */

static void on_exit_of_process(void)
{
    if (out_is_ours())
        whisk_flush();
}

/* Lock, after waiting for the thread if it is writing: an answer written twice would be taken for
 * the next activation's. false: the code that crashed holds the lock, and waiting answers are
 * lost. */
static bool lock_for_crash(void)
{
    struct timespec span = {.tv_nsec = 1000000};

    for (unsigned n = 0; n < CRASH_WAIT_MS; n++) {
        if (pthread_mutex_trylock(&out.lock) == 0)
            return true;
        (void)nanosleep(&span, NULL);
    }
    return false;
}

static void on_crash(int signo)
{
    if (out_is_ours() && lock_for_crash()) {
        write_batch();
        if (ftrylockfile(stdout) == 0)
            (void)fflush_unlocked(stdout);
        if (ftrylockfile(stderr) == 0)
            (void)fflush_unlocked(stderr);
    }
    (void)raise(signo); /* SA_RESETHAND has restored the signal's default action */
}

static void watch_crashes(void)
{
    static const int signals[CRASH_SIGNALS] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
    static char stack[STACK_BYTES]; /* the usual stack may have overflowed */
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = on_crash,
                               .sa_flags = (int)(SA_RESETHAND | SA_NODEFER | SA_ONSTACK)};
    struct sigaction before;

    (void)sigaltstack(&alternative, NULL);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        /* Keep the handlers that others, such as sanitizers, have set before. */
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            (void)sigaction(signals[i], &action, NULL);
    }
}

static void before_fork(void)
{
    (void)pthread_mutex_lock(&out.lock);
    write_all(); /* else the child would print the buffered text again */
}

static void after_fork(void)
{
    (void)pthread_mutex_unlock(&out.lock);
}

/* A forked child must not answer, nor keep the descriptor of the answers open after our death. */
static void after_fork_in_child(void)
{
    static struct ring nobodys;

    fd_close(&out.fd);
    out.ring = &nobodys;
    out.written = 0;
    (void)pthread_mutex_unlock(&out.lock);
}

/* ---- the start ---- */

static int keep_away(int fd)
{
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FD_MIN);

    return kept >= 0 ? kept : fcntl(fd, F_DUPFD_CLOEXEC, 4);
}

static bool is_writable(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/* Set up the descriptors: the layout "fd3" under a proxy, else that of a filter in a shell. Source:
 * runtime/README.md, Descriptors. */
static bool arrange(int *in, bool announces)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool on_fd3 = announces && is_writable(3);

    *in = keep_away(STDIN_FILENO);
    out.fd = keep_away(on_fd3 ? 3 : STDOUT_FILENO);
    if (nothing < 0 || *in < 0 || out.fd < 0 || dup2(nothing, STDIN_FILENO) < 0)
        return false;
    (void)close(nothing);
    if (on_fd3)
        (void)close(3);
    else if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return false;
    return true;
}

/* Set out.ring to the memory that the proxy shares with us, or allocate it. Returns whether it is
 * shared. */
static bool find_ring(bool announces)
{
    struct stat info;
    int seals = fcntl(RING_FD, F_GET_SEALS);
    void *memory = MAP_FAILED;

    if (announces && seals >= 0 && (seals & RING_SEALS) == RING_SEALS &&
        fstat(RING_FD, &info) == 0 && info.st_size == (off_t)sizeof(struct ring)) {
        memory = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED, RING_FD, 0);
        (void)close(RING_FD);
    }
    out.holds = !announces || memory != MAP_FAILED;
    out.ring = memory != MAP_FAILED ? memory : calloc(1, sizeof(struct ring));
    return memory != MAP_FAILED;
}

/* Write the ready line, whose bytes count like those of an answer. */
static bool announce(const char *line, size_t n)
{
    if (fd_write_all(out.fd, line, n) < 0)
        return false;
    out.written += n;
    atomic_store(&out.ring->end, out.written);
    return true;
}

bool out_open(int *in, bool announces)
{
    static char stdout_buffer[LOG_BYTES], stderr_buffer[LOG_BYTES]; /* glibc's own are smaller */
    bool shared = find_ring(announces);

    assert(out.fd < 0);
    if (out.ring == NULL)
        return false;
    (void)fflush(stdout);
    (void)fflush(stderr);
    if (!arrange(in, announces))
        return false;
    out.pid = getpid();
    (void)setvbuf(stdout, stdout_buffer, _IOFBF, sizeof(stdout_buffer));
    (void)setvbuf(stderr, stderr_buffer, _IOFBF, sizeof(stderr_buffer));
    watch_crashes();
    if (atexit(on_exit_of_process) != 0 ||
        pthread_atfork(before_fork, after_fork, after_fork_in_child) != 0 || !start_thread())
        return false;
    if (!announces)
        return true;
    return shared ? announce(READY_RING, sizeof(READY_RING) - 1)
                  : announce(READY, sizeof(READY) - 1);
}
