/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the file has ended all leases, so events of one route may all be due in the same
 * millisecond: a page goes on inside of it by their time and rowid, as the index has them.
 */
#include "sqlite_orphans.h"

#include "sqlite_bind.h"
#include "sqlite_db.h"

#include <stdlib.h>

#define ROW                                                                                        \
    "SELECT id, received_at, rowid, route, key, window_ends_at, state = 'queued', attempts, note"  \
    " FROM event INDEXED BY "
#define DUE " WHERE state = 'queued' AND doubtful = 0 AND route = ?1 AND next_attempt_at "

static const char newest_text[] = "SELECT max(rowid) FROM event";
static const char doubtful_text[] = ROW
    "event_doubtful WHERE doubtful = 1 AND id > ?1 ORDER BY id LIMIT ?2";
static const char next_due_text[] =
    "SELECT min(next_attempt_at) FROM event INDEXED BY event_due" DUE "> ?2";
/* What is leased was taken since, and its taker settles it (gateway/courier.c). */
static const char rows_text[] = ROW
    "event_due" DUE "= ?2 AND lease_until IS NULL AND received_at >= ?3"
    " AND (received_at > ?3 OR rowid > ?4) ORDER BY received_at, rowid LIMIT ?5";

enum {
    COLUMN_ID,
    COLUMN_RECEIVED,
    COLUMN_ROWID,
    COLUMN_ROUTE,
    COLUMN_KEY,
    COLUMN_WINDOW,
    COLUMN_QUEUED,
    COLUMN_ATTEMPTS,
    COLUMN_NOTE
};

struct sqlite_found {
    struct queue_orphan orphan;
    char note[ORPHAN_NOTE_MAX];
};

/* ---- rows ---- */

static const struct queue_route *find_route(const struct queue_orphans *op, struct slice name)
{
    for (size_t i = 0; i < op->route_count; i++)
        if (slice_eq(op->routes[i].name, name))
            return &op->routes[i];
    return NULL;
}

/* Waiting for its first attempt, with a key whose window is open, and there from the start. */
static bool is_orphan(const struct sqlite_look *look, const struct sqlite_db *db,
                      struct sqlite3_stmt *row)
{
    return sqlite_read_number(row, COLUMN_QUEUED) && !sqlite_read_number(row, COLUMN_ATTEMPTS) &&
           sqlite_read_bytes(row, COLUMN_KEY).len == EVENT_KEY_BYTES &&
           sqlite_read_number(row, COLUMN_WINDOW) > db->wall_ms &&
           look->page.rowid <= look->page.newest;
}

static struct slice copy_note(struct sqlite3_stmt *row, char note[static ORPHAN_NOTE_MAX])
{
    struct slice read = sqlite_read_bytes(row, COLUMN_NOTE);
    if (read.len == 0 || read.len > ORPHAN_NOTE_MAX)
        return SLICE("");
    memcpy(note, read.data, read.len);
    return slice_of(note, read.len);
}

static void note_orphan(struct sqlite_look *look, struct sqlite3_stmt *row)
{
    const struct queue_route *route = find_route(look->op, sqlite_read_bytes(row, COLUMN_ROUTE));
    if (!route)
        return;
    struct sqlite_found *found = &look->found[look->count++];
    found->orphan = (struct queue_orphan){
        .event_id = look->page.id,
        .route = route->name,
        .received_at_ms = look->page.received_at_ms,
        .window_ends_at_ms = sqlite_read_number(row, COLUMN_WINDOW),
        .note = copy_note(row, found->note),
    };
    memcpy(found->orphan.key.digest, sqlite_read_bytes(row, COLUMN_KEY).data, EVENT_KEY_BYTES);
}

static void see_row(struct sqlite_look *look, const struct sqlite_db *db, struct sqlite3_stmt *row)
{
    look->page.id = sqlite_read_uuid(row, COLUMN_ID);
    look->page.received_at_ms = sqlite_read_number(row, COLUMN_RECEIVED);
    look->page.rowid = sqlite3_column_int64(row, COLUMN_ROWID);
    look->rows_left--;
    if (is_orphan(look, db, row))
        note_orphan(look, row);
}

static bool is_full(const struct sqlite_look *look)
{
    return look->rows_left == 0 || look->count == look->op->limit;
}

/* True: they are at their end. The limit of the statement is the rows that are left to be seen. */
static bool see_rows(struct sqlite_look *look, const struct sqlite_db *db,
                     struct sqlite3_stmt *rows, enum status *ret_status)
{
    int code = SQLITE_ROW;
    while (!is_full(look) && (code = sqlite3_step(rows)) == SQLITE_ROW)
        see_row(look, db, rows);
    sqlite3_reset(rows);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        *ret_status = STATUS_UNAVAILABLE;
    return code == SQLITE_DONE;
}

/* ---- the steps ---- */

static enum status look_from_start(struct sqlite_look *look, struct sqlite_db *db)
{
    struct sqlite3_stmt *newest = sqlite_db_statement(db, newest_text);
    int code = sqlite3_step(newest);
    look->page = (struct sqlite_place){.stage = SQLITE_LOOK_DOUBTFUL,
                                       .newest = sqlite3_column_int64(newest, 0)};
    sqlite3_reset(newest);
    return code == SQLITE_ROW ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status look_at_doubtful(struct sqlite_look *look, struct sqlite_db *db)
{
    enum status status = STATUS_OK;
    struct sqlite3_stmt *rows = sqlite_db_statement(db, doubtful_text);
    sqlite_bind_uuid(rows, 1, &look->page.id);
    sqlite_bind_number(rows, 2, look->rows_left);
    if (see_rows(look, db, rows, &status))
        look->page.stage = SQLITE_LOOK_ROUTES;
    return status;
}

static enum status find_next_due(struct sqlite_look *look, struct sqlite_db *db)
{
    struct sqlite_place *page = &look->page;
    struct sqlite3_stmt *next = sqlite_db_statement(db, next_due_text);
    sqlite_bind_text(next, 1, look->op->routes[page->route].name);
    sqlite_bind_number(next, 2, page->due_ms);
    int code = sqlite3_step(next);
    page->in_due = code == SQLITE_ROW && sqlite3_column_type(next, 0) != SQLITE_NULL;
    if (page->in_due) {
        page->due_ms = sqlite_read_number(next, 0);
        page->received_at_ms = 0;
        page->rowid = 0;
    } else {
        page->route++;
        page->due_ms = 0;
    }
    sqlite3_reset(next);
    look->rows_left--;
    return code == SQLITE_ROW ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status look_at_due(struct sqlite_look *look, struct sqlite_db *db)
{
    enum status status = STATUS_OK;
    struct sqlite_place *page = &look->page;
    struct sqlite3_stmt *rows = sqlite_db_statement(db, rows_text);
    sqlite_bind_text(rows, 1, look->op->routes[page->route].name);
    sqlite_bind_number(rows, 2, page->due_ms);
    sqlite_bind_number(rows, 3, page->received_at_ms);
    sqlite_bind_number(rows, 4, (uint64_t)page->rowid);
    sqlite_bind_number(rows, 5, look->rows_left);
    if (see_rows(look, db, rows, &status))
        page->in_due = false;
    return status;
}

static enum status take_step(struct sqlite_look *look, struct sqlite_db *db)
{
    struct sqlite_place *page = &look->page;
    if (page->stage == SQLITE_LOOK_DOUBTFUL)
        return look_at_doubtful(look, db);
    if (page->in_due)
        return look_at_due(look, db);
    if (page->route < look->op->route_count)
        return find_next_due(look, db);
    page->stage = SQLITE_LOOK_OVER;
    return STATUS_OK;
}

/* On the thread. */
static enum status run(struct sqlite_request *job, struct sqlite_db *db)
{
    struct sqlite_look *look = container_of(job, struct sqlite_look, job);
    if (!look->found)
        return STATUS_UNAVAILABLE;
    enum status status = look->op->from_start ? look_from_start(look, db) : STATUS_OK;
    while (status == STATUS_OK && look->page.stage != SQLITE_LOOK_OVER && !is_full(look))
        status = take_step(look, db);
    return status;
}

/* ---- on the loop ---- */

void sqlite_look_init(struct sqlite_look *look, void (*returned)(struct sqlite_request *job))
{
    look->job = (struct sqlite_request){.run = run, .returned = returned};
}

/* Without memory the job says so. */
void sqlite_look_begin(struct sqlite_look *look, struct queue_orphans *op)
{
    look->op = op;
    look->page = look->at;
    look->found = calloc(op->limit, sizeof(*look->found));
    look->count = 0;
    look->rows_left = SQLITE_LOOK_ROWS;
}

void sqlite_look_tell(struct sqlite_look *look, enum status status)
{
    struct queue_orphans *op = look->op;
    struct sqlite_found *found = look->found;
    look->op = NULL;
    look->found = NULL;
    op->status = status;
    op->more = status == STATUS_OK && look->page.stage != SQLITE_LOOK_OVER;
    op->until_us = op->after_us;
    op->until_id = op->after_id;
    uint32_t count = status == STATUS_OK ? look->count : 0;
    if (status == STATUS_OK)
        look->at = look->page;
    for (uint32_t i = 0; i < count; i++)
        op->orphan(op, &found[i].orphan);
    free(found);
    op->ended(op);
}
