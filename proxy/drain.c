/*
 * The shutdown, in this order: take no new activations, let the running ones end, stop the action,
 * let clients read their replies.
 */

#include <assert.h>
#include <signal.h>

#include "app.h"
#include "base/err.h"
#include "base/log.h"
#include "command.h"
#include "dev/dev.h"
#include "greeting.h"
#include "http/init.h"
#include "http/versions.h"

#define DRAIN_LOOK_MS 20   /* interval of checks during a drain */
#define FLUSH_MAX_MS  1000 /* longest wait for clients that are slow to read their replies */

/* Whether no activation runs or waits any more, and the command, if there is one, is done. */
static bool has_worked_off(const struct app *app)
{
    return versions_n_jobs(&app->service) == 0 &&
           (app->command == NULL || command_is_done(app->command));
}

/* Whether a client has not read its whole reply yet, or the command still runs an activation. */
static bool is_asked(const struct app *app)
{
    assert(app->command != NULL || app->server != NULL);
    return app->command != NULL ? command_is_running(app->command) : server_n_open(app->server) > 0;
}

/* Whether clients have had FLUSH_MAX_MS to read their replies since the first call in which
 * `late` was true. late: the time for the drain is over, so that a client that does not read must
 * not delay the exit. */
static bool has_waited(struct app *app, bool late)
{
    uint64_t now_ms = loop_now_ms(app->loop);

    if (!late)
        return false;
    if (app->leave_at_ms == 0)
        app->leave_at_ms = now_ms + FLUSH_MAX_MS;
    return now_ms >= app->leave_at_ms;
}

/* Do each step of the shutdown that is due now. Called again and again until the last step, which
 * stops the loop. */
static void drain_step(struct app *app)
{
    struct service *service = &app->service;
    bool late = loop_now_ms(app->loop) >= app->drain_until_ms;
    /* An action that is still loading runs no activation yet, so Ctrl-C may end the loading. */
    bool ends_load = service->init != NULL && (late || app->interrupted);

    assert(service->draining);
    if (app->command != NULL && (late || ends_load))
        command_stop(app->command);
    if (ends_load)
        init_cancel(service);
    if (service->init == NULL && (late || has_worked_off(app)))
        versions_stop(service);
    if (service->init == NULL && app->server != NULL && has_worked_off(app))
        server_drop_slow(app->server, FLUSH_MAX_MS);
    if (service->init == NULL && versions_are_gone(service) &&
        (!is_asked(app) || has_waited(app, late))) {
        if (app->server != NULL)
            server_drain(app->server);
        loop_stop(app->loop);
        return;
    }
    loop_timer_set(app->loop, &app->drain, loop_now_ms(app->loop) + DRAIN_LOOK_MS);
}

/* Returns how many milliseconds are left for running activations. */
static uint64_t late_ms(const struct app *app)
{
    uint64_t now_ms = loop_now_ms(app->loop);

    return app->drain_until_ms > now_ms ? app->drain_until_ms - now_ms : 0;
}

static void begin_draining(struct app *app)
{
    app->service.draining = true;
    if (app->dev != NULL)
        dev_stop(app->dev, late_ms(app));
    else
        greeting_say_waiting(versions_n_jobs(&app->service), late_ms(app));
    if (app->server != NULL)
        server_wind_down(app->server);
}

/* Called when --drain-delay is over, to begin the drain. Then called every DRAIN_LOOK_MS, to check
 * whether the drain is complete. */
static void on_drain(struct loop_timer *timer)
{
    struct app *app = container_of(timer, struct app, drain);

    assert(app->service.leaving || app->service.draining);
    if (!app->service.draining) {
        app->drain_until_ms = loop_now_ms(app->loop) + app->config.drain_timeout_ms;
        begin_draining(app);
    }
    drain_step(app);
}

/* Go on serving for --drain-delay, while load balancers see /readyz fail. Each reply closes its
 * connection, so that the client's next request goes elsewhere. */
static void begin_leaving(struct app *app)
{
    assert(app->server != NULL);
    assert(!app->service.draining);
    app->service.leaving = true;
    server_wind_down(app->server);
    loop_timer_set(app->loop, &app->drain, loop_now_ms(app->loop) + app->config.drain_delay_ms);
}

/* The first signal begins the shutdown: --drain-delay, then the drain. Each further signal ends the
 * current wait. SIGINT also ends the loading of an action. It ends the commands invoke and test,
 * too, since only the user who pressed Ctrl-C waits for them. SIGHUP acts like SIGTERM, unless it
 * reopens a log file or was ignored when the program started. */
static void on_signal(void *owner, int signo)
{
    struct app *app = owner;
    struct err err;
    bool is_over;

    if (signo == SIGHUP && log_has_file()) {
        if (log_reopen(&err) < 0)
            log_warn("main.log", log_text("failed", err.text));
        return;
    }
    if (signo == SIGHUP && app->ignores_hangup)
        return;
    log_info("main.signal", log_int("signo", signo));
    app->interrupted = app->interrupted || signo == SIGINT;
    if (app->config.command == COMMAND_SERVE && app->config.drain_delay_ms > 0 &&
        !app->service.leaving && !app->service.draining) {
        begin_leaving(app);
        return;
    }
    is_over = signo == SIGINT && app->command != NULL && command_interrupt(app->command);
    app->drain_until_ms = loop_now_ms(app->loop);
    if (!app->service.draining && !is_over)
        app->drain_until_ms += app->config.drain_timeout_ms;
    begin_draining(app);
    if (app->command != NULL)
        command_close(app->command);
    drain_step(app);
}

void drain_begin(struct app *app, uint64_t wait_ms)
{
    if (!app->service.draining)
        app->drain_until_ms = loop_now_ms(app->loop) + wait_ms;
    begin_draining(app);
    drain_step(app);
}

/* Whether the program was started with SIGHUP ignored, as by nohup. on_signal() needs to know: the
 * loop reads signals from a descriptor, and so gets even an ignored SIGHUP. */
static bool is_hangup_ignored(void)
{
    struct sigaction action;

    return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void drain_init(struct app *app)
{
    app->ignores_hangup = is_hangup_ignored();
    loop_timer_init(&app->drain, on_drain);
    loop_on_signal(app->loop, on_signal, app);
}
