/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one YAML file to one immutable struct, composed of the option structs that the
 * lower layers declare. All errors are collected, each with file:line:column, the line, a caret and
 * a hint. config/schema.c has one row per setting.
 */
#ifndef POSTERN_CONFIG_CONFIG_H
#define POSTERN_CONFIG_CONFIG_H

#include <postern/base/arena.h>
#include <postern/base/buf.h>
#include <postern/base/log.h>
#include <postern/base/slice.h>
#include <postern/io/stream.h>
#include <postern/io/tls.h>
#include <postern/net/http1.h>
#include <postern/net/upstream.h>
#include <postern/policy/breaker.h>
#include <postern/policy/client_address.h>
#include <postern/policy/pace.h>
#include <postern/policy/route.h>
#include <postern/store/backends.h>

enum dedup_store { DEDUP_MEMORY, DEDUP_REDIS };
enum journal_store { JOURNAL_SQLITE, JOURNAL_POSTGRES };

/* Time-outs of client connections, milliseconds. */
struct client_timeouts {
    uint32_t header_ms; /* from a request's first byte (or the connection's start) to the end of its
                           head */
    uint32_t body_ms;   /* from the head to the last byte of the body */
    uint32_t idle_ms;   /* between requests on a kept connection */
    uint32_t write_ms;  /* without progress while answering */
};

/* How queued events go to one upstream, beside its upstream_opts. */
struct lane_opts {
    struct pace_opts pace; /* attempts per worker */
    struct breaker_opts breaker;
    struct slice sign_key; /* raw; empty: not signed */
};

/* One listener. */
struct listen_opts {
    struct address address;
    struct tls_server_opts tls; /* no certificates: plain */
    bool proxy_protocol; /* connections begin with a PROXY header (v1 or v2), from trusted proxies
                            only */
};

struct config {
    uint32_t workers; /* resolved: at least 1 */
    struct listen_opts *listen;
    size_t listen_count;
    struct network *trusted_proxies;
    size_t trusted_proxy_count;
    struct address admin;
    bool admin_enabled;
    struct slice admin_token; /* resolved secret; empty: none */
    enum dedup_store dedup;
    struct redis_opts redis; /* .l1 is filled in by main */
    size_t memory_max_keys;
    size_t memory_note_bytes; /* notes beside keys that may be given up: stored responses */
    size_t limit_cells;       /* of the process's rate limits */
    size_t l1_max_keys;       /* 0: off */
    enum journal_store journal;
    struct sqlite_opts sqlite;
    struct pg_opts postgres;  /* .housekeeper and .owner are filled in per worker */
    struct sqlite_opts spool; /* beside postgres; path empty: off */
    bool spool_given;         /* the path stands in the file; else the default one is tried, and the
                                 next ("spool-2.db", …) where another process has it */
    struct http_limits http;
    uint64_t body_bytes;          /* default of the routes */
    uint32_t connections;         /* client connections, all workers together */
    uint64_t body_memory_bytes;   /* request bodies held at once, all workers together */
    size_t response_buffer_bytes; /* of one response held for a slow client or a claim not yet
                                     settled */
    struct client_timeouts timeouts;
    uint32_t drain_timeout_ms;  /* how long SIGTERM waits for exchanges and the journal */
    uint32_t shutdown_delay_ms; /* between failing readiness and closing the listeners */
    enum log_format log_format;
    bool log_format_auto; /* text on a terminal, JSON elsewhere */
    enum log_level log_level;
    uint32_t access_sample; /* every n-th exchange gets an access line; 0: none */
    bool strict;            /* warnings about the stores are errors */
    struct upstream_opts *upstreams;
    struct lane_opts *lanes; /* by upstream */
    size_t upstream_count;
    struct route_opts *routes;
    size_t route_count;
    struct arena arena; /* everything above that points, points in here */
};

/* Reads `path`. On success *ret_config is to be given to config_free, and `report` may hold
 * warnings. On failure `report` (with a ceiling of the caller's) holds every error as text for
 * people: STATUS_INVALID for a bad file, STATUS_IO when it can't be read. */
NODISCARD enum status config_load(const char *path, struct buf *report, struct config **ret_config);

/* As config_load from memory; `name` stands for the file in messages. */
NODISCARD enum status config_parse(const char *name, struct slice text, struct buf *report,
                                   struct config **ret_config);

/* Frees it, with its secrets wiped; NULL is fine. */
void config_free(struct config *config);

/* Appends what a good configuration comes to, for people: a line per listener, store and route,
 * without secrets ("route payments: POST /pay -> billing, key json[id, data.id], window 24h, …").
 */
NODISCARD enum status config_summary(const struct config *config, struct buf *buf);

/* Appends the reference tables (Markdown) made from the schema rows: docs/configuration.md holds
 * it, a test compares. */
NODISCARD enum status config_reference(struct buf *buf);

#endif
