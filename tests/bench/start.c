/*
 * start - what it takes at least until a resident action reads: vfork, exec, and its line that
 * says it is ready, on descriptor 3.
 *
 *     start PROGRAM [ARGUMENT]...
 *
 * Prints the microseconds from before vfork until that line was there, as JSON. Run it with
 * __OW_WAIT_FOR_ACK set, or the action says nothing. It is ended by the end of its input.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FD_MIN      10 /* the pipes' ends lie above the action's 0 to 3 */
#define READ_BYTES  4096
#define READY_MAX_S 60 /* an action that says nothing: SIGALRM ends us, and our end its input */

static int fail(const char *what)
{
    (void)fprintf(stderr, "start: %s: %s\n", what, strerror(errno));
    return -1;
}

static int high_pipe(int ends[2])
{
    int low[2];

    if (pipe2(low, O_CLOEXEC) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, FD_MIN);
        (void)close(low[i]);
    }
    return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

/* Between vfork and exec the parent's memory is ours too: system calls only. */
__attribute__((noinline)) static pid_t start(char **argv, int in, int out)
{
    pid_t pid = vfork();

    if (pid != 0)
        return pid;
    if (dup2(in, 0) < 0 || dup2(out, 3) < 0)
        _exit(127);
    (void)execv(argv[0], argv);
    _exit(127);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int wait_ready(int fd)
{
    char text[READ_BYTES];
    ssize_t n;

    do
        n = read(fd, text, sizeof(text));
    while ((n < 0 && errno == EINTR) || (n > 0 && memchr(text, '\n', (size_t)n) == NULL));
    if (n > 0)
        return 0;
    if (n == 0)
        errno = EPIPE; /* exec failed, or the action ended or does not announce itself */
    return fail("no ready line");
}

int main(int argc, char **argv)
{
    int in[2];
    int out[2];
    int status = 0;
    uint64_t began = now_ns();
    uint64_t took;
    int result;
    pid_t pid;

    if (argc < 2) {
        (void)fputs("usage: start PROGRAM [ARGUMENT]...\n", stderr);
        return 2;
    }
    (void)alarm(READY_MAX_S);
    if (high_pipe(in) < 0 || high_pipe(out) < 0)
        return fail("cannot make pipes") < 0;
    pid = start(argv + 1, in[0], out[1]);
    if (pid < 0)
        return fail("cannot start a process") < 0;
    (void)close(in[0]);
    (void)close(out[1]);
    result = wait_ready(out[0]);
    took = now_ns() - began;
    assert(took > 0);
    (void)close(in[1]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (result < 0 || status != 0)
        return 1;
    return printf("{\"us\":%.1f}\n", (double)took / 1000) < 0;
}
