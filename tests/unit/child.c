/*
 * child - a worker that misbehaves on command.
 *
 * Each argument is one step, and so is each part between semicolons of a line that `serve` reads:
 * a test writes down what the child does as its launch, and what it does with an activation as the
 * activation's line. A step is VERB[DESCRIPTOR][:ARGUMENT], see the table at the end.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIFE_MAX_S     60   /* nothing of a test outlives it for longer */
#define RUNAWAY_LIFE_S 3    /* whom no test can end */
#define FLOOD_LINES    1000 /* lines in one write of a flood */

static void run_step(char *step);

static void put(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);

        if (written < 0)
            exit(90);
        bytes += written;
        n -= (size_t)written;
    }
}

/* ---- saying something ---- */

static void do_line(int fd, const char *text)
{
    char line[4096];
    int n = snprintf(line, sizeof(line), "%s\n", text);

    put(fd, line, n > 0 ? (size_t)n : 0);
}

static void do_write(int fd, const char *text)
{
    put(fd, text, strlen(text));
}

static void do_fill(int fd, const char *count)
{
    char block[4096];
    size_t left = strtoul(count, NULL, 10);

    memset(block, 'x', sizeof(block));
    while (left > 0) {
        size_t n = left < sizeof(block) ? left : sizeof(block);

        put(fd, block, n);
        left -= n;
    }
}

static void do_flood(int fd, const char *arg)
{
    static char lines[FLOOD_LINES * 2];

    (void)arg;
    for (size_t i = 0; i < sizeof(lines); i += 2)
        memcpy(lines + i, "y\n", 2);
    for (;;)
        put(fd, lines, sizeof(lines));
}

/* ---- ending, hanging, refusing ---- */

static void do_exit(int fd, const char *code)
{
    (void)fd;
    _exit(atoi(code));
}

static void do_kill(int fd, const char *signo)
{
    (void)fd;
    (void)raise(atoi(signo));
}

/* The kernel counts whom it kills for want of memory; a test's kernel is a file. */
static void do_count(int fd, const char *path)
{
    (void)fd;
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    put(fd, "oom_kill 1\n", 11);
    (void)close(fd);
}

static void do_close(int fd, const char *arg)
{
    (void)arg;
    (void)close(fd);
}

static void do_deaf(int fd, const char *arg)
{
    (void)fd;
    (void)arg;
    for (;;)
        (void)pause();
}

static void do_stubborn(int fd, const char *arg)
{
    (void)fd;
    (void)arg;
    (void)signal(SIGTERM, SIG_IGN);
}

static const char *last_words;
static int last_words_fd;

static void on_term(int signo)
{
    (void)signo;
    put(last_words_fd, last_words, strlen(last_words));
    put(last_words_fd, "\n", 1);
    _exit(0);
}

static void do_polite(int fd, const char *words)
{
    last_words = strdup(words);
    last_words_fd = fd;
    (void)signal(SIGTERM, on_term);
}

/* Busy elsewhere: neither waiting for input nor seen to be. */
static void do_nap(int fd, const char *ms)
{
    long span_ms = strtol(ms, NULL, 10);
    struct timespec span = {.tv_sec = span_ms / 1000, .tv_nsec = span_ms % 1000 * 1000000};

    (void)fd;
    (void)nanosleep(&span, NULL);
}

static void do_spin(int fd, const char *ms)
{
    long span_ms = strtol(ms, NULL, 10);
    struct timespec begin;
    struct timespec now;

    (void)fd;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        (void)getppid();
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while (span_ms == 0 ||
             (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 <
                 span_ms);
}

static void do_starve(int fd, const char *arg)
{
    cpu_set_t cpus;
    pid_t pid;

    (void)fd, (void)arg;
    CPU_ZERO(&cpus);
    CPU_SET((unsigned)sched_getcpu(), &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)alarm(LIFE_MAX_S);
        for (;;)
            (void)getppid();
    }
    (void)!nice(19);
}

static void do_poll(int fd, const char *arg)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    (void)arg;
    (void)poll(&poll_fd, 1, -1);
}

/* Waits for input, but not for ours. */
static void do_read_elsewhere(int fd, const char *arg)
{
    int ends[2];
    char byte;

    (void)fd;
    (void)arg;
    (void)!pipe(ends);
    (void)!read(ends[0], &byte, 1);
}

static void *read_in_thread(void *unused)
{
    char bytes[4096];

    (void)unused;
    while (read(0, bytes, sizeof(bytes)) > 0) {
    }
    return NULL;
}

/* The main thread waits for it, as in Java and Go. */
static void do_thread(int fd, const char *arg)
{
    pthread_t thread;

    (void)fd, (void)arg;
    if (pthread_create(&thread, NULL, read_in_thread, NULL) == 0)
        (void)pthread_join(thread, NULL);
}

/* ---- others that hold the pipes ---- */

static void do_grandchild(int fd, const char *step)
{
    char copy[256];

    (void)fd;
    if (fork() != 0)
        return;
    (void)alarm(LIFE_MAX_S);
    (void)snprintf(copy, sizeof(copy), "%s", step);
    run_step(copy);
    _exit(0);
}

/* Out of reach for a signal to our group; ends when nobody reads what it writes. */
static void do_runaway(int fd, const char *step)
{
    char copy[256];

    (void)fd;
    if (fork() != 0)
        return;
    (void)setsid();
    (void)alarm(RUNAWAY_LIFE_S);
    (void)snprintf(copy, sizeof(copy), "%s", step);
    run_step(copy);
    _exit(0);
}

/* ---- a parent of workers ---- */

/* The four descriptors that come with the next message on fd. */
static void receive_pipes(int fd, int pipes[4])
{
    char text[64];
    struct iovec line = {text, sizeof(text)};
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr aligned;
    } room;
    struct msghdr message = {.msg_iov = &line,
                             .msg_iovlen = 1,
                             .msg_control = room.bytes,
                             .msg_controllen = sizeof(room.bytes)};
    struct cmsghdr *rights;

    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) <= 0)
        _exit(0);
    rights = CMSG_FIRSTHDR(&message);
    if (rights == NULL || rights->cmsg_len != CMSG_LEN(4 * sizeof(int)))
        _exit(93);
    memcpy(pipes, CMSG_DATA(rights), 4 * sizeof(int));
}

/* Make the worker that is asked for on fd; it takes the step. */
static void do_fork(int fd, const char *step)
{
    char copy[256];
    int pipes[4];
    int told[2];
    pid_t pid = 0;
    pid_t middle;

    receive_pipes(fd, pipes);
    (void)!pipe(told);
    middle = fork();
    if (middle == 0) {
        pid = fork();
        if (pid > 0) {
            (void)setpgid(pid, pid);
            put(told[1], (const char *)&pid, sizeof(pid));
            _exit(0);
        }
    }
    if (middle == 0) {
        (void)alarm(LIFE_MAX_S);
        for (int i = 0; i < 4; i++)
            (void)dup2(pipes[i], i);
        for (int i = 4; i < 64; i++)
            (void)close(i);
        (void)snprintf(copy, sizeof(copy), "%s", step);
        run_step(copy);
        _exit(0);
    }
    (void)waitpid(middle, NULL, 0);
    (void)!read(told[0], &pid, sizeof(pid));
    for (int i = 0; i < 4; i++)
        (void)close(pipes[i]);
    (void)close(told[0]);
    (void)close(told[1]);
    (void)dprintf(fd, "{\"pid\":%d}\n", (int)pid);
}

/* As many as are asked for. */
static void do_forks(int fd, const char *step)
{
    for (;;)
        do_fork(fd, step);
}

/* ---- input ---- */

static bool read_line(char **line, size_t *size)
{
    ssize_t n = getline(line, size, stdin);

    if (n > 0 && (*line)[n - 1] == '\n')
        (*line)[n - 1] = '\0';
    return n > 0;
}

static void run_line(char *line)
{
    char *rest = line;
    char *step;

    while ((step = strsep(&rest, ";")) != NULL)
        run_step(step);
}

/* Do what the next line says; `read` does it once, `serve` to the end of the input. A line begins
 * with "{", as every activation does: the worker may write that byte ahead of the line. */
static void do_read(int fd, const char *arg)
{
    char *line = NULL;
    size_t size = 0;

    (void)fd;
    (void)arg;
    if (!read_line(&line, &size))
        _exit(0);
    run_line(line + (line[0] == '{'));
    free(line);
}

static void do_serve(int fd, const char *arg)
{
    for (;;)
        do_read(fd, arg);
}

/* Take lines and never answer. */
static void do_swallow(int fd, const char *arg)
{
    char *line = NULL;
    size_t size = 0;

    (void)fd;
    (void)arg;
    while (read_line(&line, &size)) {
    }
    free(line);
}

/* So many bytes of input, whatever they are. */
static void do_take(int fd, const char *count)
{
    char bytes[4096];
    size_t left = strtoul(count, NULL, 10);

    while (left > 0) {
        ssize_t n = read(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

        if (n <= 0)
            _exit(92);
        left -= (size_t)n;
    }
}

/* ---- what the parent made of us ---- */

static void tell_descriptors(int fd)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    unsigned long open_fds = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
            open_fds |= 1ul << atoi(entry->d_name);
    (void)dprintf(fd, "%lx\n", open_fds);
}

static void tell_signals(int fd)
{
    sigset_t blocked;
    struct sigaction on_pipe;
    int n_blocked = 0;

    (void)sigprocmask(SIG_SETMASK, NULL, &blocked);
    (void)sigaction(SIGPIPE, NULL, &on_pipe);
    for (int signo = 1; signo < 32; signo++)
        n_blocked += sigismember(&blocked, signo);
    (void)dprintf(fd, "%d blocked, SIGPIPE %s\n", n_blocked,
                  on_pipe.sa_handler == SIG_DFL ? "default" : "changed");
}

static void tell_ids(int fd)
{
    char groups[16] = "";
    int n_groups = getgroups(0, NULL);

    (void)snprintf(groups, sizeof(groups), "%d", n_groups);
    (void)dprintf(fd, "user %u %u group %u %u others %s gains %s\n", getuid(), geteuid(), getgid(),
                  getegid(), groups,
                  prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? "nothing" : "what it can");
}

static void tell_limits(int fd)
{
    static const int resources[] = {RLIMIT_AS, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_FSIZE,
                                    RLIMIT_CPU};

    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        struct rlimit limit;

        (void)getrlimit((__rlimit_resource_t)resources[i], &limit);
        (void)dprintf(fd, "%llu ", (unsigned long long)limit.rlim_cur);
    }
    (void)dprintf(fd, "\n");
}

/* Open each of our descriptors anew, by its path. */
static void tell_paths(int fd)
{
    static const char *const paths[] = {"/dev/stdin", "/proc/self/fd/1", "/dev/stderr",
                                        "/dev/fd/3"};

    for (int i = 0; i < 4; i++) {
        int opened = open(paths[i], (i == 0 ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_CLOEXEC);

        (void)dprintf(fd, "%s ", opened >= 0 ? "opens" : strerror(errno));
    }
    (void)dprintf(fd, "\n");
}

static void do_tell(int fd, const char *what)
{
    char cwd[4096];
    const char *value = getenv(what);

    if (strcmp(what, "descriptors") == 0)
        tell_descriptors(fd);
    else if (strcmp(what, "signals") == 0)
        tell_signals(fd);
    else if (strcmp(what, "ids") == 0)
        tell_ids(fd);
    else if (strcmp(what, "limits") == 0)
        tell_limits(fd);
    else if (strcmp(what, "paths") == 0)
        tell_paths(fd);
    else if (strcmp(what, "group") == 0)
        (void)dprintf(fd, "%s\n", getpgrp() == getpid() ? "its own" : "somebody's");
    else if (strcmp(what, "cwd") == 0)
        (void)dprintf(fd, "%s\n", getcwd(cwd, sizeof(cwd)));
    else
        (void)dprintf(fd, "%s\n", value != NULL ? value : "(unset)");
}

/* ---- the steps ---- */

static const struct {
    const char *verb;
    void (*run)(int fd, const char *arg);
} steps[] = {
    {"line", do_line},
    {"write", do_write}, /* no newline */
    {"fill", do_fill},   /* so many x */
    {"flood", do_flood}, /* lines, for ever */
    {"tell", do_tell},   /* see do_tell(), or a variable */
    {"close", do_close},
    {"exit", do_exit},
    {"kill", do_kill},
    {"count", do_count},       /* a kill by the kernel, in a file */
    {"deaf", do_deaf},         /* stay, read nothing */
    {"stubborn", do_stubborn}, /* ignore SIGTERM */
    {"polite", do_polite},     /* last words on SIGTERM */
    {"nap", do_nap},
    {"spin", do_spin},     /* compute for so many ms; for ever without */
    {"starve", do_starve}, /* get little processor time from now on */
    {"poll", do_poll},
    {"readelsewhere", do_read_elsewhere},
    {"thread", do_thread},         /* read in a thread, to the end */
    {"grandchild", do_grandchild}, /* a process in our group takes the step */
    {"runaway", do_runaway},       /* a process of its own session does */
    {"fork", do_fork},             /* a worker that is asked for does, with pipes of its own */
    {"forks", do_forks},           /* ... each of them */
    {"read", do_read},
    {"serve", do_serve},
    {"swallow", do_swallow}, /* lines, without an answer */
    {"take", do_take},       /* so many bytes */
};

static void run_step(char *step)
{
    char *arg = strchr(step, ':');
    size_t n_verb;
    int fd = 0;

    if (step[0] == '#')
        return;
    if (arg != NULL)
        *arg++ = '\0';
    n_verb = strcspn(step, "0123456789");
    if (step[n_verb] != '\0')
        fd = atoi(step + n_verb);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (strlen(steps[i].verb) == n_verb && memcmp(steps[i].verb, step, n_verb) == 0) {
            steps[i].run(fd, arg != NULL ? arg : "");
            return;
        }
    (void)fprintf(stderr, "child: no such step: %s\n", step);
    _exit(91);
}

int main(int argc, char **argv)
{
    (void)alarm(LIFE_MAX_S);
    for (int i = 1; i < argc; i++)
        run_step(argv[i]);
    return 0;
}
