/*
 * calls - what one call of an action costs through its pipes, with no HTTP around it: a line to
 * its input, its answer from its output, then the next.
 *
 *     calls anonymous|named N LINE PROGRAM [ARGUMENT]...
 *     calls anonymous|named N raw
 *
 * "raw" is the floor: a process forked from this one sends each byte back, and nobody looks at it.
 * Prints the microseconds that N calls took, after some to warm up, as JSON. Each answer must be
 * the same as the first one, which is told.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/line.h"
#include "base/util.h"

#define N_WARM_UP        20
#define N_MAX            10000000ul
#define READ_BYTES       65536
#define ANSWER_MAX_BYTES (1u << 20)
#define OPEN_MAX_S       60 /* a callee that does not open its named pipes: SIGALRM ends us */

struct call {
    const char *line; /* borrowed; with its newline */
    size_t n_line;
    int to;   /* the callee's input */
    int from; /* its output */
    struct line answers;
    struct buf first; /* the answer that all others must equal */
};

static int fail(const char *what)
{
    (void)fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
    return -1;
}

/* The forked callee of "raw". */
static void send_back(void)
{
    char byte;

    while (read(STDIN_FILENO, &byte, 1) == 1)
        if (write(STDOUT_FILENO, &byte, 1) != 1)
            _exit(1);
    _exit(0);
}

static void become_callee(int in, int out, char **argv)
{
    if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(127);
    if (argv == NULL)
        send_back();
    (void)execvp(argv[0], argv);
    _exit(127);
}

static pid_t start_anonymous(struct call *call, char **argv)
{
    int to[2];
    int from[2];
    pid_t pid;

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        return fail("cannot make pipes");
    pid = fork();
    if (pid == 0) {
        (void)close(to[1]); /* "raw" does not exec; its own end would keep its input open */
        become_callee(to[0], from[1], argv);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    call->to = to[1];
    call->from = from[0];
    return pid < 0 ? fail("cannot fork") : pid;
}

/* Both sides open in the same order, or they would wait for each other. */
static pid_t start_between(struct call *call, char **argv, const char *to, const char *from)
{
    pid_t pid;

    if (mkfifo(to, 0600) < 0 || mkfifo(from, 0600) < 0)
        return fail("cannot make named pipes");
    pid = fork();
    if (pid == 0) {
        int in = open(to, O_RDONLY);

        become_callee(in, open(from, O_WRONLY), argv);
    }
    if (pid < 0)
        return fail("cannot fork");
    (void)alarm(OPEN_MAX_S);
    call->to = open(to, O_WRONLY | O_CLOEXEC);
    call->from = open(from, O_RDONLY | O_CLOEXEC);
    (void)alarm(0);
    return call->to < 0 || call->from < 0 ? fail("cannot open the named pipes") : pid;
}

static pid_t start_named(struct call *call, char **argv)
{
    const char *parent = getenv("TMPDIR");
    auto_free char *folder = xasprintf("%s/calls.XXXXXX", parent != NULL ? parent : "/tmp");
    auto_free char *to = NULL;
    auto_free char *from = NULL;
    pid_t pid;

    if (mkdtemp(folder) == NULL)
        return fail("cannot make a folder for the named pipes");
    to = xasprintf("%s/to", folder);
    from = xasprintf("%s/from", folder);
    pid = start_between(call, argv, to, from);
    (void)unlink(to);
    (void)unlink(from);
    (void)rmdir(folder);
    return pid;
}

/* Send one line and wait for the line that answers it. */
static int call_once(struct call *call)
{
    const char *text;
    size_t n;

    if (fd_write_all(call->to, call->line, call->n_line) < 0)
        return fail("cannot write to the callee");
    for (;;) {
        enum line_result result = line_next(&call->answers, &text, &n);
        ssize_t got;

        if (result == LINE_READY)
            break;
        got = read(call->from, line_room(&call->answers, READ_BYTES), READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EPIPE; /* it has ended, or closed its output */
        if (got <= 0)
            return fail("no answer from the callee");
        line_added(&call->answers, (size_t)got);
    }
    if (buf_len(&call->first) == 0) {
        buf_add(&call->first, text, n);
        buf_add(&call->first, "", 1); /* ends it, and makes an empty answer a first one */
    }
    if (n + 1 == buf_len(&call->first) && memcmp(text, buf_at(&call->first), n) == 0)
        return 0;
    errno = EBADMSG;
    return fail("an answer differs from the first one");
}

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int measure(struct call *call, unsigned long n_calls)
{
    uint64_t began;
    uint64_t took;

    for (int i = 0; i < N_WARM_UP; i++)
        if (call_once(call) < 0)
            return -1;
    began = now_ns();
    for (unsigned long i = 0; i < n_calls; i++)
        if (call_once(call) < 0)
            return -1;
    took = now_ns() - began;
    /* The answer is JSON, or empty in a run of "raw". */
    (void)printf("{\"calls\":%lu,\"us\":%.1f,\"answer\":%s}\n", n_calls, (double)took / 1000,
                 buf_len(&call->first) > 1 ? buf_at(&call->first) : "null");
    return 0;
}

static int usage(void)
{
    (void)fputs("usage: calls anonymous|named N LINE PROGRAM [ARGUMENT]...\n"
                "       calls anonymous|named N raw        N: 1 to 10000000\n",
                stderr);
    return 2;
}

static int run(bool is_named, unsigned long n_calls, const char *text, char **argv)
{
    auto_free char *line = xasprintf("%s\n", argv != NULL ? text : "");
    struct call call = {.line = line, .n_line = strlen(line), .to = -1, .from = -1};
    int status = 0;
    int result;
    pid_t pid;

    assert(n_calls > 0);
    line_init(&call.answers, ANSWER_MAX_BYTES);
    pid = is_named ? start_named(&call, argv) : start_anonymous(&call, argv);
    result = pid < 0 ? -1 : measure(&call, n_calls);
    fd_close(&call.to); /* the callee ends with its input */
    if (pid > 0 && result < 0)
        (void)kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    fd_close(&call.from);
    line_done(&call.answers);
    buf_done(&call.first);
    if (result == 0 && status != 0)
        (void)fprintf(stderr, "calls: the callee did not end well: wait status %d\n", status);
    return result < 0 || status != 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    unsigned long n_calls;
    bool is_raw;
    bool is_named;

    if (argc < 4)
        return usage();
    n_calls = strtoul(argv[2], NULL, 10);
    is_named = strcmp(argv[1], "named") == 0;
    is_raw = argc == 4 && strcmp(argv[3], "raw") == 0;
    if ((!is_named && strcmp(argv[1], "anonymous") != 0) || n_calls < 1 || n_calls > N_MAX ||
        (argc == 4 && !is_raw))
        return usage();
    (void)signal(SIGPIPE, SIG_IGN);
    return run(is_named, n_calls, argv[3], is_raw ? NULL : argv + 4);
}
