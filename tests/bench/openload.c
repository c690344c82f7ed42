/*
 * openload - load at a fixed rate, whether the server keeps up or not.
 *
 *     openload PORT PATH RATE CONNECTIONS SECONDS BODY-FILE
 *
 * Request number i is due i/RATE seconds after the start and leaves then, or as soon as one of the
 * connections is free. Its latency counts from the time it was DUE: a server that stalls is
 * charged for all that had to wait, also for what could not even be sent. (A generator that sends
 * only when it has an answer stops asking while the server stalls, and so misses the very times
 * that matter: coordinated omission.) "service" counts from the sending, for comparison.
 *
 * One thread, epoll, keep-alive connections to 127.0.0.1. Each answer must have status 200 and the
 * same body as the first one. Prints one JSON object; ends with 1 when an answer is wrong or a
 * connection is lost. What is unanswered GRACE_S after the end counts as waiting until then.
 */

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS        1000000000ull
#define START_NS         1000000ull /* from the first open connection to the first request */
#define GRACE_S          5
#define N_EVENTS         64
#define CONNECTIONS_MAX  10000
#define REQUESTS_MAX     20000000.0 /* 320 MB of times */
#define BODY_MAX_BYTES   32768      /* with its head it fits in the kernel's buffer: one write */
#define REQUEST_BYTES    (BODY_MAX_BYTES + 1024)
#define ANSWER_MAX_BYTES 65536

struct conn {
    int fd;
    uint64_t due_ns;
    uint64_t sent_ns;
    bool busy;
    size_t n; /* bytes of the answer so far */
    char answer[ANSWER_MAX_BYTES + 1];
};

struct load {
    uint16_t port;
    double rate;
    size_t n_conns;
    struct conn *conns;
    size_t *free_conns; /* numbers of those that wait for a request */
    size_t n_free;
    int epoll;
    char request[REQUEST_BYTES];
    size_t n_request;
    char first[ANSWER_MAX_BYTES]; /* body of the first answer; all others must equal it */
    size_t n_first;
    bool has_first;
    uint64_t began_ns;
    size_t n_total;
    size_t n_sent;
    size_t n_done;
    size_t n_unanswered;
    size_t backlog_max; /* due and not sent, at the worst */
    uint64_t *latency_ns;
    uint64_t *service_ns;
    double
        late_sum_ns; /* sent after due although a connection was free: the generator's own fault */
    uint64_t late_max_ns;
    size_t n_late;
};

static int fail(const char *what)
{
    (void)fprintf(stderr, "openload: %s: %s\n", what, strerror(errno));
    return -1;
}

static int fail_answer(const char *what, const char *answer)
{
    (void)fprintf(stderr, "openload: %s: %.300s\n", what, answer);
    return -1;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static uint64_t due_ns(const struct load *load, size_t number)
{
    return load->began_ns + (uint64_t)((double)number * (double)SECOND_NS / load->rate);
}

static int connect_all(struct load *load)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(load->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        return fail("cannot make an epoll set");
    for (size_t i = 0; i < load->n_conns; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            return fail("cannot connect");
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
            epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            return fail("cannot set up a connection");
        load->conns[i].fd = fd;
        load->free_conns[load->n_free++] = i;
    }
    return 0;
}

/* Send all that is due, as far as connections are free. */
static int send_due(struct load *load)
{
    uint64_t now = now_ns();
    size_t n_due =
        now < load->began_ns
            ? 0
            : (size_t)((double)(now - load->began_ns) * load->rate / (double)SECOND_NS) + 1;

    if (n_due > load->n_total)
        n_due = load->n_total;
    while (load->n_sent < n_due && load->n_free > 0) {
        size_t i = load->free_conns[--load->n_free];
        struct conn *conn = &load->conns[i];

        assert(!conn->busy);
        conn->busy = true;
        conn->n = 0;
        conn->due_ns = due_ns(load, load->n_sent++);
        conn->sent_ns = now_ns();
        if (send(conn->fd, load->request, load->n_request, MSG_NOSIGNAL | MSG_DONTWAIT) !=
            (ssize_t)load->n_request)
            return fail("cannot send a request");
    }
    if (n_due - load->n_sent > load->backlog_max && n_due > load->n_sent)
        load->backlog_max = n_due - load->n_sent;
    return 0;
}

/* Length of the whole answer; 0: its head is not complete; -1: it is not what it should be. */
static ssize_t answer_length(const struct conn *conn, size_t *n_head)
{
    const char *end = memmem(conn->answer, conn->n, "\r\n\r\n", 4);
    const char *field;
    unsigned long n_body;

    if (end == NULL)
        return 0;
    *n_head = (size_t)(end - conn->answer) + 4;
    field = strcasestr(conn->answer, "\r\ncontent-length:");
    if (strncmp(conn->answer, "HTTP/1.1 200", 12) != 0 || field == NULL || field > end)
        return fail_answer("want status 200 and a content-length", conn->answer);
    n_body = strtoul(field + 17, NULL, 10);
    if (n_body > ANSWER_MAX_BYTES - *n_head)
        return fail_answer("an answer is longer than 64 KiB", conn->answer);
    return (ssize_t)(*n_head + n_body);
}

static int check_body(struct load *load, const struct conn *conn, size_t n_head)
{
    const char *body = conn->answer + n_head;
    size_t n = conn->n - n_head;

    if (!load->has_first) {
        memcpy(load->first, body, n);
        load->n_first = n;
        load->has_first = true;
    }
    if (n != load->n_first || memcmp(body, load->first, n) != 0)
        return fail_answer("an answer differs from the first one", body);
    return 0;
}

static int receive(struct load *load, size_t number)
{
    struct conn *conn = &load->conns[number];
    ssize_t n = recv(conn->fd, conn->answer + conn->n, ANSWER_MAX_BYTES - conn->n, MSG_DONTWAIT);
    size_t n_head = 0;
    ssize_t whole;
    uint64_t now;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n == 0)
        errno = ECONNRESET;
    if (n <= 0)
        return fail("the server closed a connection");
    conn->n += (size_t)n;
    conn->answer[conn->n] = '\0';
    if (!conn->busy)
        return fail_answer("an answer that nobody asked for", conn->answer);
    whole = answer_length(conn, &n_head);
    if (whole < 0)
        return -1;
    if (whole == 0 || conn->n < (size_t)whole)
        return 0;
    if (conn->n > (size_t)whole || check_body(load, conn, n_head) < 0)
        return conn->n > (size_t)whole ? fail_answer("more than one answer", conn->answer) : -1;
    now = now_ns();
    load->latency_ns[load->n_done] = now - conn->due_ns;
    load->service_ns[load->n_done] = now - conn->sent_ns;
    load->n_done++;
    conn->busy = false;
    load->free_conns[load->n_free++] = number;
    return 0;
}

/* Until the next request is due; with no connection free only an answer can help. */
static int wait_and_receive(struct load *load, uint64_t give_up_ns)
{
    struct epoll_event events[N_EVENTS];
    uint64_t until = give_up_ns;
    uint64_t now = now_ns();
    struct timespec wait = {0};
    int n;

    if (load->n_sent < load->n_total && load->n_free > 0)
        until = due_ns(load, load->n_sent);
    if (until > now) {
        wait.tv_sec = (time_t)((until - now) / SECOND_NS);
        wait.tv_nsec = (long)((until - now) % SECOND_NS);
    }
    n = epoll_pwait2(load->epoll, events, N_EVENTS, &wait, NULL);
    if (n < 0 && errno != EINTR)
        return fail("cannot wait");
    for (int i = 0; i < n; i++)
        if (receive(load, events[i].data.u64) < 0)
            return -1;
    if (load->n_sent < load->n_total && load->n_free > 0 && until != give_up_ns) {
        now = now_ns();
        if (now > until) {
            load->late_sum_ns += (double)(now - until);
            load->late_max_ns = now - until > load->late_max_ns ? now - until : load->late_max_ns;
            load->n_late++;
        }
    }
    return 0;
}

/* What was due and got no answer waited at least until now: left out, the figures would be prettier
 * the worse the server is. */
static void charge_unanswered(struct load *load)
{
    uint64_t now = now_ns();

    for (size_t i = 0; i < load->n_conns; i++) {
        if (!load->conns[i].busy)
            continue;
        load->latency_ns[load->n_done + load->n_unanswered] = now - load->conns[i].due_ns;
        load->service_ns[load->n_done + load->n_unanswered++] = now - load->conns[i].sent_ns;
    }
    for (size_t i = load->n_sent; i < load->n_total; i++) {
        load->latency_ns[load->n_done + load->n_unanswered] = now - due_ns(load, i);
        load->service_ns[load->n_done + load->n_unanswered++] = 0; /* never sent */
    }
    assert(load->n_done + load->n_unanswered == load->n_total);
}

static int drive(struct load *load)
{
    uint64_t give_up_ns;

    load->began_ns = now_ns() + START_NS;
    give_up_ns = due_ns(load, load->n_total) + GRACE_S * SECOND_NS;
    while (load->n_done < load->n_total && now_ns() < give_up_ns)
        if (send_due(load) < 0 || wait_and_receive(load, give_up_ns) < 0)
            return -1;
    charge_unanswered(load);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Quantiles in microseconds. Sorts the times. */
static void show(const char *name, uint64_t *times_ns, size_t n)
{
    static const double percents[] = {0,  1,  5,    10,   25,   50,    75,    90,     95,
                                      98, 99, 99.5, 99.8, 99.9, 99.95, 99.99, 99.999, 100};

    assert(n > 0);
    qsort(times_ns, n, sizeof(*times_ns), by_size);
    (void)printf(",\"%s\":{", name);
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        size_t at = (size_t)((double)n * percents[i] / 100);

        (void)printf("%s\"%g\":%.1f", i > 0 ? "," : "", percents[i],
                     (double)times_ns[at < n ? at : n - 1] / 1000);
    }
    (void)printf("}");
}

static void tell(struct load *load)
{
    (void)printf(
        "{\"rate\":%g,\"connections\":%zu,\"due\":%zu,\"answered\":%zu,\"unanswered\":%zu,"
        "\"backlog_max\":%zu,\"late_mean_us\":%.1f,\"late_max_us\":%.1f,\"seconds\":%.3f",
        load->rate, load->n_conns, load->n_total, load->n_done, load->n_unanswered,
        load->backlog_max, load->n_late > 0 ? load->late_sum_ns / (double)load->n_late / 1000 : 0,
        (double)load->late_max_ns / 1000, (double)(now_ns() - load->began_ns) / (double)SECOND_NS);
    show("latency_us", load->latency_ns, load->n_total);
    show("service_us", load->service_ns, load->n_total);
    (void)printf("}\n");
}

static int read_body(struct load *load, const char *path, const char *url_path)
{
    static char body[BODY_MAX_BYTES + 1];
    FILE *file = fopen(path, "rbe");
    size_t n;
    int n_head;

    if (file == NULL)
        return fail(path);
    n = fread(body, 1, sizeof(body), file);
    (void)fclose(file);
    if (n > BODY_MAX_BYTES)
        return fail_answer("a body may have 32 KiB at most", path);
    n_head = snprintf(load->request, sizeof(load->request),
                      "POST %.200s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      url_path, n);
    memcpy(load->request + n_head, body, n);
    load->n_request = (size_t)n_head + n;
    return 0;
}

static void *memory(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        abort();
    return p;
}

static void load_done(struct load *load)
{
    for (size_t i = 0; i < load->n_conns; i++)
        if (load->conns[i].fd > 0)
            (void)close(load->conns[i].fd);
    free(load->conns);
    free(load->free_conns);
    free(load->latency_ns);
    free(load->service_ns);
}

int main(int argc, char **argv)
{
    static struct load load;
    double seconds;
    long port;
    long n_conns;
    int result;

    if (argc != 7) {
        (void)fputs("usage: openload PORT PATH RATE CONNECTIONS SECONDS BODY-FILE\n", stderr);
        return 2;
    }
    port = strtol(argv[1], NULL, 10);
    load.rate = strtod(argv[3], NULL);
    n_conns = strtol(argv[4], NULL, 10);
    seconds = strtod(argv[5], NULL);
    if (port < 1 || port > UINT16_MAX || !(load.rate > 0) || n_conns < 1 ||
        n_conns > CONNECTIONS_MAX || !(seconds > 0) || !(load.rate * seconds >= 1) ||
        load.rate * seconds > REQUESTS_MAX) {
        (void)fputs("openload: a number on the command line is out of its bounds\n", stderr);
        return 2;
    }
    load.port = (uint16_t)port;
    load.n_conns = (size_t)n_conns;
    load.n_total = (size_t)(load.rate * seconds);
    load.conns = memory(load.n_conns, sizeof(*load.conns));
    load.free_conns = memory(load.n_conns, sizeof(*load.free_conns));
    load.latency_ns = memory(load.n_total, sizeof(*load.latency_ns));
    load.service_ns = memory(load.n_total, sizeof(*load.service_ns));
    /* By default the kernel ends waits up to 50 us late, to join them. */
    (void)prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
    result = read_body(&load, argv[6], argv[2]);
    if (result == 0)
        result = connect_all(&load);
    if (result == 0)
        result = drive(&load);
    if (result == 0)
        tell(&load);
    load_done(&load);
    return result < 0 ? 1 : 0;
}
