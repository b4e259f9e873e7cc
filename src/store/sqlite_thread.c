/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite thread: takes every batch and writing job that waits as one transaction (group commit
 * across workers), answers, then does the jobs that read, then looks after the file: a sync at
 * least once a second, checkpoints by size, the retention in small steps while nobody waits.
 *
 *   worker 1 ─ front ─┐  submit              ┌─ BEGIN, rows of all batches, counts, jobs, COMMIT
 *   worker 2 ─ front ─┼──────────> queue ──> │
 *   worker 3 ─ queue ─┘ <───────── seat <─── └─ wake each seat's loop
 *                         woken
 *
 * The transaction is synced when any of its rows or jobs is durable. A failed one is rolled back
 * whole and handed back; trying again is its sender's business.
 */
#include "sqlite_bind.h"
#include "sqlite_store_impl.h"

#define SYNC_INTERVAL_MS 1000u     /* the longest a commit stays in the page cache only */
#define PRUNE_INTERVAL_MS 3600000u /* between two passes of the retention */
#define PRUNE_PAUSE_MS 20u         /* between two steps, so that commits go first */

static void note_failure(struct sqlite_store *store, enum status status)
{
    bool failing = status != STATUS_OK;
    if (failing && !store->failing)
        log_line(store->log, LOG_ERROR, "sqlite file can't be written",
                 LOG_STR("file", store->path), LOG_STR("reason", sqlite_db_error(&store->db)));
    if (!failing && store->failing)
        log_line(store->log, LOG_INFO, "sqlite file can be written again",
                 LOG_STR("file", store->path), LOG_INT("wal_pages", store->db.wal_pages));
    store->failing = failing;
}

/* ---- room ---- */

static const char oldest_text[] = "SELECT min(id) FROM event";

/* Of a spool; nobody asks a journal, and it is asked for after each commit. */
static uint64_t oldest_at_ms(struct sqlite_store *store)
{
    if (!store->is_spool || store->db.rows == 0)
        return 0;
    struct sqlite3_stmt *oldest = sqlite_db_statement(&store->db, oldest_text);
    bool found = sqlite3_step(oldest) == SQLITE_ROW;
    struct uuid id = sqlite_read_uuid(oldest, 0);
    sqlite3_reset(oldest);
    return found ? uuid_time_ms(&id) : 0;
}

void sqlite_thread_look(struct sqlite_store *store)
{
    bool was_full = sqlite_store_is_full(store);
    if (sqlite_room_look(&store->room, &store->db, clock_mono_ms(&store->clock)) != STATUS_OK)
        return; /* what it said last still stands */
    struct spool_stats stats = {.there = store->is_spool,
                                .full = store->room.full,
                                .set_aside = store->found.set_aside,
                                .rows = store->db.rows,
                                .bytes = store->room.used_bytes,
                                .oldest_at_ms = oldest_at_ms(store),
                                .torn_bytes = store->found.torn_bytes};
    pthread_mutex_lock(&store->lock);
    store->stats = stats;
    pthread_mutex_unlock(&store->lock);
    atomic_store_explicit(&store->full, stats.full, memory_order_relaxed);
    if (stats.full != was_full)
        log_line(store->log, stats.full ? LOG_WARN : LOG_INFO,
                 stats.full ? "sqlite file takes no more appends" : "sqlite file has room again",
                 LOG_STR("file", store->path), LOG_INT("bytes", stats.bytes),
                 LOG_INT("rows", stats.rows));
}

/* ---- committing ---- */

static enum status insert_rows(struct sqlite_store *store, const struct sqlite_request *request)
{
    struct sqlite_origin origin = {.owner = *request->owner, .doubtful = request->batch->doubtful};
    struct batch *batch = request->batch;
    for (size_t i = 0; i < batch->count; i++) {
        enum status status = sqlite_db_insert(&store->db, batch->rows[i], &origin);
        batch->rows[i]->refused = status == STATUS_REFUSED;
        if (status != STATUS_OK && status != STATUS_REFUSED)
            return status;
    }
    return STATUS_OK;
}

static enum status write_batch(struct sqlite_store *store, const struct sqlite_request *request)
{
    struct batch *batch = request->batch;
    enum status status = insert_rows(store, request);
    for (size_t i = 0; status == STATUS_OK && i < batch->fold.count; i++)
        status = sqlite_db_count(&store->db, &batch->fold.entries[i]);
    return status;
}

static bool sync_overdue(const struct sqlite_store *store)
{
    return store->db.unsynced &&
           clock_mono_ms(&store->clock) >= store->unsynced_since_ms + SYNC_INTERVAL_MS;
}

static bool is_durable(const struct sqlite_request *request)
{
    return request->batch ? request->batch->level == JOURNAL_DURABLE : request->durable;
}

static bool wants_sync(const struct sqlite_store *store, const struct list *writes)
{
    for (struct list *link = writes->next; link != writes; link = link->next)
        if (is_durable(container_of(link, struct sqlite_request, link)))
            return true;
    return sync_overdue(store);
}

/* Batches come before jobs in `writes`: a job sees what its turn appended. */
static enum status write_all(struct sqlite_store *store, const struct list *writes)
{
    for (struct list *link = writes->next; link != writes; link = link->next) {
        struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        request->status = request->batch ? write_batch(store, request)
                                         : request->run(request, &store->db);
        if (request->status == STATUS_UNAVAILABLE)
            return STATUS_UNAVAILABLE;
    }
    return STATUS_OK;
}

static enum status commit_all(struct sqlite_store *store, const struct list *writes)
{
    bool was_unsynced = store->db.unsynced;
    enum status status = sqlite_db_begin(&store->db, wants_sync(store, writes));
    if (status == STATUS_OK)
        status = write_all(store, writes);
    if (status == STATUS_OK)
        status = sqlite_db_commit(&store->db);
    if (!was_unsynced)
        store->unsynced_since_ms = clock_mono_ms(&store->clock);
    return status;
}

/* Takes out the batches for which there is no room. */
static void refuse_some(struct sqlite_store *store, struct list *writes, struct list *ret_refused)
{
    for (struct list *link = writes->next, *next; link != writes; link = next) {
        struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        next = link->next;
        if (!request->batch || sqlite_room_take(&store->room, request->batch))
            continue;
        request->status = STATUS_FULL;
        list_remove(link);
        list_push_back(ret_refused, link);
    }
}

static void write_or_fail(struct sqlite_store *store, struct list *writes)
{
    if (list_is_empty(writes))
        return;
    enum status status = commit_all(store, writes);
    note_failure(store, status);
    if (status == STATUS_OK)
        return;
    if (sqlite_db_is_out_of_space(&store->db))
        sqlite_room_note_no_space(&store->room, clock_mono_ms(&store->clock));
    sqlite_db_rollback(&store->db);
    for (struct list *link = writes->next; link != writes; link = link->next)
        container_of(link, struct sqlite_request, link)->status = STATUS_UNAVAILABLE;
}

/* Whoever is given something back can see what it did to the file. */
static void do_writes(struct sqlite_store *store, struct list *writes)
{
    struct list refused;
    list_init(&refused);
    if (list_is_empty(writes))
        return;
    refuse_some(store, writes, &refused);
    write_or_fail(store, writes);
    sqlite_thread_look(store);
    sqlite_store_give_back(store, writes);
    sqlite_store_give_back(store, &refused);
}

static void do_reads(struct sqlite_store *store, struct list *reads)
{
    for (struct list *link = reads->next; link != reads; link = link->next) {
        struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        request->status = request->run(request, &store->db);
    }
    sqlite_store_give_back(store, reads);
}

static void do_work(struct sqlite_store *store, struct list *work)
{
    struct list batches, jobs, reads;
    list_init(&batches);
    list_init(&jobs);
    list_init(&reads);
    for (struct list *link; (link = list_pop_front(work));) {
        const struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        list_push_back(request->batch ? &batches : request->writes ? &jobs : &reads, link);
    }
    list_move_all(&batches, &jobs);
    do_writes(store, &batches);
    do_reads(store, &reads);
}

/* ---- looking after the file ---- */

/* At the cap it is the log that can be made shorter. */
static void checkpoint(struct sqlite_store *store)
{
    uint64_t now_ms = clock_mono_ms(&store->clock);
    bool truncate = store->room.full && store->db.wal_file_pages > 0;
    bool due = store->db.wal_pages >= SQLITE_DB_WAL_PAGES || sync_overdue(store) || truncate;
    if (!due || now_ms < store->checkpoint_at_ms)
        return;
    enum status status = sqlite_db_checkpoint(&store->db, truncate);
    if (status == STATUS_OK) {
        store->checkpoint_at_ms = now_ms + (truncate ? SQLITE_ROOM_LOOK_MS : 0);
        return;
    }
    note_failure(store, status);
    store->checkpoint_at_ms = now_ms + SYNC_INTERVAL_MS;
    store->unsynced_since_ms = now_ms;
}

static void prune(struct sqlite_store *store)
{
    uint64_t now_ms = clock_mono_ms(&store->clock), wall_ms = store->clock.wall_ms;
    if (store->is_spool || now_ms < store->prune_at_ms)
        return;
    uint64_t kept_ms = (uint64_t)store->retention_s * 1000;
    bool more = false;
    enum status status = sqlite_db_prune(&store->db, wall_ms > kept_ms ? wall_ms - kept_ms : 0,
                                         wall_ms, &store->prune_cursor, &more);
    if (status != STATUS_OK)
        note_failure(store, status);
    if (!more)
        store->prune_cursor = (struct uuid){{0}};
    store->prune_at_ms = now_ms + (more ? PRUNE_PAUSE_MS : PRUNE_INTERVAL_MS);
}

/* ---- the thread ---- */

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static uint64_t next_duty_ms(const struct sqlite_store *store)
{
    uint64_t now_ms = clock_mono_ms(&store->clock), next_ms = now_ms + PRUNE_INTERVAL_MS;
    if (!store->is_spool)
        next_ms = earlier(next_ms, store->prune_at_ms);
    if (store->db.unsynced)
        next_ms = earlier(next_ms, store->unsynced_since_ms + SYNC_INTERVAL_MS);
    if (store->room.full)
        next_ms = earlier(next_ms, now_ms + SQLITE_ROOM_LOOK_MS);
    return next_ms;
}

void *sqlite_thread_run(void *arg)
{
    struct sqlite_store *store = arg;
    struct list work;
    list_init(&work);
    clock_refresh(&store->clock);
    while (sqlite_store_wait(store, next_duty_ms(store), &work)) {
        clock_refresh(&store->clock);
        store->db.wall_ms = store->clock.wall_ms;
        do_work(store, &work);
        checkpoint(store);
        if (store->room.full)
            sqlite_thread_look(store);
        prune(store);
    }
    return NULL;
}
