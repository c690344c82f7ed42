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

/* ---- /metrics: names, types and texts as in docs/monitoring.md ---- */

/* Write a metric that has one value and no label. */
static void write_number(struct buf *text, const char *name, const char *type, const char *help,
                         uint64_t value)
{
    metrics_family(text, name, type, help);
    metrics_number(text, name, NULL, NULL, value);
}

static void write_seconds(struct buf *text, const char *name, const char *type, const char *help,
                          uint64_t us)
{
    metrics_family(text, name, type, help);
    metrics_seconds(text, name, us);
}

static void write_histogram(struct buf *text, const char *name, const char *help,
                            const struct histogram *histogram)
{
    metrics_family(text, name, "histogram", help);
    metrics_histogram(text, name, histogram);
}

/* Write a counter that has one value for each of the action's two log streams. */
static void write_of_streams(struct buf *text, const char *name, const char *help, uint64_t n_out,
                             uint64_t n_err)
{
    metrics_family(text, name, "counter", help);
    metrics_number(text, name, "stream", "stdout", n_out);
    metrics_number(text, name, "stream", "stderr", n_err);
}

static void write_versions(struct buf *text, const char *version)
{
    struct library libraries[N_LIBRARIES];
    const char *name = "whiskloop_build_info";

    metrics_family(text, name, "gauge", "Always 1; the label tells the program's version.");
    metrics_number(text, name, "version", version, 1);
    name = "whiskloop_library_info";
    metrics_family(text, name, "gauge", "Always 1; the label tells a library's name and version.");
    libraries_read(libraries);
    for (unsigned i = 0; i < N_LIBRARIES; i++) {
        auto_free char *value = xasprintf("%s %s", libraries[i].name, libraries[i].version);

        metrics_number(text, name, "library", value, 1);
    }
}

static void write_activations(struct buf *text, const struct service *service)
{
    const struct run_tally *runs = &service->runs;
    unsigned n_jobs = versions_n_jobs(service);
    unsigned n_queued = versions_n_queued(service);
    const char *name = "whiskloop_activations_total";

    assert(n_queued <= n_jobs);
    metrics_family(text, name, "counter", "Requests to run the action, by how they ended.");
    for (unsigned i = 0; i < N_RUN_ENDS; i++)
        metrics_number(text, name, "outcome", run_end_name((enum run_end)i), runs->n_ends[i]);
    write_histogram(text, "whiskloop_queue_duration_seconds",
                    "Time from a request until a worker was given it.", &runs->queued);
    write_histogram(text, "whiskloop_action_duration_seconds",
                    "Time that the action took for an answer, without any waiting.",
                    &service->workers.work);
    write_histogram(text, "whiskloop_activation_duration_seconds",
                    "Time from a request to its reply.", &runs->whole);
    write_number(text, "whiskloop_activations_in_flight", "gauge",
                 "Activations that workers have now.", n_jobs - n_queued);
    write_number(text, "whiskloop_activations_queued", "gauge",
                 "Activations that wait for a worker now.",
                 n_queued + gate_n_held(&service->gate, run_on_request) +
                     gate_n_held(&service->gate, run_on_shaping_request));
    write_number(text, "whiskloop_request_bytes_total", "counter",
                 "Bytes of the requests that were not refused.", runs->request_bytes);
    write_number(text, "whiskloop_answer_bytes_total", "counter",
                 "Bytes of the answers that were passed on.", runs->answer_bytes);
    write_number(text, "whiskloop_parts_total", "counter", "Parts of answers that actions sent.",
                 service->workers.n_parts);
    write_number(text, "whiskloop_part_bytes_total", "counter", "Bytes of those parts.",
                 service->workers.part_bytes);
    write_histogram(text, "whiskloop_first_part_duration_seconds",
                    "Time from a line for the action to the first part of its answer.",
                    &service->workers.first_part);
}

static void write_log(struct buf *text, const struct output *out, const struct output *err)
{
    write_of_streams(text, "whiskloop_log_bytes_total",
                     "Bytes of the action's log that were written, end marks included.",
                     out->n_written, err->n_written);
    write_of_streams(text, "whiskloop_log_dropped_bytes_total",
                     "Bytes of it that were lost to a reader that left or stalled, or a full disk.",
                     out->n_dropped, err->n_dropped);
}

/* The memory and processor time of the child processes come from two small files of /proc for each
 * process. Reading them is cheap: there are few processes. */
static void write_workers(struct buf *text, const struct service *service)
{
    const struct tally *tally = &service->workers;
    unsigned n_workers[WORKER_STATES] = {0};
    struct usage usage = {0};
    const char *name = "whiskloop_workers";

    if (service->prewarmed.spawned.pid != 0)
        (void)usage_add(&usage, service->prewarmed.spawned.pid);
    versions_look(service, n_workers, &usage);
    metrics_family(text, name, "gauge", "Workers by state.");
    for (unsigned i = 0; i < WORKER_STATES; i++)
        metrics_number(text, name, "state", worker_state_name((enum worker_state)i), n_workers[i]);
    write_number(text, "whiskloop_worker_starts_total", "counter",
                 "Starts of processes of the action, failed ones included.", tally->n_starts);
    write_number(text, "whiskloop_workers_distrusted_total", "counter",
                 "Workers that wrote an answer nobody waited for, and get each line with care "
                 "since.",
                 tally->n_distrusted);
    write_number(text, "whiskloop_worker_restarts_total", "counter",
                 "Those starts that replaced an earlier process.", tally->n_restarts);
    name = "whiskloop_worker_deaths_total";
    metrics_family(text, name, "counter", "Ends of processes of the action, by cause.");
    for (unsigned i = DEATH_NONE + 1; i < N_DEATHS; i++)
        metrics_number(text, name, "cause", death_name((enum death)i), tally->n_deaths[i]);
    write_number(text, "whiskloop_children_resident_memory_bytes", "gauge",
                 "Memory of the action's processes; what they share counts in each.",
                 usage.memory_bytes);
    write_seconds(text, "whiskloop_children_cpu_seconds_total", "counter",
                  "Processor time of the action's processes, those that ended included.",
                  usage.cpu_us + usage_ended_cpu_us());
}

static void write_clients(struct buf *text, const struct held *held,
                          const struct connections *clients)
{
    const char *name = "whiskloop_connections_dropped_total";

    write_number(text, "whiskloop_held_bytes", "gauge",
                 "Bytes of bodies that arrive or wait, and of answers that have not left.",
                 held->bytes);
    write_number(text, "whiskloop_held_max_bytes", "gauge", "The bound on them (--held-max-bytes).",
                 held->max_bytes);
    write_number(text, "whiskloop_connections", "gauge", "Connections of clients.", clients->n);
    write_number(text, "whiskloop_connections_max", "gauge",
                 "The bound on them (--connections-max).", clients->max);
    metrics_family(text, name, "counter",
                   "Connections that the proxy ended, by why: idle and another one came, too slow, "
                   "too slow while memory ran out, too slow at the end.");
    for (unsigned i = 0; i < N_DROPS; i++)
        metrics_number(text, name, "reason", drop_name((enum drop)i), clients->n_dropped[i]);
    write_number(text, "whiskloop_requests_refused_total", "counter",
                 "Requests that were refused before their body was read.", clients->n_refused);
}

/* The metrics `process_...` have the names that Prometheus client libraries give them, so
 * ready-made dashboards find them. */
static void write_process(struct buf *text, uint64_t started_at_us)
{
    struct usage own = {0};
    struct rlimit limit = {0};

    (void)usage_add(&own, getpid());
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    write_number(text, "process_resident_memory_bytes", "gauge", "Memory of the proxy itself.",
                 own.memory_bytes);
    write_seconds(text, "process_cpu_seconds_total", "counter",
                  "Processor time of the proxy itself.", usage_own_cpu_us());
    write_number(text, "process_open_fds", "gauge", "Descriptors that the proxy has open.",
                 usage_open_fds());
    write_number(text, "process_max_fds", "gauge", "Descriptors that the proxy may have open.",
                 limit.rlim_cur);
    write_seconds(text, "process_start_time_seconds", "gauge",
                  "When the proxy was started, in seconds since 1970.", started_at_us);
}

void admin_on_metrics(void *owner, struct request *request)
{
    const struct admin *admin = owner;
    const struct service *service = admin->service;
    struct buf text = {0};
    size_t n;

    write_versions(&text, admin->version);
    write_activations(&text, service);
    write_log(&text, service->out, service->err);
    write_workers(&text, service);
    write_clients(&text, &service->held, server_connections(admin->server));
    write_process(&text, admin->started_at_us);
    n = buf_len(&text);
    request_reply_as(request, 200, METRICS_CONTENT_TYPE, text.bytes, n);
}
