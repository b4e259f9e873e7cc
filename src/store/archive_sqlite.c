/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite archive: a desk (archive_desk.h) whose steps are jobs on the SQLite thread. No SQLite
 * call is made here (sqlite_archive.c). Jobs are short, the thread is everybody's: a search is as
 * many of them as it takes, one behind the other, and commits go in between.
 */
#include "sqlite_archive.h"
#include "sqlite_store.h"

#include <stdlib.h>

#define SEARCH_MS 10000u /* the longest that one search may take, all its jobs together */

struct sqlite_archive {
    struct archive_desk desk;
    struct sqlite_seat seat;
    struct sqlite_request job;
    struct sqlite_findings findings;
    struct archive_range range; /* of a find: what is left to look at */
    size_t told;                /* of a find */
    bool over;                  /* of a select: there is no more */
    uint64_t late_ms;           /* monotonic: the search is given up */
};

static struct sqlite_archive *from_desk(struct archive_desk *desk)
{
    return container_of(desk, struct sqlite_archive, desk);
}

static struct sqlite_archive *from_job(struct sqlite_request *job)
{
    return container_of(job, struct sqlite_archive, job);
}

static void submit(struct sqlite_archive *self,
                   enum status (*run)(struct sqlite_request *job, struct sqlite_db *db),
                   void (*returned)(struct sqlite_request *job), bool writes)
{
    self->job = (struct sqlite_request){
        .run = run, .writes = writes, .durable = writes, .returned = returned};
    sqlite_seat_submit(&self->seat, &self->job);
}

static void start_search(struct sqlite_archive *self)
{
    self->late_ms = loop_now_ms(self->desk.loop) + SEARCH_MS;
}

/* What a search that would go on has to end with; STATUS_OK: it may. */
static enum status may_go_on(const struct sqlite_archive *self)
{
    if (self->desk.closing)
        return STATUS_UNAVAILABLE;
    return loop_now_ms(self->desk.loop) < self->late_ms ? STATUS_OK : STATUS_TIMED_OUT;
}

/* ---- find ---- */

/* One more than the limit, to know if there is more. */
static enum status run_find(struct sqlite_request *job, struct sqlite_db *db)
{
    struct sqlite_archive *self = from_job(job);
    const struct archive_find *find = self->desk.find;
    arena_reset(&self->findings.arena);
    return sqlite_archive_find(db, &find->filter, find->limit + 1 - self->told, &self->range,
                               &self->findings);
}

static void tell_events(struct sqlite_archive *self)
{
    struct archive_find *find = self->desk.find;
    for (size_t i = 0; i < self->findings.count; i++) {
        if (self->told == find->limit) {
            find->more = true;
            return;
        }
        self->told++;
        find->event(find, &self->findings.events[i]);
    }
}

static void on_find_returned(struct sqlite_request *job)
{
    struct sqlite_archive *self = from_job(job);
    enum status status = job->status;
    if (status == STATUS_OK)
        tell_events(self);
    bool over = self->findings.over || self->desk.find->more;
    if (status == STATUS_OK && !over)
        status = may_go_on(self);
    if (status == STATUS_OK && !over)
        submit(self, run_find, on_find_returned, false);
    else
        archive_desk_answered(&self->desk, status);
}

static void begin_find(struct archive_desk *desk)
{
    struct sqlite_archive *self = from_desk(desk);
    const struct archive_find *find = desk->find;
    self->range = archive_range_of(&find->filter);
    if (find->has_before &&
        memcmp(find->before.bytes, self->range.high.bytes, sizeof(find->before.bytes)) < 0)
        self->range.high = find->before;
    self->told = 0;
    start_search(self);
    submit(self, run_find, on_find_returned, false);
}

/* ---- show ---- */

static enum status run_show(struct sqlite_request *job, struct sqlite_db *db)
{
    struct sqlite_archive *self = from_job(job);
    arena_reset(&self->findings.arena);
    return sqlite_archive_show(db, &self->desk.show->event_id, &self->findings);
}

static void on_show_returned(struct sqlite_request *job)
{
    struct sqlite_archive *self = from_job(job);
    struct archive_show *show = self->desk.show;
    if (job->status == STATUS_OK && self->findings.count > 0) {
        show->event(show, &self->findings.events[0]);
        for (struct sqlite_attempt *node = self->findings.attempts; node; node = node->next)
            show->attempt(show, &node->attempt);
    }
    arena_reset(&self->findings.arena); /* a body may be large */
    archive_desk_answered(&self->desk, job->status);
}

static void begin_show(struct archive_desk *desk)
{
    submit(from_desk(desk), run_show, on_show_returned, false);
}

/* ---- change ---- */

static enum status run_select(struct sqlite_request *job, struct sqlite_db *db)
{
    struct sqlite_archive *self = from_job(job);
    return sqlite_archive_select(db, &self->desk, &self->over);
}

static void on_select_returned(struct sqlite_request *job)
{
    struct sqlite_archive *self = from_job(job);
    enum status status = job->status;
    if (status == STATUS_OK && !self->over)
        status = may_go_on(self);
    if (status == STATUS_OK && !self->over)
        submit(self, run_select, on_select_returned, false);
    else
        archive_desk_answered(&self->desk, status);
}

static void begin_select(struct archive_desk *desk)
{
    struct sqlite_archive *self = from_desk(desk);
    start_search(self);
    submit(self, run_select, on_select_returned, false);
}

static enum status run_apply(struct sqlite_request *job, struct sqlite_db *db)
{
    return sqlite_archive_apply(db, &from_job(job)->desk);
}

static void on_apply_returned(struct sqlite_request *job)
{
    archive_desk_answered(&from_job(job)->desk, job->status);
}

/* Copies are new rows, which a file at its cap doesn't take. */
static void begin_apply(struct archive_desk *desk)
{
    const struct sqlite_archive *self = from_desk(desk);
    if (desk->change->verb == ARCHIVE_REPLAY_NEW && sqlite_store_is_full(self->seat.store)) {
        archive_desk_answered(desk, STATUS_FULL);
        return;
    }
    submit(from_desk(desk), run_apply, on_apply_returned, true);
}

/* ---- opening and closing ---- */

static void close_archive(struct archive *archive, void (*closed)(void *arg), void *arg)
{
    archive_desk_close(container_of(archive, struct archive_desk, archive), closed, arg);
}

static void finish(struct archive_desk *desk)
{
    struct sqlite_archive *self = from_desk(desk);
    void (*closed)(void *arg) = desk->closed;
    void *arg = desk->closed_arg;
    sqlite_seat_close(&self->seat);
    arena_done(&self->findings.arena);
    free(self);
    closed(arg);
}

static const struct archive_backend backend = {
    .name = "sqlite",
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

/* A row is bounded by what was taken in. */
enum status archive_sqlite_open(struct loop *loop, struct sqlite_store *store,
                                struct archive **ret_archive)
{
    struct sqlite_archive *self = calloc(1, sizeof(*self));
    if (!self)
        return STATUS_NO_MEMORY;
    enum status status = sqlite_seat_open(&self->seat, loop, store);
    if (status != STATUS_OK) {
        free(self);
        return status;
    }
    arena_init(&self->findings.arena, SQLITE_ARCHIVE_BYTES / 16, SIZE_MAX);
    archive_desk_init(&self->desk, loop, &steps);
    self->desk.archive.backend = &backend;
    archive_desk_up(&self->desk);
    *ret_archive = &self->desk.archive;
    return STATUS_OK;
}
