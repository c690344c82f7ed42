#include "whisk_call.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/util.h"

#define HELD_MAX_BYTES (64u << 20) /* unsent lines; then starting a call fails */
#define READ_BYTES     65536
#define CLOSE_MS       2000
#define WORDS_MAX      64
#define ERROR_BYTES    1024 /* most bytes of a reason, which may name a path */

struct call {
    struct call *next;
    uint64_t id;
    size_t n; /* bytes of its line */
    whisk_answer_fn *answered;
    void *user;
};

struct whisk_caller {
    pid_t pid;        /* 0: it was waited for */
    int in;           /* its stdin: a socket, as a write to it must not raise SIGPIPE */
    int out;          /* its stdout */
    int loop;         /* epoll set of the two */
    bool wants_write; /* what the set knows */
    bool is_ready;
    bool has_ended;
    uint64_t last_id;
    struct call *first; /* in flight, oldest first */
    struct call **last;
    size_t n_in_flight;
    struct buf unsent;
    struct buf received; /* its start: an incomplete line that was searched up to `searched` */
    size_t searched;
    struct buf answer; /* of whisk_call_run() */
    char *method;      /* JSON */
    char error[ERROR_BYTES];
    char why[ERROR_BYTES]; /* why the action could not be started */
};

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(struct whisk_caller *caller, const char *what)
{
    (void)snprintf(caller->error, sizeof(caller->error), "%s", what);
    return -1;
}

/* ---- the subprocess ---- */

static int make_words(const char *action, const struct whisk_call_options *options,
                      const char **words)
{
    static const char image[] = "image:";
    const char *const *setting = options->settings;
    size_t n = 0;

    if (strncmp(action, image, sizeof(image) - 1) == 0) {
        words[n++] = options->docker != NULL ? options->docker : "docker";
        words[n++] = "run";
        words[n++] = "-i";
        words[n++] = "--rm";
        words[n++] = action + sizeof(image) - 1;
        action = NULL;
    } else {
        words[n++] = options->program != NULL ? options->program : "whiskloop";
    }
    words[n++] = "pipe";
    words[n++] = "--parts";
    words[n++] = "--announce";
    for (; setting != NULL && *setting != NULL; setting++) {
        if (n == WORDS_MAX - 3) {
            errno = E2BIG;
            return -1;
        }
        words[n++] = *setting;
    }
    if (action != NULL && action[0] == '-') { /* it would be an option */
        errno = EINVAL;
        return -1;
    }
    if (action != NULL)
        words[n++] = action;
    words[n] = NULL;
    return 0;
}

static int start(struct whisk_caller *caller, const char *const *words)
{
    posix_spawn_file_actions_t actions;
    auto_fd int their_in = -1;
    auto_fd int their_out = -1;
    int pair[2];
    int failed;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    caller->in = pair[0];
    their_in = pair[1];
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -1;
    caller->out = pair[0];
    their_out = pair[1];
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, their_in, STDIN_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, their_out, STDOUT_FILENO);
    failed = posix_spawnp(&caller->pid, words[0], &actions, NULL, (char *const *)(uintptr_t)words,
                          environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        caller->pid = 0;
        errno = failed;
        return -1;
    }
    return 0;
}

static int watch(struct whisk_caller *caller)
{
    struct epoll_event in = {.events = 0, .data.fd = caller->in};
    struct epoll_event out = {.events = EPOLLIN, .data.fd = caller->out};

    caller->loop = epoll_create1(EPOLL_CLOEXEC);
    if (caller->loop < 0 || epoll_ctl(caller->loop, EPOLL_CTL_ADD, caller->in, &in) < 0 ||
        epoll_ctl(caller->loop, EPOLL_CTL_ADD, caller->out, &out) < 0)
        return -1;
    return fcntl(caller->out, F_SETFL, O_NONBLOCK);
}

struct whisk_caller *whisk_call_open(const char *action, const struct whisk_call_options *options)
{
    static const struct whisk_call_options none;
    struct whisk_caller *caller = xcalloc(1, sizeof(*caller));
    const char *words[WORDS_MAX];
    int failed;

    caller->in = caller->out = caller->loop = -1;
    caller->last = &caller->first;
    if (make_words(action, options != NULL ? options : &none, words) == 0 &&
        start(caller, words) == 0 && watch(caller) == 0)
        return caller;
    failed = errno;
    whisk_call_close(&caller);
    errno = failed;
    return NULL;
}

/* ---- answers ---- */

static const char *const kinds[] = {
    [WHISK_CALL_OK] = "ok",
    [WHISK_CALL_REQUEST] = "request",
    [WHISK_CALL_METHOD] = "method",
    [WHISK_CALL_ACTION] = "action",
    [WHISK_CALL_DIED] = "died",
    [WHISK_CALL_LATE] = "late",
    [WHISK_CALL_EXHAUSTED] = "exhausted",
    [WHISK_CALL_OVERLOAD] = "overload",
    [WHISK_CALL_UNAVAILABLE] = "unavailable",
};

/* An error that names none of them is the action's own. */
static enum whisk_call_kind kind_of(struct json_slice error)
{
    struct json_slice kind;

    if (json_member(error, "kind", &kind) && kind.kind == JSON_STRING)
        for (size_t i = WHISK_CALL_REQUEST; i < ARRAY_LEN(kinds); i++)
            if (json_equals(kind, kinds[i]))
                return (enum whisk_call_kind)i;
    return WHISK_CALL_ACTION;
}

static struct call *take_call(struct whisk_caller *caller, struct call **at)
{
    struct call *call = *at;

    *at = call->next;
    if (caller->last == &call->next)
        caller->last = at;
    caller->n_in_flight--;
    return call;
}

static struct call **find_call(struct whisk_caller *caller, struct json_slice id)
{
    uint64_t number = strtoull(id.text, NULL, 10);
    struct call **at = &caller->first;

    while (*at != NULL && (*at)->id != number)
        at = &(*at)->next;
    return at;
}

static struct call **longest_call(struct whisk_caller *caller)
{
    struct call **longest = &caller->first;

    for (struct call **at = &caller->first; *at != NULL; at = &(*at)->next)
        if ((*at)->n > (*longest)->n)
            longest = at;
    return longest;
}

static void answer(struct whisk_caller *caller, struct call **at, struct whisk_answer *what)
{
    struct call *call = what->is_part ? *at : take_call(caller, at);

    call->answered(call->user, what);
    if (!what->is_part)
        free(call);
}

/* A line over --run-max-bytes was answered without its id: it was longer than any other. */
static void take_refusal(struct whisk_caller *caller, struct json_slice refusal)
{
    struct whisk_answer what = {.kind = kind_of(refusal), .text = refusal.text, .n = refusal.n};

    if (what.kind == WHISK_CALL_REQUEST && caller->first != NULL)
        answer(caller, longest_call(caller), &what);
}

/* text: a line; its newline is a NUL by now. A line that is no answer is skipped: an image's
 * entrypoint, for example, may have printed it. */
static void take_line(struct whisk_caller *caller, char *text, size_t n)
{
    struct json_slice top, id, value, error, key;
    struct whisk_answer what = {.kind = WHISK_CALL_OK};
    struct call **at;
    size_t i = 0;

    if (json_check(text, n, NULL) == JSON_BAD)
        return;
    top = json_top(text, n);
    if (top.kind == JSON_OBJECT && json_member(top, "ready", &value)) {
        caller->is_ready = value.kind == JSON_TRUE;
        if (!caller->is_ready && json_member(top, "error", &error)) {
            auto_free char *reason = xcalloc(1, error.n);

            (void)json_unescape(error, reason);
            (void)snprintf(caller->why, sizeof(caller->why), "%s", reason);
        }
        return;
    }
    if (top.kind == JSON_OBJECT)
        take_refusal(caller, top);
    if (top.kind != JSON_ARRAY || !json_next_item(top, &i, &id) || !json_next_item(top, &i, &value))
        return;
    at = find_call(caller, id);
    if (*at == NULL)
        return;
    if (value.kind == JSON_OBJECT && json_member(value, "error", &error)) {
        what.kind = kind_of(value);
    } else {
        struct json_slice form = value;

        i = 0;
        if (form.kind != JSON_OBJECT || !json_next_member(form, &i, &key, &value))
            return;
        what.is_part = json_equals(key, "part");
    }
    what.text = value.text;
    what.n = value.n;
    text[(size_t)(value.text - text) + value.n] = '\0'; /* a bracket or brace stood there */
    answer(caller, at, &what);
}

static const char *why_ended(const struct whisk_caller *caller)
{
    if (caller->why[0] != '\0')
        return caller->why;
    return caller->is_ready
               ? "the subprocess has ended"
               : "the subprocess has ended before the action was loaded; its stderr may say why";
}

/* Write an answer that whisk_call makes itself. Its text is in `out`. */
static struct whisk_answer failure(struct buf *out, enum whisk_call_kind kind, const char *error)
{
    buf_reset(out, READ_BYTES);
    buf_add_text(out, "{\"error\":");
    json_quote(out, error, strlen(error));
    buf_add_text(out, ",\"kind\":\"");
    buf_add_text(out, kinds[kind]);
    buf_add(out, "\"}", 3); /* with its NUL */
    return (struct whisk_answer){.kind = kind, .text = buf_at(out), .n = buf_len(out) - 1};
}

static void give_up(struct whisk_caller *caller)
{
    auto_buf struct buf text = {0};
    struct whisk_answer what = failure(
        &text, caller->is_ready ? WHISK_CALL_DIED : WHISK_CALL_UNAVAILABLE, why_ended(caller));

    while (caller->first != NULL)
        answer(caller, &caller->first, &what);
}

static void take_lines(struct whisk_caller *caller)
{
    for (;;) {
        char *text = caller->received.bytes + caller->received.start;
        size_t n_all = buf_len(&caller->received);
        char *end = n_all > caller->searched
                        ? memchr(text + caller->searched, '\n', n_all - caller->searched)
                        : NULL;
        size_t n;

        if (end == NULL) {
            caller->searched = n_all;
            return;
        }
        n = (size_t)(end - text);
        *end = '\0';
        caller->searched = 0;
        take_line(caller, text, n);
        buf_drop(&caller->received, n + 1);
    }
}

/* ---- bytes in and out ---- */

static void want_write(struct whisk_caller *caller)
{
    bool wanted = buf_len(&caller->unsent) > 0 && !caller->has_ended;
    struct epoll_event event = {.events = wanted ? EPOLLOUT : 0, .data.fd = caller->in};

    if (caller->wants_write == wanted)
        return;
    caller->wants_write = wanted;
    (void)epoll_ctl(caller->loop, EPOLL_CTL_MOD, caller->in, &event);
}

static void write_lines(struct whisk_caller *caller)
{
    ssize_t n;

    while (buf_len(&caller->unsent) > 0) {
        n = send(caller->in, buf_at(&caller->unsent), buf_len(&caller->unsent),
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            buf_reset(&caller->unsent, 0); /* its end follows by the other descriptor */
        if (n < 0)
            break;
        buf_drop(&caller->unsent, (size_t)n);
    }
    want_write(caller);
}

/* true: there may be more. */
static bool read_lines(struct whisk_caller *caller)
{
    ssize_t n = read(caller->out, buf_room(&caller->received, READ_BYTES), READ_BYTES);

    if (n > 0) {
        buf_added(&caller->received, (size_t)n);
        take_lines(caller);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        caller->has_ended = true;
        (void)epoll_ctl(caller->loop, EPOLL_CTL_DEL, caller->out, NULL);
        give_up(caller);
    }
    return n == READ_BYTES;
}

int whisk_call_step(struct whisk_caller *caller, int ms)
{
    struct pollfd poll_fds[] = {{.fd = caller->out, .events = POLLIN},
                                {.fd = caller->in, .events = POLLOUT}};

    if (!caller->has_ended) {
        write_lines(caller);
        if (poll(poll_fds, caller->wants_write ? 2 : 1, ms) > 0 && poll_fds[0].revents != 0)
            while (!caller->has_ended && read_lines(caller))
                continue;
        if (!caller->has_ended)
            write_lines(caller);
    }
    return caller->has_ended ? fail(caller, why_ended(caller)) : 0;
}

int whisk_call_fd(const struct whisk_caller *caller)
{
    return caller->loop;
}

/* ---- calls ---- */

void whisk_call_method(struct whisk_caller *caller, const char *method)
{
    struct buf text = {0};

    free(TAKE(caller->method));
    if (method == NULL)
        return;
    json_quote(&text, method, strlen(method));
    buf_add(&text, "", 1);
    caller->method = text.bytes;
}

/* Whether so much waits to be sent that no further call may be started. */
static bool is_full(const struct whisk_caller *caller)
{
    return buf_len(&caller->unsent) > HELD_MAX_BYTES;
}

int whisk_call_start(struct whisk_caller *caller, const char *argument, int ms,
                     whisk_answer_fn *answered, void *user)
{
    size_t n = argument != NULL ? strlen(argument) : 0;
    struct call *call;
    char head[96];

    if (caller->has_ended)
        return fail(caller, why_ended(caller));
    if (is_full(caller))
        return fail(caller, "64 MiB of calls have not been sent: let whisk_call_step() work first");
    if (n > 0 && json_check(argument, n, NULL) == JSON_BAD)
        return fail(caller, "the argument is no JSON");
    call = xcalloc(1, sizeof(*call));
    call->n = buf_len(&caller->unsent);
    call->id = ++caller->last_id;
    call->answered = answered;
    call->user = user;
    *caller->last = call;
    caller->last = &call->next;
    caller->n_in_flight++;
    (void)snprintf(head, sizeof(head), "[%llu,{", (unsigned long long)call->id);
    buf_add_text(&caller->unsent, head);
    if (ms != 0) {
        (void)snprintf(head, sizeof(head), "\"deadline\":%lld,",
                       (long long)(now_ms(CLOCK_REALTIME) + (ms > 0 ? ms : 0)));
        buf_add_text(&caller->unsent, head);
    }
    if (caller->method != NULL) {
        buf_add_text(&caller->unsent, "\"method\":");
        buf_add_text(&caller->unsent, caller->method);
        buf_add_text(&caller->unsent, ",");
    }
    buf_add_text(&caller->unsent, "\"value\":");
    buf_add(&caller->unsent, n > 0 ? argument : "{}", n > 0 ? n : 2);
    for (char *at = caller->unsent.bytes + caller->unsent.end - n; n > 0; n--, at++)
        if (*at == '\n')
            *at = ' '; /* in valid JSON it is white space */
    buf_add_text(&caller->unsent, "}]\n");
    call->n = buf_len(&caller->unsent) - call->n;
    write_lines(caller);
    return 0;
}

struct run {
    struct whisk_caller *caller;
    struct whisk_answer *answer;
    bool is_done;
};

static void on_answered(void *user, const struct whisk_answer *what)
{
    struct run *run = user;
    struct buf *kept = &run->caller->answer;

    if (what->is_part)
        return;
    buf_reset(kept, READ_BYTES);
    buf_add(kept, what->text, what->n);
    buf_add(kept, "", 1);
    *run->answer = *what;
    run->answer->text = buf_at(kept);
    run->is_done = true;
}

int whisk_call_run(struct whisk_caller *caller, const char *argument, int ms,
                   struct whisk_answer *answer)
{
    struct run run = {.caller = caller, .answer = answer};

    if (whisk_call_start(caller, argument, ms, on_answered, &run) < 0) {
        enum whisk_call_kind kind = caller->has_ended ? WHISK_CALL_UNAVAILABLE
                                    : is_full(caller) ? WHISK_CALL_OVERLOAD
                                                      : WHISK_CALL_REQUEST;

        *answer = failure(&caller->answer, kind, caller->error);
        return -1;
    }
    while (!run.is_done)
        (void)whisk_call_step(caller, -1); /* its end answers all calls */
    return answer->kind == WHISK_CALL_OK ? 0 : fail(caller, kinds[answer->kind]);
}

size_t whisk_call_in_flight(const struct whisk_caller *caller)
{
    return caller->n_in_flight;
}

int whisk_call_ready(struct whisk_caller *caller, int ms)
{
    int64_t until_ms = now_ms(CLOCK_MONOTONIC) + ms;
    int64_t left_ms = ms;

    while (!caller->is_ready && left_ms >= 0) {
        if (whisk_call_step(caller, (int)left_ms) < 0)
            return -1;
        left_ms = until_ms - now_ms(CLOCK_MONOTONIC);
    }
    return caller->is_ready ? 0 : fail(caller, "the action is not ready in time");
}

const char *whisk_call_error(const struct whisk_caller *caller)
{
    return caller->error;
}

/* ---- the end ---- */

static void end_process(struct whisk_caller *caller)
{
    int64_t until_ms = now_ms(CLOCK_MONOTONIC) + CLOSE_MS;
    int64_t left_ms = CLOSE_MS;
    struct pollfd poll_fd = {.fd = caller->out, .events = POLLIN};
    char lost[4096];

    fd_close(&caller->in); /* with nothing in flight this ends it */
    if (caller->n_in_flight > 0)
        (void)kill(caller->pid, SIGTERM);
    /* To its end, so that it does not complain of a reader that has left. */
    while (caller->out >= 0 && left_ms > 0 && poll(&poll_fd, 1, (int)left_ms) > 0 &&
           read(caller->out, lost, sizeof(lost)) != 0)
        left_ms = until_ms - now_ms(CLOCK_MONOTONIC);
    fd_close(&caller->out);
    while (waitpid(caller->pid, NULL, WNOHANG) == 0) {
        if (now_ms(CLOCK_MONOTONIC) >= until_ms)
            (void)kill(caller->pid, SIGKILL);
        (void)poll(NULL, 0, 2);
    }
    caller->pid = 0;
}

void whisk_call_close(struct whisk_caller **caller)
{
    struct whisk_caller *c = *caller;

    if (c == NULL)
        return;
    if (c->pid > 0)
        end_process(c);
    fd_close(&c->in);
    fd_close(&c->out);
    fd_close(&c->loop);
    while (c->first != NULL)
        free(take_call(c, &c->first));
    buf_done(&c->unsent);
    buf_done(&c->received);
    buf_done(&c->answer);
    free(c->method);
    free(c);
    *caller = NULL;
}
