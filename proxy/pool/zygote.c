/*
 * The zygote's process is a `struct worker` like any other, so its load, ready line, time limit,
 * log and end need no code here. This file handles the lines on the socket that is descriptor 0 of
 * the process, once the process is ready.
 */

#include "pool/zygote.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/exec_spec.h"
#include "base/json.h"
#include "base/kin.h"
#include "base/log.h"

#define SAID_MAX_BYTES 4096 /* longest line of a launcher; our launchers write about 100 bytes */
#define STARTS_MAX     2    /* give up after this many processes in a row that made no worker */
#define LOOK_MS        1000 /* while the zygote makes a worker: time between checks for SIGSTOP */

static void forget_begun(struct zygote *t)
{
    loop_timer_clear(&t->late);
    spawned_close(&t->begun);
}

void zygote_order_init(struct zygote_order *order, zygote_made_fn *made)
{
    list_init(&order->node);
    order->made = made;
}

bool zygote_is_there(const struct zygote *t)
{
    return t->worker.state != WORKER_DOWN;
}

/* ---- the process ---- */

void zygote_start(struct zygote *t, const struct spawned *waiting)
{
    struct spawned spawned;
    struct buf greeting = {0};
    struct err err;

    assert(t->worker.state == WORKER_DOWN);
    t->forks = false;
    t->n_starts++; /* count failed starts, too: ended() gives up after STARTS_MAX of them */
    if (waiting == NULL && spawn_start(&t->spec, t->worker.opts.pipe_bytes, &spawned, &err) < 0) {
        log_info("template.start", log_text("failed", err.text));
        worker_fail_start(&t->worker, &err);
        return;
    }
    buf_add(&greeting, buf_at(&t->greeting), buf_len(&t->greeting));
    worker_adopt(&t->worker, waiting != NULL ? waiting : &spawned, &greeting);
    log_info("template.start", log_int("pid", t->worker.pid));
}

/* Finish all orders by calling `made` with no worker. err: as in zygote_made_fn. */
static void return_orders(struct zygote *t, const struct err *err)
{
    forget_begun(t);
    while (!list_empty(&t->orders)) {
        struct zygote_order *order = list_item(t->orders.next, struct zygote_order, node);

        list_remove(&order->node);
        order->made(order, NULL, err);
    }
}

static void give_up(struct zygote *t, const char *why)
{
    if (t->given_up)
        return;
    log_warn("template.given_up", log_text("reason", why),
             log_text("fallback", "each worker loads the action itself"));
    t->given_up = true;
    if (t->worker.state != WORKER_DOWN)
        worker_stop(&t->worker);
    return_orders(t, NULL);
}

static void set_late(struct zygote *t)
{
    uint64_t look_at_ms = loop_now_ms(t->loop) + LOOK_MS;

    loop_timer_set(t->loop, &t->late, look_at_ms < t->late_at_ms ? look_at_ms : t->late_at_ms);
}

static void on_late(struct loop_timer *timer)
{
    struct zygote *t = container_of(timer, struct zygote, late);

    if (loop_now_ms(t->loop) >= t->late_at_ms) {
        give_up(t, "it made no worker in the time for a start (--init-timeout)");
        return;
    }
    if (worker_is_ready(&t->worker) && kin_is_stopped(t->worker.pid)) {
        log_info("template.stopped", log_int("pid", t->worker.pid));
        worker_stop(&t->worker); /* ended() starts another process for the orders */
    }
    set_late(t);
}

/* The zygote's process ended. An order that was sent to it is kept for the next process. */
static void ended(struct zygote *t)
{
    struct err err = t->worker.start_err;

    forget_begun(t);
    line_reset(&t->said, 0);
    loop_watch_close(&t->socket);
    if (t->given_up)
        return;
    if (err.kind == ERR_SYSTEM || (err.kind != ERR_NONE && !t->loaded))
        return_orders(t, &err);
    else if (t->n_starts >= STARTS_MAX)
        give_up(t, "it ended again before it had made a worker");
    else if (!list_empty(&t->orders))
        zygote_start(t, NULL);
}

/* ---- orders ---- */

/* Order a worker from the process: send descriptors 0 to 3 of that worker, with one line. */
static bool send_pipes(int socket, int theirs[4])
{
    static char text[] = "{\"fork\":true}\n";
    struct iovec line = {text, sizeof(text) - 1};
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr aligned;
    } room;
    struct msghdr message = {.msg_iov = &line,
                             .msg_iovlen = 1,
                             .msg_control = room.bytes,
                             .msg_controllen = sizeof(room.bytes)};
    struct cmsghdr *rights;

    memset(&room, 0, sizeof(room));
    rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(4 * sizeof(int));
    memcpy(CMSG_DATA(rights), theirs, 4 * sizeof(int));
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)line.iov_len;
}

/* Send the oldest order to the process, unless the process has one already or is not ready. */
static void on_next(struct loop_post *post)
{
    struct zygote *t = container_of(post, struct zygote, next);
    int theirs[4];
    struct err err;

    assert(t->begun.in < 0 || !list_empty(&t->orders));
    if (!t->forks || !worker_is_ready(&t->worker) || t->begun.in >= 0 || list_empty(&t->orders))
        return;
    if (spawn_pipes(t->worker.opts.pipe_bytes, t->spec.privileges, &t->begun, theirs, &err) < 0) {
        return_orders(t, &err); /* err, not NULL: a start without the zygote would fail, too */
        return;
    }
    if (send_pipes(t->socket.fd, theirs)) {
        t->late_at_ms = loop_now_ms(t->loop) + t->worker.opts.start_ms;
        set_late(t);
    } else {
        forget_begun(t);
        worker_stop(&t->worker); /* the process is dead or broken; ended() follows */
    }
    for (int i = 0; i < 4; i++)
        fd_close(&theirs[i]);
}

bool zygote_take_order(struct zygote *t, struct zygote_order *order)
{
    assert(!zygote_order_waits(order));
    if (t->given_up)
        return false;
    list_add_tail(&t->orders, &order->node);
    if (t->worker.state == WORKER_DOWN && list_empty(&t->worker.changed.node))
        zygote_start(t, NULL);
    loop_post(t->loop, &t->next);
    return true;
}

/*
 * Whether pid is a child of ours that leads its own process group and is not watched by the loop
 * yet. If the new worker has ended, the loop may have reaped it as an orphan: then pid is no child
 * of ours, and nothing would ever report its end. A child that is watched already is not the new
 * worker: its end is reported elsewhere.
 */
static bool is_new_child(const struct loop *loop, pid_t pid)
{
    siginfo_t info;

    return pid > 1 && !loop_child_is_watched(loop, pid) &&
           waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && getpgid(pid) == pid;
}

/* Finish the order that was sent. pid: process id of the new worker; 0: there is none, and err says
 * why. */
static void finish_order(struct zygote *t, pid_t pid, const struct err *err)
{
    struct zygote_order *order = list_item(t->orders.next, struct zygote_order, node);
    struct spawned spawned = t->begun;

    assert(t->begun.in >= 0 && !list_empty(&t->orders));
    assert(t->begun.pid == 0); /* spawn_pipes() made only the pipes */
    list_remove(&order->node);
    loop_post(t->loop, &t->next);
    if (pid == 0 || !is_new_child(t->loop, pid)) {
        log_info("template.order",
                 log_text("failed", pid == 0 ? err->text : "it has ended already"));
        forget_begun(t);
        order->made(order, NULL, pid == 0 ? err : NULL);
        return;
    }
    loop_timer_clear(&t->late);
    spawned.pid = pid;
    spawned.mark = kin_mark();
    kin_mark_process(pid, spawned.mark); /* now, so that the worker's children inherit the mark */
    t->begun = SPAWNED_NONE;
    t->n_starts = 0;
    order->made(order, &spawned, NULL);
}

/* ---- what the process says ---- */

/* Copy the text of member "error"; "?" replaces characters that do not fit into a log field in
 * quotes. */
static void read_error(struct json_slice top, char *out, size_t size)
{
    struct json_slice value;

    (void)snprintf(out, size, "its launcher does not say why");
    if (json_member(top, "error", &value) && value.kind == JSON_STRING && value.n < size)
        out[json_unescape(value, out)] = '\0';
    for (char *at = out; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == '"')
            *at = '?';
}

static void read_line(struct zygote *t, const char *text, size_t n)
{
    struct json_slice top = {0};
    struct json_slice value;
    struct err err;
    char why[sizeof(err.text)];

    if (json_check(text, n, NULL) == JSON_OBJECT)
        top = json_top(text, n);
    if (top.kind != JSON_OBJECT) {
        give_up(t, "it said what is no JSON object");
    } else if (json_member(top, "forks", &value)) {
        t->forks = t->loaded = value.kind == JSON_TRUE;
        read_error(top, why, sizeof(why));
        if (!t->forks)
            give_up(t, why);
        loop_post(t->loop, &t->next);
    } else if (t->begun.in < 0) {
        give_up(t, "it spoke when nobody had asked");
    } else if (json_member(top, "pid", &value) && value.kind == JSON_NUMBER) {
        unsigned long pid = strtoul(value.text, NULL, 10);

        /* A wrong pid is treated like a process that has ended: 1 is never a child of ours. */
        finish_order(t, pid > 0 && pid < INT_MAX ? (pid_t)pid : 1, NULL);
    } else {
        read_error(top, why, sizeof(why));
        (void)err_set(&err, ERR_SYSTEM, 0, "cannot start a process: %.200s", why);
        finish_order(t, 0, &err);
    }
}

static void on_said(struct loop_watch *watch)
{
    struct zygote *t = container_of(watch, struct zygote, socket);
    ssize_t n = read(watch->fd, line_room(&t->said, SAID_MAX_BYTES), SAID_MAX_BYTES);
    enum line_result result;
    const char *text;
    size_t len;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        loop_watch_read(watch, NULL);
        worker_stop(&t->worker);
        return;
    }
    line_added(&t->said, (size_t)n);
    while (!t->given_up && (result = line_next(&t->said, &text, &len)) != LINE_NONE) {
        if (result == LINE_READY)
            read_line(t, text, len);
        else
            give_up(t, "it said a line that is too long");
    }
}

/* Call when the process is ready: read what it has said on the socket, and give the zygote up if it
 * did not say that it can fork. A launcher says that before it writes its ready line. */
static void listen_to(struct zygote *t)
{
    worker_hand_over_input(&t->worker, &t->socket);
    loop_watch_read(&t->socket, on_said);
    on_said(&t->socket);
    if (!t->forks)
        give_up(t, "its launcher does not know how to fork");
}

static void on_changed(struct loop_post *post)
{
    struct zygote *t = container_of(post, struct zygote, worker.changed);

    assert(worker_n_jobs(&t->worker) == 0);
    if (t->worker.state == WORKER_DOWN) {
        ended(t);
    } else if (worker_is_ready(&t->worker) && !t->forks) {
        listen_to(t);
    }
}

void zygote_stop(struct zygote *t)
{
    t->given_up = true;
    while (!list_empty(&t->orders))
        list_remove(t->orders.next);
    forget_begun(t);
    if (t->worker.state != WORKER_DOWN)
        worker_stop(&t->worker);
}

struct zygote *zygote_new(struct loop *loop, struct exec_spec *spec, struct buf *greeting,
                          const struct worker_opts *opts, struct output *out, struct output *err)
{
    struct zygote *t = xcalloc(1, sizeof(*t));

    assert(spec->socket_in);
    t->loop = loop;
    t->spec = *spec;
    memset(spec, 0, sizeof(*spec));
    t->greeting = *greeting;
    memset(greeting, 0, sizeof(*greeting));
    list_init(&t->orders);
    t->begun = SPAWNED_NONE;
    line_init(&t->said, SAID_MAX_BYTES);
    loop_watch_init(&t->socket);
    loop_timer_init(&t->late, on_late);
    loop_post_init(&t->next, on_next);
    worker_init(&t->worker, loop, &t->spec, opts, out, err, on_changed);
    return t;
}

void zygote_free(struct zygote **zygote)
{
    struct zygote *t = *zygote;

    if (t == NULL)
        return;
    zygote_stop(t);
    loop_post_cancel(&t->next);
    worker_done(&t->worker);
    line_done(&t->said);
    loop_watch_close(&t->socket);
    buf_done(&t->greeting);
    exec_spec_done(&t->spec);
    free(t);
    *zygote = NULL;
}
