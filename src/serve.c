/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main thread: config, log, metrics, shared stores, workers, the admin listener, signals, and
 * the orderly end.
 *
 *   start:  config -> certificates -> log -> metrics -> keys, sqlite
 *           -> workers (threads) -> [load keys] -> listeners open -> ready
 *   end:    SIGTERM -> not ready -> (drain.delay) -> workers drain and flush
 *           -> join -> sqlite -> log
 */
#include "serve.h"

#include "explain_store.h"
#include "spool.h"
#include "warnings.h"
#include "worker.h"
#include <errno.h>
#include <malloc.h>
#include <postern/admin/admin.h>
#include <postern/cli/cli.h>
#include <postern/gateway/secure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define KEEP_FREED_BYTES (32 * 1024 * 1024) /* per thread, as far as it was ever used */

struct server {
    struct process process;
    struct config *config;
    char *report; /* what the configuration was warned of */
    size_t report_len;
    struct secure secure;
    struct metrics *metrics;
    struct loop loop;
    struct loop_signal terminate, interrupt, hangup;
    struct admin *admin;
    struct admin_state state;
    struct explain_store *explain;
    struct archive *archive;
    struct pg_opts archive_opts;
    struct worker *workers;
    size_t worker_count; /* started */
    struct deadline delay;
    bool open_asked, failed;
    uint64_t unflushed;
};

/* ---- the end ---- */

static void ask_all(struct server *server, enum worker_command command)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_ask(&server->workers[i], command);
}

static void on_delay_over(struct deadline *deadline)
{
    ask_all(container_of(deadline, struct server, delay), WORKER_DRAIN);
}

static void begin_drain(struct server *server, const char *why)
{
    server->state.draining = true;
    log_line(server->process.log, LOG_INFO, "draining", LOG_STR("reason", why));
    deadline_set(&server->loop.deadlines, &server->delay,
                 loop_now_ms(&server->loop) + server->config->shutdown_delay_ms);
}

static void on_terminate(struct loop_signal *signal, int number)
{
    struct server *server = number == SIGTERM ? container_of(signal, struct server, terminate)
                                              : container_of(signal, struct server, interrupt);
    if (server->state.draining)
        _exit(EXIT_FAILURE); /* the second one: at once, nothing more is flushed */
    begin_drain(server, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* Certificates are renewed under a process that serves; connections that are there go on. */
static void on_hangup(struct loop_signal *signal, int number)
{
    (void)number;
    struct server *server = container_of(signal, struct server, hangup);
    log_line(server->process.log, LOG_INFO,
             "SIGHUP: reading certificates again; for the rest of the config, restart",
             LOG_STR("signal", "SIGHUP"));
    (void)secure_reload(&server->secure, server->process.log); /* it has logged what failed */
}

/* ---- the workers' phases ---- */

static bool all_in(const struct server *server, enum worker_phase phase)
{
    for (size_t i = 0; i < server->worker_count; i++)
        if (atomic_load(&server->workers[i].phase) != (int)phase)
            return false;
    return true;
}

static void note_failures(struct server *server)
{
    for (size_t i = 0; i < server->worker_count && !server->failed; i++) {
        if (atomic_load(&server->workers[i].phase) != WORKER_FAILED)
            continue;
        server->failed = true;
        log_line(server->process.log, LOG_ERROR, "can't serve",
                 LOG_STR("reason", server->workers[i].failure));
        if (!server->state.draining)
            begin_drain(server, "a worker failed");
    }
}

static void open_when_prepared(struct server *server)
{
    if (server->open_asked || server->state.draining ||
        server->worker_count < server->config->workers || !all_in(server, WORKER_PREPARED))
        return;
    server->open_asked = true;
    ask_all(server, WORKER_OPEN);
}

static void say_listening(struct server *server)
{
    for (size_t i = 0; i < server->config->listen_count; i++) {
        char address[ADDRESS_TEXT_SIZE];
        address_format(&server->config->listen[i].address, address);
        log_line(server->process.log, LOG_INFO, "listening", LOG_STR("address", address),
                 LOG_INT("workers", server->worker_count));
    }
}

static void on_archive_closed(void *arg)
{
    struct server *server = arg;
    loop_stop(&server->loop);
}

static void on_explain_closed(void *arg)
{
    struct server *server = arg;
    server->archive->backend->close(server->archive, on_archive_closed, server);
}

/* A worker that says it has ended may still be inside loop_wake: its thread is joined before the
 * waker goes. */
static void finish(struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(&server->workers[i]);
    deadline_clear(&server->loop.deadlines, &server->delay);
    admin_close(server->admin);
    explain_store_close(server->explain, on_explain_closed, server);
    loop_signal_close(&server->terminate);
    loop_signal_close(&server->interrupt);
    loop_signal_close(&server->hangup);
    loop_waker_close(&server->process.waker);
}

static void on_phase(struct loop_waker *waker)
{
    struct process *process = container_of(waker, struct process, waker);
    struct server *server = container_of(process, struct server, process);
    server->state.keys_loaded = atomic_load(&process->keys_loaded);
    server->state.redis_note =
        worker_finding_text((enum redis_finding)atomic_load(&process->redis_finding));
    note_failures(server);
    open_when_prepared(server);
    if (!server->state.listening && all_in(server, WORKER_LISTENING)) {
        server->state.listening = true;
        say_listening(server);
    }
    if (all_in(server, WORKER_ENDED))
        finish(server);
}

/* ---- the start ---- */

static int complain(const char *what, const char *why)
{
    (void)fprintf(stderr, "postern: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* A descriptor for each client, one towards an upstream, and some of our own. */
static void raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    rlim_t wanted = 2 * (rlim_t)config->connections + 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE,
                    &limit); /* at the hard limit, accepting stops there and others are served */
}

/* Batches of records come and go by the megabyte. Given back to the kernel each time, their pages
 * are cleared again and again: 7 % of the CPU of an accepted event (perf: clear_page under
 * batch_add and libpq). */
static void keep_freed_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_FREED_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_FREED_BYTES);
}

static enum log_format log_format(const struct config *config)
{
    if (!config->log_format_auto)
        return config->log_format;
    return isatty(STDOUT_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
}

static int open_secure(struct server *server)
{
    char error[SECURE_ERROR_SIZE];
    if (secure_open(server->config, &server->secure, error) != STATUS_OK) {
        (void)fprintf(stderr, "postern: %s\n", error);
        return EXIT_FAILURE;
    }
    server->process.listener_tls = server->secure.listeners;
    return EXIT_SUCCESS;
}

static int open_log(struct server *server)
{
    struct config *config = server->config;
    if (log_open(STDOUT_FILENO, log_format(config), config->log_level, &server->process.log) !=
        STATUS_OK)
        return complain("log", "out of memory");
    warnings_log(server->process.log, slice_of(server->report, server->report_len));
    secure_warn(config, server->process.log);
    return EXIT_SUCCESS;
}

static struct arrival_series declare_arrivals(struct metrics *metrics)
{
    return (struct arrival_series){
        .handshakes = metrics_counter(metrics, "postern_tls_handshakes_total",
                                      "TLS handshakes of clients.", "result=\"completed\""),
        .failed_handshakes = metrics_counter(metrics, "postern_tls_handshakes_total",
                                             "TLS handshakes of clients.", "result=\"failed\""),
        .bad_proxy_headers = metrics_counter(metrics, "postern_proxy_headers_refused_total",
                                             "Connections that began without a good PROXY header.",
                                             NULL),
    };
}

static int open_metrics(struct server *server)
{
    struct config *config = server->config;
    server->metrics = metrics_new(config->workers + 1);
    if (!server->metrics ||
        books_open(config, server->metrics, &server->process.books) != STATUS_OK)
        return complain("metrics", "out of memory, or too many routes");
    server->process.arrivals = declare_arrivals(server->metrics);
    if (metrics_seal(server->metrics) != STATUS_OK)
        return complain("metrics", "out of memory, or too many routes");
    return EXIT_SUCCESS;
}

static int open_shared(struct server *server)
{
    struct config *config = server->config;
    struct process *process = &server->process;
    process->config = config;
    bool any_rate = route_any_rate(config->routes, config->route_count, false);
    process->limits = any_rate ? limit_table_new(config->limit_cells) : NULL;
    if (any_rate && !process->limits)
        return complain("limits", "out of memory");
    process->shared.waiters = waiters_new();
    size_t keys = config->dedup == DEDUP_MEMORY ? config->memory_max_keys : config->l1_max_keys;
    process->keys = keys > 0 ? key_table_new(keys) : NULL;
    if (!process->shared.waiters || (keys > 0 && !process->keys))
        return complain("keys", "out of memory");
    if (process->keys)
        key_table_limit_notes(process->keys, config->memory_note_bytes);
    atomic_store(&process->keys_loaded, config->dedup != DEDUP_MEMORY);
    return EXIT_SUCCESS;
}

static int open_sqlite(struct server *server)
{
    char error[256];
    const struct config *config = server->config;
    if (config->journal == JOURNAL_POSTGRES)
        return open_spool(config, server->process.log, &server->process.sqlite);
    if (sqlite_store_open(&config->sqlite, server->process.log, &server->process.sqlite, error) !=
        STATUS_OK)
        return complain("journal.sqlite", error);
    return EXIT_SUCCESS;
}

/* Until the loop catches it a SIGHUP would end the process; held back, it comes late. Files that
 * were read before it are then read again. */
static void hold_hangup(int how)
{
    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(how, &hangup, NULL);
}

static int open_loop(struct server *server)
{
    server->process.waker.woken = on_phase;
    server->terminate.caught = on_terminate;
    server->interrupt.caught = on_terminate;
    server->hangup.caught = on_hangup;
    server->delay.expired = on_delay_over;
    if (loop_open(&server->loop) != STATUS_OK ||
        loop_waker_open(&server->loop, &server->process.waker) != STATUS_OK ||
        loop_signal_open(&server->loop, &server->terminate, SIGTERM) != STATUS_OK ||
        loop_signal_open(&server->loop, &server->interrupt, SIGINT) != STATUS_OK ||
        loop_signal_open(&server->loop, &server->hangup, SIGHUP) != STATUS_OK)
        return complain("event loop", strerror(errno));
    hold_hangup(SIG_UNBLOCK);
    return EXIT_SUCCESS;
}

static void on_archive_changed(void *arg, bool up, struct slice detail)
{
    const struct server *server = arg;
    log_line(server->process.log, up ? LOG_INFO : LOG_WARN,
             up ? "archive is up" : "archive is down", LOG_TEXT("detail", detail));
}

static int open_archive(struct server *server)
{
    enum status status;
    if (server->config->journal == JOURNAL_SQLITE) {
        status = archive_sqlite_open(&server->loop, server->process.sqlite, &server->archive);
    } else {
        server->archive_opts = server->config->postgres;
        struct pg_listener listener = {.changed = on_archive_changed, .arg = server};
        status =
            archive_postgres_open(&server->loop, &server->archive_opts, listener, &server->archive);
    }
    return status == STATUS_OK ? EXIT_SUCCESS : complain("archive", status_text(status));
}

static int open_explain(struct server *server)
{
    server->explain = explain_store_new(&server->loop, server->config, server->process.keys);
    return server->explain ? EXIT_SUCCESS : complain("explain", "out of memory");
}

static int open_admin(struct server *server)
{
    struct admin_opts opts = {
        .loop = &server->loop,
        .config = server->config,
        .metrics = server->metrics,
        .books = server->process.books,
        .cells = metrics_row(server->metrics, server->config->workers),
        .log = server->process.log,
        .state = &server->state,
        .version = POSTERN_VERSION,
        .archive = server->archive,
        .store = explain_store_door(server->explain),
    };
    if (!server->config->admin_enabled || admin_open(&opts, &server->admin) == STATUS_OK)
        return EXIT_SUCCESS;
    char address[ADDRESS_TEXT_SIZE];
    const char *why = strerror(errno);
    address_format(&server->config->admin, address);
    (void)fprintf(stderr, "postern: admin.address %s: %s\n", address, why);
    return EXIT_FAILURE;
}

static int start_workers(struct server *server)
{
    server->workers = calloc(server->config->workers, sizeof *server->workers);
    if (!server->workers)
        return complain("workers", "out of memory");
    for (size_t i = 0; i < server->config->workers; i++) {
        if (worker_start(&server->workers[i], &server->process, i) != STATUS_OK)
            return complain("worker", server->workers[i].failure);
        server->worker_count++;
    }
    return EXIT_SUCCESS;
}

static int check_address(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    if (!address_is_taken(address))
        return EXIT_SUCCESS;
    address_format(address, text);
    return complain(text, "somebody listens there already");
}

static int check_addresses(struct server *server)
{
    const struct config *config = server->config;
    int status = config->admin_enabled ? check_address(&config->admin) : EXIT_SUCCESS;
    for (size_t i = 0; i < config->listen_count && status == EXIT_SUCCESS; i++)
        status = check_address(&config->listen[i].address);
    return status;
}

static int open_all(struct server *server)
{
    int (*const steps[])(struct server *) = {
        check_addresses, open_secure,  open_log,     open_metrics, open_shared,  open_sqlite,
        open_loop,       open_archive, open_explain, open_admin,   start_workers};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int status = steps[i](server);
        if (status != EXIT_SUCCESS)
            return status;
    }
    return EXIT_SUCCESS;
}

static int close_all(struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++)
        server->unflushed += server->workers[i].unflushed;
    loop_close(&server->loop);
    if (server->process.sqlite)
        sqlite_store_close(server->process.sqlite);
    log_line(server->process.log, server->unflushed ? LOG_ERROR : LOG_INFO, "stopped",
             LOG_INT("records_not_written", server->unflushed));
    free(server->workers);
    key_table_free(server->process.keys);
    limit_table_free(server->process.limits);
    secure_close(&server->secure);
    waiters_free(server->process.shared.waiters);
    books_close(server->process.books);
    metrics_free(server->metrics);
    log_close(server->process.log);
    config_free(server->config);
    free(server->report);
    return server->failed || server->unflushed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Errors are for who started it; warnings go to the log, which isn't open yet. */
static int load_config(struct server *server, const char *path)
{
    FILE *report = open_memstream(&server->report, &server->report_len);
    if (!report)
        return complain("configuration", "out of memory");
    int status = cli_load_config(path, report, &server->config);
    if (fclose(report) != 0 || !server->report)
        return complain("configuration", "out of memory");
    if (status != EXIT_SUCCESS)
        (void)fwrite(server->report, 1, server->report_len, stderr);
    return status;
}

int serve(const char *config_path)
{
    static struct server server; /* one per process; large */
    hold_hangup(SIG_BLOCK);
    int status = load_config(&server, config_path);
    if (status != EXIT_SUCCESS)
        return status;
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit(server.config);
    keep_freed_memory();
    status = open_all(&server);
    if (status != EXIT_SUCCESS) {
        log_close(server.process.log);
        return status; /* the process ends here: the kernel closes what was opened */
    }
    loop_run(&server.loop);
    return close_all(&server);
}
