/*
 * spawner - the old way: a new process for each activation, one at a time.
 *
 * The contract of Apache's dockerskeleton in short: the body's value on the program's standard
 * input, the last line of its standard output is the answer, what stands before it is log, and the
 * sentinel follows on both streams. Its own overhead is kept as small as it can be, so what is
 * measured is what spawning costs at least.
 *
 *     spawner PORT PROGRAM
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <h2o.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"
#include "plain.h"

#define READ_BYTES       65536
#define OUTPUT_MAX_BYTES (64u << 20) /* the proxy's own bound for an answer */
#define SILENCE_MAX_MS   60000       /* a program that says nothing for so long is killed */

static const char sentinel[] = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n";
static const char no_result[] =
    "{\"error\":\"The action did not return a dictionary or array.\"}\n";

/* libh2o makes the handler itself and has no room in it for a pointer of ours. */
static char *program;

/* The argument as a file: a pipe would need a loop that reads and writes by turns. -1: errno. */
static int argument_file(struct json_slice value)
{
    auto_fd int fd = memfd_create("argument", MFD_CLOEXEC);
    int made;

    if (fd < 0 || fd_write_all(fd, value.text, value.n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return -1;
    made = fd;
    fd = -1;
    return made;
}

/* Between vfork and exec the parent's memory is ours too: system calls only. */
__attribute__((noinline)) static pid_t start(int in, int out)
{
    char *argv[] = {program, NULL};
    pid_t pid = vfork();

    if (pid != 0)
        return pid;
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(127);
    (void)execv(program, argv);
    _exit(127);
}

/* All that the program says until it closes its output. false: too much, or silent too long. */
static bool read_output(int fd, struct buf *out)
{
    while (buf_len(out) <= OUTPUT_MAX_BYTES) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (poll(&readable, 1, SILENCE_MAX_MS) == 0)
            return false;
        n = read(fd, buf_room(out, READ_BYTES), READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        buf_added(out, (size_t)n);
    }
    return false;
}

static bool run_program(struct json_slice value, struct buf *out)
{
    auto_fd int in = argument_file(value);
    int ends[2];
    bool whole;
    pid_t pid;

    if (in < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid = start(in, ends[1]);
    fd_close(&ends[1]);
    whole = pid > 0 && read_output(ends[0], out);
    fd_close(&ends[0]);
    if (pid > 0 && !whole)
        (void)kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return whole;
}

/* Split off the last line: the answer. What stands before it goes to the log. */
static struct json_slice last_line(const struct buf *out)
{
    size_t end = buf_len(out);
    size_t start_at;

    if (end > 0 && buf_at(out)[end - 1] == '\n')
        end--;
    start_at = end;
    while (start_at > 0 && buf_at(out)[start_at - 1] != '\n')
        start_at--;
    if (start_at > 0)
        (void)fd_write_all(STDOUT_FILENO, buf_at(out), start_at);
    if (end == start_at)
        return (struct json_slice){.text = "", .n = 0, .kind = JSON_BAD};
    return (struct json_slice){.text = buf_at(out) + start_at,
                               .n = end - start_at,
                               .kind = json_check(buf_at(out) + start_at, end - start_at, NULL)};
}

static void end_logs(void)
{
    (void)fd_write_all(STDOUT_FILENO, sentinel, strlen(sentinel));
    (void)fd_write_all(STDERR_FILENO, sentinel, strlen(sentinel));
}

static int on_req(h2o_handler_t *handler, h2o_req_t *req)
{
    struct json_slice value = {0};
    struct json_slice answer = {0};
    struct buf out = {0};

    (void)handler;
    assert(program != NULL);
    if (json_check(req->entity.base, req->entity.len, NULL) == JSON_OBJECT &&
        json_member(json_top(req->entity.base, req->entity.len), "value", &value) &&
        run_program(value, &out))
        answer = last_line(&out);
    end_logs();
    if (answer.kind == JSON_OBJECT || answer.kind == JSON_ARRAY) {
        char *body = h2o_mem_alloc_pool(&req->pool, answer.n);

        memcpy(body, answer.text, answer.n);
        plain_reply(req, 200, body, answer.n);
    } else {
        plain_reply(req, 502, no_result, strlen(no_result));
    }
    buf_done(&out);
    return 0;
}

int main(int argc, char **argv)
{
    uint16_t port = argc == 3 ? plain_port(argv[1]) : 0;

    if (port == 0) {
        (void)fputs("usage: spawner PORT PROGRAM\n", stderr);
        return 2;
    }
    program = argv[2];
    return plain_serve(port, on_req);
}
