/*
 * oneshot - a launcher for programs of the old native contract: it starts a program anew for each
 * activation, with the argument as argv[1] and on stdin. The last line printed is the result.
 *
 *     oneshot PROGRAM
 *
 * The program runs in its own folder. It inherits our stderr, which the proxy reads directly. We
 * read its stdout, because its last line is no log. The proxy watches the deadline, and kills our
 * whole process group. For the log to show how far a killed program came, a line is held back only
 * while it may be the result, and only until shortly before the deadline.
 *
 * Source: apache/openwhisk-runtime-docker, core/actionProxy/README.md (the contract)
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/exec_diagnosis.h"
#include "base/exec_spec.h"
#include "base/json.h"
#include "base/line.h"
#include "base/shown.h"
#include "base/util.h"
#include "output.h"

#define PIPELINE       64           /* lines that the proxy may write ahead of their answers */
#define READ_BYTES     65536        /* size of a pipe by default */
#define KEPT_FD_MIN    100          /* our descriptors are above those that the program may use */
#define KEEP_BYTES     (4u << 20)   /* memory kept between activations */
#define LINE_MAX_BYTES (256u << 20) /* far above the proxy's default bound for a body, 64 MiB */
#define TELL_BEFORE_MS 200          /* the held line is logged this long before the deadline */
#define ARGUMENT_MAX   131071 /* longest argument of the kernel: MAX_ARG_STRLEN without the NUL */

static volatile sig_atomic_t terminated;

static void on_terminate(int signo)
{
    (void)signo;
    terminated = 1;
}

static void interrupt(int signo)
{
    (void)signo;
}

/* The launcher's state, the same for all activations. */
struct oneshot {
    char *program;   /* absolute path, owned */
    char **base_env; /* owned */
    int lines_fd;
    int answers_fd;
    int log_fd;
    sigset_t blocked; /* signals blocked when we started, without SIGCHLD: for the program, too */
    struct line lines;
};

/* A running program: its pipes, and what it has printed that is not in the log yet. */
struct child {
    pid_t pid;
    int in;  /* the program's stdin, for the argument; -1: closed */
    int out; /* the program's stdout; -1: closed */
    const char *unsent;
    size_t n_unsent;
    struct output output;
    uint64_t tell_at_ms; /* when to log the held line, in wall clock time; 0: never */
};

/* ---- descriptors ---- */

static void die(const char *what)
{
    (void)fprintf(stderr, "oneshot: cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Copy fd to a high number that the program does not inherit. */
static int keep(int fd)
{
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FD_MIN);

    /* The limit on open files may be below KEPT_FD_MIN. */
    return kept >= 0 ? kept : fcntl(fd, F_DUPFD_CLOEXEC, 4);
}

static bool is_writable(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/* Move lines, answers and log to descriptors of our own. Then 0 is /dev/null, and 1 and 2 are our
 * stderr. */
static void take_descriptors(struct oneshot *oneshot)
{
    bool has_3 = is_writable(3); /* 3 is the proxy's log pipe; in a shell, it is not open yet */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        die("open /dev/null");
    if (!is_writable(2))
        (void)dup2(null, 2);
    oneshot->lines_fd = keep(0);
    oneshot->answers_fd = keep(1);
    oneshot->log_fd = keep(has_3 ? 3 : 2);
    if (oneshot->lines_fd < 0 || oneshot->answers_fd < 0 || oneshot->log_fd < 0)
        die("use descriptors 0 and 1");
    (void)dup2(null, 0);
    (void)dup2(2, 1);
    if (has_3)
        (void)close(3);
    if (null > 2)
        (void)close(null);
}

/* Write an answer, in one write. If that fails, exit: nobody reads the answers any more. In a shell
 * the reader may have been `head`. */
static void answer(const struct oneshot *oneshot, const char *text, size_t n)
{
    struct buf line = {0};

    buf_add(&line, text, n);
    buf_add(&line, "\n", 1);
    if (fd_write_all(oneshot->answers_fd, buf_at(&line), buf_len(&line)) < 0)
        exit(1);
    buf_done(&line);
}

static void answer_error(const struct oneshot *oneshot, const char *text)
{
    struct buf line = {0};

    buf_add_text(&line, "{\"error\":");
    json_quote(&line, text, strlen(text));
    buf_add_text(&line, "}");
    answer(oneshot, buf_at(&line), buf_len(&line));
    buf_done(&line);
}

static void log_bytes(const struct oneshot *oneshot, const char *bytes, size_t n)
{
    if (n > 0)
        (void)fd_write_all(oneshot->log_fd, bytes, n); /* may fail: the log may have no reader */
}

/* Log why the program does not run. */
static void log_failed_start(const struct oneshot *oneshot, int os)
{
    char why[512] = "";
    auto_free char *text = NULL;

    if (!exec_diagnosis_explain(oneshot->program, os, why, sizeof(why)))
        exec_diagnosis_detail(oneshot->program, os, why, sizeof(why));
    text = xasprintf("error: cannot run \"%s\": %s%s%s\n", oneshot->program, strerror(os),
                     why[0] != '\0' ? ": " : "", why);
    log_bytes(oneshot, text, strlen(text));
}

/* ---- the environment ---- */

/* Copy our environment without __OW_WAIT_FOR_ACK, which is meant for launchers, and set PWD. */
static char **make_base_env(const char *folder)
{
    char **env = NULL;

    for (char **variable = environ; *variable != NULL; variable++)
        if (strncmp(*variable, "__OW_WAIT_FOR_ACK=", 18) != 0)
            strv_push(&env, xstrdup(*variable));
    strv_setenv(&env, "PWD", folder); /* test suites compare it with the working folder */
    return env;
}

/* A JSON value as the text of an environment variable, NUL-terminated; caller frees. */
static char *variable_text(struct json_slice value, size_t *n)
{
    struct buf compact = {0};
    char *text = xmalloc(value.n + 1);

    *n = 0;
    if (value.kind == JSON_STRING) {
        *n = json_unescape(value, text);
    } else if (value.kind != JSON_NULL) {
        json_compact(&compact, value);
        *n = buf_len(&compact);
        memcpy(text, buf_at(&compact), *n);
        buf_done(&compact);
    }
    text[*n] = '\0';
    return text;
}

/* Add __OW_KEY=value, unless no variable can have this name or value, or there are too many. */
static void add_metadata(char ***env, struct json_slice key, struct json_slice value,
                         size_t *n_others)
{
    auto_free char *name = xmalloc(key.n + 1);
    auto_free char *full = NULL;
    auto_free char *text = NULL;
    size_t n_name = json_unescape(key, name), n_text;

    if (memchr(name, '\0', n_name) != NULL || memchr(name, '=', n_name) != NULL ||
        !shown_take(name, n_name, n_others))
        return;
    name[n_name] = '\0';
    for (char *at = name; *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    text = variable_text(value, &n_text);
    if (strlen(text) != n_text)
        return;
    full = xasprintf("__OW_%s", name);
    strv_setenv(env, full, text);
}

static char **make_env(const struct oneshot *oneshot, struct json_slice request)
{
    struct json_slice key, value;
    char **env = NULL;
    size_t at = 0, n_others = 0;

    for (char **variable = oneshot->base_env; *variable != NULL; variable++)
        strv_push(&env, xstrdup(*variable));
    while (request.kind == JSON_OBJECT && json_next_member(request, &at, &key, &value))
        if (!json_equals(key, "value"))
            add_metadata(&env, key, value, &n_others);
    return env;
}

/* ---- the program ---- */

/* Start the program with `in` as its stdin and `out` as its stdout. 0, or an errno value. */
static int spawn(const struct oneshot *oneshot, char *argument, char **env, int in, int out,
                 pid_t *pid)
{
    char *argv[] = {oneshot->program, argument, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t all;
    int failed;

    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_adddup2(&files, in, 0);
    (void)posix_spawn_file_actions_adddup2(&files, out, 1);
    (void)posix_spawnattr_init(&attributes);
    (void)sigfillset(&all); /* reset all: we ignore SIGPIPE, our parent may ignore others */
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setsigmask(&attributes, &oneshot->blocked);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    failed = posix_spawn(pid, oneshot->program, &files, &attributes, argv, env);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* Start the program and open its pipes. 0, or an errno value: then nothing is open or runs. */
static int child_start(struct child *child, const struct oneshot *oneshot, char *argument,
                       char **env)
{
    auto_fd int theirs_in = -1, theirs_out = -1;
    int in[2], out[2], failed;

    if (pipe2(in, O_CLOEXEC) < 0)
        return errno;
    theirs_in = in[0];
    child->in = in[1];
    if (pipe2(out, O_CLOEXEC) < 0) {
        failed = errno;
        fd_close(&child->in);
        return failed;
    }
    child->out = out[0];
    theirs_out = out[1];
    (void)fcntl(child->in, F_SETFL, O_NONBLOCK);
    (void)fcntl(child->out, F_SETFL, O_NONBLOCK);
    failed = spawn(oneshot, argument, env, theirs_in, theirs_out, &child->pid);
    if (failed == 0)
        return 0;
    fd_close(&child->in);
    fd_close(&child->out);
    return failed;
}

/* Write as much of the argument as the pipe takes. A program that closes its stdin gets no more. */
static void child_write(struct child *child)
{
    ssize_t n = child->n_unsent > 0 ? write(child->in, child->unsent, child->n_unsent) : 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n >= 0) {
        child->unsent += n;
        child->n_unsent -= (size_t)n;
    }
    if (n < 0 || child->n_unsent == 0)
        fd_close(&child->in);
}

static uint64_t wall_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* How many milliseconds remain until the held line must be logged. */
static uint64_t child_wait_ms(const struct child *child)
{
    uint64_t now_ms = wall_ms();

    return child->tell_at_ms > now_ms ? child->tell_at_ms - now_ms : 0;
}

/* Read once from the program's stdout. false: it has no more bytes now, or has ended. */
static bool child_read(struct child *child)
{
    ssize_t n = read(child->out, output_room(&child->output, READ_BYTES), READ_BYTES);

    if (n > 0) {
        output_added(&child->output, (size_t)n);
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    fd_close(&child->out);
    return false;
}

/* If we got SIGTERM, log what the program printed last, and end. The program got SIGTERM, too. */
static void end_if_terminated(struct child *child)
{
    if (!terminated)
        return;
    output_tell(&child->output);
    (void)signal(SIGTERM, SIG_DFL);
    (void)raise(SIGTERM);
}

/* Write and read until the program ends. Do not wait for the end of its stdout: a process that the
 * program has started may hold that open. SIGCHLD, which is blocked elsewhere, interrupts ppoll().
 * A pidfd would need Linux 5.3, and some sandboxes refuse it. */
static void child_work(const struct oneshot *oneshot, struct child *child)
{
    while (waitpid(child->pid, NULL, WNOHANG) == 0) { /* the contract ignores its exit status */
        struct pollfd fds[] = {{.fd = child->in, .events = POLLOUT},
                               {.fd = child->out, .events = POLLIN}};
        uint64_t wait_ms = child_wait_ms(child);
        struct timespec wait = {.tv_sec = (time_t)(wait_ms / 1000),
                                .tv_nsec = (long)(wait_ms % 1000) * 1000000};
        int n = ppoll(fds, ARRAY_LEN(fds), child->tell_at_ms > 0 ? &wait : NULL, &oneshot->blocked);

        end_if_terminated(child);
        if (child->tell_at_ms > 0 && child_wait_ms(child) == 0) {
            output_tell(&child->output);
            child->tell_at_ms = 0;
        }
        if (n < 0)
            continue; /* interrupted */
        if (fds[0].revents != 0)
            child_write(child);
        if (fds[1].revents != 0)
            (void)child_read(child);
    }
    while (child->out >= 0 && child_read(child))
        continue;
    fd_close(&child->in);
    fd_close(&child->out);
    end_if_terminated(child);
}

/* ---- one activation ---- */

static void answer_last_line(const struct oneshot *oneshot, struct output *output)
{
    const char *text;
    size_t n;

    switch (output_result(output, &text, &n)) {
    case OUTPUT_RESULT:
        answer(oneshot, text, n);
        break;
    case OUTPUT_TOO_LONG:
        answer_error(oneshot, "The program's last line is longer than 64 MB.");
        break;
    case OUTPUT_NONE:
        answer(oneshot, "null", 4); /* for null, the proxy replies with an error text */
        break;
    }
}

/* When to log the held line: shortly before the request's deadline, which is in milliseconds of the
 * wall clock, as a string or a number. 0: never, as there is no deadline or it has passed. */
static uint64_t tell_at_ms(struct json_slice request)
{
    struct json_slice deadline;
    char digits[20] = "";
    uint64_t at_ms;

    if (request.kind != JSON_OBJECT || !json_member(request, "deadline", &deadline))
        return 0;
    if (deadline.kind == JSON_STRING) {
        deadline.text++;
        deadline.n -= 2;
    }
    if (deadline.n >= sizeof(digits))
        return 0;
    memcpy(digits, deadline.text, deadline.n);
    at_ms = strtoull(digits, NULL, 10);
    return at_ms > wall_ms() ? at_ms - TELL_BEFORE_MS : 0;
}

static void activate(const struct oneshot *oneshot, const char *line, size_t n)
{
    enum json_kind kind = json_check(line, n, NULL);
    struct json_slice value = {.text = "{}", .n = 2, .kind = JSON_OBJECT};
    struct json_slice request = {.kind = JSON_NULL};
    struct child child = {.in = -1, .out = -1, .output.log_fd = oneshot->log_fd};
    auto_free char *argument = NULL;
    char **env;
    int failed;

    if (kind != JSON_OBJECT && kind != JSON_NULL) {
        answer_error(oneshot, "cannot use the line: want a JSON object with a value");
        return;
    }
    if (kind == JSON_OBJECT) {
        struct json_slice found;

        request = json_top(line, n);
        if (json_member(request, "value", &found) && found.kind != JSON_NULL)
            value = found;
    }
    child.tell_at_ms = tell_at_ms(request);
    child.unsent = value.text;
    child.n_unsent = value.n;
    if (value.n <= ARGUMENT_MAX)
        argument = xstrndup(value.text, value.n);
    env = make_env(oneshot, request);
    failed = child_start(&child, oneshot, argument, env);
    strv_free(&env);
    if (failed == 0) {
        (void)signal(SIGTERM, on_terminate);
        child_work(oneshot, &child);
        (void)signal(SIGTERM, SIG_DFL);
        answer_last_line(oneshot, &child.output);
    } else {
        log_failed_start(oneshot, failed);
        answer(oneshot, "null", 4);
    }
    output_done(&child.output);
}

/* ---- the launcher ---- */

/* Run the program for each complete line. */
static void work_off(struct oneshot *oneshot)
{
    const char *text;
    size_t n;

    for (;;) {
        switch (line_next(&oneshot->lines, &text, &n)) {
        case LINE_NONE:
            return;
        case LINE_READY:
            activate(oneshot, text, n);
            break;
        case LINE_TOO_LONG:
            answer_error(oneshot, "The line is longer than 256 MB.");
            break;
        }
    }
}

static void serve(struct oneshot *oneshot)
{
    const char *rest;
    size_t n_rest;

    for (;;) {
        ssize_t n = read(oneshot->lines_fd, line_room(&oneshot->lines, READ_BYTES), READ_BYTES);

        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("read lines");
        line_added(&oneshot->lines, (size_t)n);
        work_off(oneshot);
        if (buf_len(&oneshot->lines.buf) == 0)
            buf_reset(&oneshot->lines.buf, KEEP_BYTES);
    }
    n_rest = line_rest(&oneshot->lines, &rest);
    if (n_rest > 0)
        activate(oneshot, rest, n_rest); /* in a shell, the last line may lack a newline */
}

/* Let SIGCHLD interrupt ppoll(), and nothing else. */
static void take_signals(struct oneshot *oneshot)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_NOCLDSTOP};
    sigset_t child;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, &oneshot->blocked);
    (void)sigdelset(&oneshot->blocked, SIGCHLD);
    (void)sigaction(SIGCHLD, &action, NULL);
}

/* Find the program and enter its folder. The program is made executable, because a text that came
 * by an /init is not. */
static void take_program(struct oneshot *oneshot, const char *path)
{
    auto_free char *copy = NULL;
    struct stat info;

    oneshot->program = realpath(path, NULL);
    if (oneshot->program == NULL || stat(oneshot->program, &info) < 0) {
        (void)fprintf(stderr, "oneshot: cannot find program \"%s\": %s\n", path, strerror(errno));
        exit(1);
    }
    if (S_ISREG(info.st_mode) && (info.st_mode & 0111) == 0)
        (void)chmod(oneshot->program, 0755); /* if this fails, the start reports it */
    copy = xstrdup(oneshot->program);
    if (chdir(dirname(copy)) < 0)
        die("enter the program's folder");
}

int main(int argc, char **argv)
{
    struct oneshot oneshot = {.lines_fd = -1};
    const char *wait = getenv("__OW_WAIT_FOR_ACK");
    auto_free char *folder = NULL;

    if (argc != 2) {
        (void)fputs("usage: oneshot PROGRAM\n"
                    "Reads one JSON line per activation, runs PROGRAM for each, and writes the "
                    "last line of its output:\n"
                    "    printf '{\"value\":{\"name\":\"Mike\"}}\\n' | oneshot ./hello.sh\n",
                    stderr);
        return 2;
    }
    take_program(&oneshot, argv[1]);
    folder = getcwd(NULL, 0);
    if (folder == NULL)
        die("find the program's folder");
    oneshot.base_env = make_base_env(folder);
    take_signals(&oneshot);
    take_descriptors(&oneshot);
    line_init(&oneshot.lines, LINE_MAX_BYTES);
    if (wait != NULL && wait[0] != '\0') {
        char ready[64];
        int n = snprintf(ready, sizeof(ready), "{\"ok\":true,\"pipeline\":%d}", PIPELINE);

        answer(&oneshot, ready, (size_t)n);
    }
    serve(&oneshot);
    line_done(&oneshot.lines);
    strv_free(&oneshot.base_env);
    free(oneshot.program);
    return 0;
}
