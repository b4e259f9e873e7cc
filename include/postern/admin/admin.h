/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' door over HTTP: /livez, /healthz, /readyz, /metrics, and the JSON API under
 * /api/v1 (docs/api.md), on a listener of its own, on the main thread's loop. It reads what workers
 * publish, and asks the archive; what it changes goes through the archive alone.
 */
#ifndef POSTERN_ADMIN_ADMIN_H
#define POSTERN_ADMIN_ADMIN_H

#include <postern/base/log.h>
#include <postern/base/metrics.h>
#include <postern/base/slice.h>
#include <postern/config/config.h>
#include <postern/gateway/account.h>
#include <postern/io/loop.h>
#include <postern/io/stream.h>
#include <postern/store/archive.h>
#include <postern/store/dedup.h>
#include <stdbool.h>

#define ADMIN_MAX_CONNECTIONS                                                                      \
    64u /* more are closed at once: a scrape and some probes need a handful */

/* Written by main, read at each request; both on the main thread. */
struct admin_state {
    bool listening; /* every worker's listeners are open */
    bool draining;
    bool keys_loaded;       /* memory store: the window's keys were loaded from the journal */
    const char *redis_note; /* what a Redis link found wrong last; static storage, or NULL */
};

/* The dedup store as explain asks it, on the admin loop. */
struct admin_store {
    /* As dedup_peek. A store that was not needed so far may be opened first. */
    enum op_status (*peek)(struct admin_store *store, struct dedup_op *op);
};

/* Everything borrowed until admin_close; archive and store are asked nothing after that, but their
 * answers to what was asked before are still waited for. */
struct admin_opts {
    struct loop *loop;
    const struct config *config; /* the API tells its routes */
    struct metrics *metrics;
    const struct books *books;
    struct metric_cells cells; /* main's row: process gauges are set there */
    struct log *log;           /* its dropped lines are a gauge; replays and cancels are told */
    const struct admin_state *state;
    const char *version;
    struct archive *archive;   /* on the same loop; NULL: what needs it is answered 503 */
    struct admin_store *store; /* NULL: what is explained says nothing of a store */
};

struct admin;

/* Opens the listener. STATUS_IO with errno when the address can't be bound. */
NODISCARD enum status admin_open(const struct admin_opts *opts, struct admin **ret_admin);

/* Stops listening and closes every connection; frees itself when the last is closed and the archive
 * has answered what was asked for it (let the loop turn, and close archive and store after this
 * call).
 * NULL is fine. */
void admin_close(struct admin *admin);

#endif
