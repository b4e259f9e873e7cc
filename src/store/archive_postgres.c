/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL archive: a desk (archive_desk.h) whose steps are jobs on a link of its own, so
 * that a slow question delays no batch and no delivery. Statements are in pg_archive.c.
 *
 *   link up -> probe: settings, is the schema there? -> desk up ──> step, step …
 *     ^                  │ no                              │
 *     └──── back-off <───┴─────────── desk down <── lost ──┘
 *
 * A question that the server ends for its length, or that asks for what no text can be, leaves the
 * link as it is; after any other error it is dropped, and comes back perhaps to a better server.
 */
#include "pg_archive.h"

#include <postern/store/backends.h>
#include <stdio.h>
#include <stdlib.h>

#define STATEMENT_TIMEOUTS 5u /* of pg_opts.timeout_ms: a statement's bound, kept by the server */
#define DEADLOCK_TRIES 5u     /* each is rolled back as if it had not been */

struct postgres_archive {
    struct archive_desk desk;
    struct pg_link link;
    struct pg_listener listener;
    struct pg_job probe, work;
    uint32_t statement_ms;     /* the longest that one may take */
    uint32_t takeover_ms;      /* as in pg_opts */
    uint64_t up_since_ms;      /* monotonic */
    uint32_t tries;            /* of this page, after deadlocks */
    char told[PG_DETAIL_SIZE]; /* the last bad news, told once; empty: all is well */
};

static struct postgres_archive *from_desk(struct archive_desk *desk)
{
    return container_of(desk, struct postgres_archive, desk);
}

static bool is_state(const struct pg_failure *failure, const char *sqlstate)
{
    return strcmp(failure->sqlstate, sqlstate) == 0;
}

/* ---- steps ---- */

static bool is_ripe(const struct postgres_archive *self)
{
    return loop_now_ms(self->desk.loop) >= self->up_since_ms + self->takeover_ms;
}

/* The server's own bound comes first, so that only a frozen one costs the link. */
static void begin(struct postgres_archive *self, uint32_t statements)
{
    pg_link_begin(&self->link, &self->work,
                  statements * self->statement_ms + self->link.timeout_ms);
}

static void begin_find(struct archive_desk *desk)
{
    struct postgres_archive *self = from_desk(desk);
    begin(self, 1);
    pg_archive_find(&self->link, desk->find);
    pg_link_commit(&self->link);
}

static void begin_show(struct archive_desk *desk)
{
    struct postgres_archive *self = from_desk(desk);
    begin(self, 2);
    pg_archive_show(&self->link, desk->show);
    pg_link_commit(&self->link);
}

static void begin_select(struct archive_desk *desk)
{
    struct postgres_archive *self = from_desk(desk);
    self->tries = 0;
    begin(self, 1);
    pg_archive_select(&self->link, desk, is_ripe(self));
    pg_link_commit(&self->link);
}

static void begin_apply(struct archive_desk *desk)
{
    struct postgres_archive *self = from_desk(desk);
    self->tries++;
    for (size_t i = 0; i < desk->plan.count; i++)
        desk->plan.targets[i].changed = false; /* what a rolled back try told */
    begin(self, 1);
    pg_archive_apply(&self->link, desk, is_ripe(self));
    pg_link_commit(&self->link);
}

static void on_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct postgres_archive *self = container_of(job, struct postgres_archive, work);
    switch (self->desk.step) {
    case ARCHIVE_FIND:
        pg_archive_found(self->desk.find, result);
        break;
    case ARCHIVE_SHOW:
        pg_archive_shown(self->desk.show, statement, result);
        break;
    case ARCHIVE_SELECT:
        pg_archive_selected(&self->desk, result);
        break;
    case ARCHIVE_APPLY:
        pg_archive_applied(&self->desk, result);
        break;
    case ARCHIVE_IDLE:
        break;
    }
}

static bool is_deadlock(const struct postgres_archive *self, const struct pg_failure *failure)
{
    return self->desk.step == ARCHIVE_APPLY && self->tries < DEADLOCK_TRIES &&
           (is_state(failure, "40P01") || is_state(failure, "40001"));
}

/* query_canceled; character_not_in_repertoire: no text in the database has such bytes, so that none
 * was found. */
static void on_work_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct postgres_archive *self = container_of(job, struct postgres_archive, work);
    if (!failure || is_state(failure, "22021")) {
        pg_link_proven(&self->link);
        archive_desk_answered(&self->desk, STATUS_OK);
    } else if (!failure->lost && is_state(failure, "57014")) {
        archive_desk_answered(&self->desk, STATUS_TIMED_OUT);
    } else if (!failure->lost && is_deadlock(self, failure)) {
        begin_apply(&self->desk);
    } else {
        archive_desk_answered(&self->desk, STATUS_UNAVAILABLE);
        if (!failure->lost)
            pg_link_drop(&self->link, failure->message);
    }
}

/* ---- the link ---- */

static void on_probed(struct pg_job *job, const struct pg_failure *failure)
{
    struct postgres_archive *self = container_of(job, struct postgres_archive, probe);
    if (!failure) {
        pg_link_proven(&self->link);
        self->up_since_ms = loop_now_ms(self->desk.loop);
        archive_desk_up(&self->desk);
        self->told[0] = '\0';
        self->listener.changed(self->listener.arg, true, SLICE(""));
    } else if (!failure->lost) {
        pg_link_drop(&self->link, failure->message);
    }
}

static void on_connected(struct pg_link *link)
{
    struct postgres_archive *self = container_of(link, struct postgres_archive, link);
    pg_link_begin(link, &self->probe, link->timeout_ms);
    pg_archive_probe(link, self->statement_ms);
    pg_link_commit(link);
}

static void on_lost(struct pg_link *link, struct slice detail)
{
    struct postgres_archive *self = container_of(link, struct postgres_archive, link);
    archive_desk_down(&self->desk);
    if (strcmp(self->told, detail.data) == 0)
        return;
    snprintf(self->told, sizeof(self->told), "%s", detail.data);
    self->listener.changed(self->listener.arg, false, slice_str(self->told));
}

static const struct pg_link_handlers link_handlers = {.connected = on_connected, .lost = on_lost};

/* ---- opening and closing ---- */

/* The link ends the step under way. */
static void close_archive(struct archive *archive, void (*closed)(void *arg), void *arg)
{
    struct archive_desk *desk = container_of(archive, struct archive_desk, archive);
    pg_link_close(&from_desk(desk)->link);
    archive_desk_close(desk, closed, arg);
}

static void finish(struct archive_desk *desk)
{
    void (*closed)(void *arg) = desk->closed;
    void *arg = desk->closed_arg;
    free(from_desk(desk));
    closed(arg);
}

static const struct archive_backend backend = {
    .name = "postgres",
    .find = archive_desk_find,
    .show = archive_desk_show,
    .change = archive_desk_change,
    .close = close_archive,
};

static const struct archive_steps steps = {.find = begin_find,
                                           .show = begin_show,
                                           .select = begin_select,
                                           .apply = begin_apply,
                                           .finish = finish};

enum status archive_postgres_open(struct loop *loop, const struct pg_opts *opts,
                                  struct pg_listener listener, struct archive **ret_archive)
{
    struct postgres_archive *self = calloc(1, sizeof(*self));
    if (!self)
        return STATUS_NO_MEMORY;
    archive_desk_init(&self->desk, loop, &steps);
    self->desk.archive.backend = &backend;
    self->listener = listener;
    self->statement_ms = STATEMENT_TIMEOUTS * opts->timeout_ms;
    self->takeover_ms = opts->takeover_ms;
    self->probe = (struct pg_job){.ended = on_probed};
    self->work = (struct pg_job){.result = on_result, .ended = on_work_ended};
    enum status status =
        pg_link_open(&self->link, loop, opts->url, opts->timeout_ms, &link_handlers);
    if (status != STATUS_OK) {
        free(self);
        return status;
    }
    *ret_archive = &self->desk.archive;
    return STATUS_OK;
}
