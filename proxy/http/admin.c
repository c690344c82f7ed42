#include "http/admin.h"

#include <assert.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/usage.h"
#include "http/default_action.h"
#include "http/libraries.h"
#include "http/run.h"
#include "http/server.h"
#include "http/service.h"
#include "http/versions.h"

/* Where the numbers in one reply to /metrics are taken from. */
struct reading {
    const struct admin *admin;
    const struct service *service;
    const struct connections *clients;
    struct usage children; /* memory of running children; processor time also of ended ones */
    unsigned n_workers[WORKER_STATES];
};

void admin_init(struct admin *admin, const struct service *service, const struct server *server,
                const char *version)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    *admin = (struct admin){.service = service,
                            .server = server,
                            .version = version,
                            .started_at_us =
                                (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000};
}

static void reply_text(struct request *request, int status, const char *text)
{
    request_reply_as(request, status, "text/plain; charset=utf-8", xstrdup(text), strlen(text));
}

/* ---- /healthz and /readyz ---- */

/* A reply shows that the event loop runs. Nothing else is checked. */
void admin_on_health(void *owner, struct request *request)
{
    (void)owner;
    reply_text(request, 200, "ok\n");
}

/* Returns why the proxy is not ready, as the text of the reply. NULL: it is ready, and a /run would
 * reach the action. */
static const char *why_not_ready(const struct service *service)
{
    const struct pool *pool = service->pool != NULL ? service->pool : service->default_pool;

    if (service->leaving || service->draining)
        return "draining\n";
    if (service->gate.closed)
        return "starting\n";
    if (service->pool == NULL && !default_action_is_own(service))
        return "not initialised\n";
    if (pool != NULL && pool->state == POOL_BROKEN)
        return "broken: the action does not start any more\n";
    return NULL;
}

void admin_on_ready(void *owner, struct request *request)
{
    const struct admin *admin = owner;
    const char *why_not = why_not_ready(admin->service);

    if (why_not == NULL)
        reply_text(request, 200, "ready\n");
    else
        reply_text(request, 503, why_not);
}

/* ---- /metrics: writing the values of each family ---- */

static void write_build(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, "version", reading->admin->version, 1);
}

static void write_libraries(struct buf *text, const char *name, const struct reading *reading)
{
    struct library libraries[N_LIBRARIES];

    (void)reading;
    libraries_read(libraries);
    for (unsigned i = 0; i < N_LIBRARIES; i++) {
        auto_free char *value = xasprintf("%s %s", libraries[i].name, libraries[i].version);

        metrics_number(text, name, "library", value, 1);
    }
}

static void write_ends(struct buf *text, const char *name, const struct reading *reading)
{
    for (unsigned i = 0; i < N_RUN_ENDS; i++)
        metrics_number(text, name, "outcome", run_end_name((enum run_end)i),
                       reading->service->runs.n_ends[i]);
}

static void write_queued_time(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_histogram(text, name, &reading->service->runs.queued);
}

static void write_action_time(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_histogram(text, name, &reading->service->workers.work);
}

static void write_whole_time(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_histogram(text, name, &reading->service->runs.whole);
}

static void write_in_flight(struct buf *text, const char *name, const struct reading *reading)
{
    unsigned n_jobs = versions_n_jobs(reading->service);
    unsigned n_queued = versions_n_queued(reading->service);

    assert(n_queued <= n_jobs);
    metrics_number(text, name, NULL, NULL, n_jobs - n_queued);
}

static void write_queued(struct buf *text, const char *name, const struct reading *reading)
{
    const struct service *service = reading->service;

    metrics_number(text, name, NULL, NULL,
                   versions_n_queued(service) + gate_n_held(&service->gate, run_on_request));
}

static void write_request_bytes(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->runs.request_bytes);
}

static void write_parts(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->workers.n_parts);
}

static void write_part_bytes(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->workers.part_bytes);
}

static void write_first_part(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_histogram(text, name, &reading->service->workers.first_part);
}

static void write_answer_bytes(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->runs.answer_bytes);
}

static void write_of_streams(struct buf *text, const char *name, uint64_t n_out, uint64_t n_err)
{
    metrics_number(text, name, "stream", "stdout", n_out);
    metrics_number(text, name, "stream", "stderr", n_err);
}

static void write_log_bytes(struct buf *text, const char *name, const struct reading *reading)
{
    const struct service *service = reading->service;

    write_of_streams(text, name, service->out->n_written, service->err->n_written);
}

static void write_log_dropped(struct buf *text, const char *name, const struct reading *reading)
{
    const struct service *service = reading->service;

    write_of_streams(text, name, service->out->n_dropped, service->err->n_dropped);
}

static void write_workers(struct buf *text, const char *name, const struct reading *reading)
{
    for (unsigned i = 0; i < WORKER_STATES; i++)
        metrics_number(text, name, "state", worker_state_name((enum worker_state)i),
                       reading->n_workers[i]);
}

static void write_starts(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->workers.n_starts);
}

static void write_distrusted(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->workers.n_distrusted);
}

static void write_restarts(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->workers.n_restarts);
}

static void write_deaths(struct buf *text, const char *name, const struct reading *reading)
{
    for (unsigned i = DEATH_NONE + 1; i < N_DEATHS; i++)
        metrics_number(text, name, "cause", death_name((enum death)i),
                       reading->service->workers.n_deaths[i]);
}

static void write_children_memory(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->children.memory_bytes);
}

static void write_children_cpu(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_seconds(text, name, reading->children.cpu_us);
}

static void write_held(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->held.bytes);
}

static void write_held_max(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->service->held.max_bytes);
}

static void write_connections(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->clients->n);
}

static void write_connections_max(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->clients->max);
}

static void write_dropped(struct buf *text, const char *name, const struct reading *reading)
{
    for (unsigned i = 0; i < N_DROPS; i++)
        metrics_number(text, name, "reason", drop_name((enum drop)i),
                       reading->clients->n_dropped[i]);
}

static void write_refused(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_number(text, name, NULL, NULL, reading->clients->n_refused);
}

static void write_own_memory(struct buf *text, const char *name, const struct reading *reading)
{
    struct usage own = {0};

    (void)reading;
    (void)usage_add(&own, getpid());
    metrics_number(text, name, NULL, NULL, own.memory_bytes);
}

static void write_own_cpu(struct buf *text, const char *name, const struct reading *reading)
{
    (void)reading;
    metrics_seconds(text, name, usage_own_cpu_us());
}

static void write_open_fds(struct buf *text, const char *name, const struct reading *reading)
{
    (void)reading;
    metrics_number(text, name, NULL, NULL, usage_open_fds());
}

static void write_max_fds(struct buf *text, const char *name, const struct reading *reading)
{
    struct rlimit limit = {0};

    (void)reading;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    metrics_number(text, name, NULL, NULL, limit.rlim_cur);
}

static void write_start_time(struct buf *text, const char *name, const struct reading *reading)
{
    metrics_seconds(text, name, reading->admin->started_at_us);
}

/* A test compares this table with docs/monitoring.md. The names process_* are the ones that
 * Prometheus client libraries use, so that ready-made dashboards find them. */
static const struct {
    const char *name;
    const char *type;
    const char *help;
    void (*write)(struct buf *text, const char *name, const struct reading *reading);
} families[] = {
    {"whiskloop_build_info", "gauge", "Always 1; the label tells the program's version.",
     write_build},
    {"whiskloop_library_info", "gauge", "Always 1; the label tells a library's name and version.",
     write_libraries},
    {"whiskloop_activations_total", "counter", "Requests to run the action, by how they ended.",
     write_ends},
    {"whiskloop_queue_duration_seconds", "histogram",
     "Time from a request until a worker was given it.", write_queued_time},
    {"whiskloop_action_duration_seconds", "histogram",
     "Time that the action took for an answer, without any waiting.", write_action_time},
    {"whiskloop_activation_duration_seconds", "histogram", "Time from a request to its reply.",
     write_whole_time},
    {"whiskloop_activations_in_flight", "gauge", "Activations that workers have now.",
     write_in_flight},
    {"whiskloop_activations_queued", "gauge", "Activations that wait for a worker now.",
     write_queued},
    {"whiskloop_request_bytes_total", "counter", "Bytes of the requests that were not refused.",
     write_request_bytes},
    {"whiskloop_answer_bytes_total", "counter", "Bytes of the answers that were passed on.",
     write_answer_bytes},
    {"whiskloop_parts_total", "counter", "Parts of answers that actions sent.", write_parts},
    {"whiskloop_part_bytes_total", "counter", "Bytes of those parts.", write_part_bytes},
    {"whiskloop_first_part_duration_seconds", "histogram",
     "Time from a line for the action to the first part of its answer.", write_first_part},
    {"whiskloop_log_bytes_total", "counter",
     "Bytes of the action's log that were written, end marks included.", write_log_bytes},
    {"whiskloop_log_dropped_bytes_total", "counter",
     "Bytes of it that were lost to a reader that left or stalled, or a full disk.",
     write_log_dropped},
    {"whiskloop_workers", "gauge", "Workers by state.", write_workers},
    {"whiskloop_worker_starts_total", "counter",
     "Starts of processes of the action, failed ones included.", write_starts},
    {"whiskloop_workers_distrusted_total", "counter",
     "Workers that wrote an answer nobody waited for, and get each line with care since.",
     write_distrusted},
    {"whiskloop_worker_restarts_total", "counter", "Those starts that replaced an earlier process.",
     write_restarts},
    {"whiskloop_worker_deaths_total", "counter", "Ends of processes of the action, by cause.",
     write_deaths},
    {"whiskloop_children_resident_memory_bytes", "gauge",
     "Memory of the action's processes; what they share counts in each.", write_children_memory},
    {"whiskloop_children_cpu_seconds_total", "counter",
     "Processor time of the action's processes, those that ended included.", write_children_cpu},
    {"whiskloop_held_bytes", "gauge",
     "Bytes of bodies that arrive or wait, and of answers that have not left.", write_held},
    {"whiskloop_held_max_bytes", "gauge", "The bound on them (--held-max-bytes).", write_held_max},
    {"whiskloop_connections", "gauge", "Connections of clients.", write_connections},
    {"whiskloop_connections_max", "gauge", "The bound on them (--connections-max).",
     write_connections_max},
    {"whiskloop_connections_dropped_total", "counter",
     "Connections that the proxy ended, by why: idle and another one came, too slow, too slow while "
     "memory ran out, too slow at the end.",
     write_dropped},
    {"whiskloop_requests_refused_total", "counter",
     "Requests that were refused before their body was read.", write_refused},
    {"process_resident_memory_bytes", "gauge", "Memory of the proxy itself.", write_own_memory},
    {"process_cpu_seconds_total", "counter", "Processor time of the proxy itself.", write_own_cpu},
    {"process_open_fds", "gauge", "Descriptors that the proxy has open.", write_open_fds},
    {"process_max_fds", "gauge", "Descriptors that the proxy may have open.", write_max_fds},
    {"process_start_time_seconds", "gauge", "When the proxy was started, in seconds since 1970.",
     write_start_time},
};

/* Add up the memory and processor time of the child processes. This reads two small files of /proc
 * for each of them, which is cheap, as they are few. */
static void look_at_children(struct reading *reading)
{
    const struct service *service = reading->service;

    if (service->prewarmed.spawned.pid != 0)
        (void)usage_add(&reading->children, service->prewarmed.spawned.pid);
    versions_look(service, reading->n_workers, &reading->children);
    reading->children.cpu_us += usage_ended_cpu_us();
}

void admin_on_metrics(void *owner, struct request *request)
{
    const struct admin *admin = owner;
    struct reading reading = {
        .admin = admin, .service = admin->service, .clients = server_connections(admin->server)};
    struct buf text = {0};
    size_t n;

    look_at_children(&reading);
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        metrics_family(&text, families[i].name, families[i].type, families[i].help);
        families[i].write(&text, families[i].name, &reading);
    }
    n = buf_len(&text);
    request_reply_as(request, 200, METRICS_CONTENT_TYPE, text.bytes, n);
}
