/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking, finishing and renewing, one row at a time. There is one connection, so what was read
 * holds until it is written; a lease is fenced by its owner and by the number of the attempt, and
 * what this owner wrote before is recognised when it comes again.
 */
#include "sqlite_queue.h"

#include "sqlite_bind.h"

#define FRESH_DUE " FROM event INDEXED BY event_due WHERE state = 'queued' AND doubtful = 0"

static const char due_text[] =
    "SELECT rowid, length(headers) + length(body), id, received_at,"
    " max(received_at, coalesce(last_replayed_at, 0)), attempts, attempts_before, key,"
    " window_ends_at, method, target, client, headers, body" FRESH_DUE
    " AND route = ?1 AND next_attempt_at <= ?2"
    " AND (lease_until IS NULL OR ?4 OR lease_owner IS NULL) ORDER BY next_attempt_at LIMIT ?3";
static const char next_text[] = "SELECT min(next_attempt_at)" FRESH_DUE
                                " AND route = ?1 AND next_attempt_at > ?2"
                                " AND (lease_until IS NULL OR lease_owner IS NOT ?3)";
static const char lease_text[] = "UPDATE event SET next_attempt_at = ?2, lease_until = ?2,"
                                 " lease_owner = ?3 WHERE rowid = ?1";
static const char standing_text[] = "SELECT rowid, state, attempts, lease_owner,"
                                    " lease_until IS NOT NULL FROM event WHERE id = ?1";
static const char attempt_text[] =
    "INSERT INTO delivery (event_id, received_at, attempt, at, status, duration_ms, error,"
    " response) VALUES (?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT DO NOTHING";
static const char outcome_text[] =
    "UPDATE event SET state = ?2, attempts = ?3, next_attempt_at = ?4, lease_until = NULL,"
    " response_status = CASE WHEN ?5 > 0 THEN ?5 ELSE response_status END,"
    " duration_ms = CASE WHEN ?5 > 0 THEN ?6 ELSE duration_ms END,"
    " last_error = ?7, error_category = ?8 WHERE rowid = ?1";
static const char return_text[] =
    "UPDATE event SET next_attempt_at = ?2, lease_until = NULL WHERE rowid = ?1";
static const char renew_text[] =
    "UPDATE event SET next_attempt_at = ?3, lease_until = ?3 WHERE id = ?1 AND state = 'queued'"
    " AND lease_owner = ?2 AND lease_until IS NOT NULL";

/* ---- taking ---- */

static bool copy_column(struct arena *arena, struct sqlite3_stmt *row, int column,
                        struct slice *ret_copy)
{
    return arena_copy(arena, sqlite_read_bytes(row, column), ret_copy);
}

/* Without a key both columns are NULL. */
static void read_key(struct sqlite3_stmt *row, struct queue_event *event)
{
    struct slice key = sqlite_read_bytes(row, 7);
    event->has_key = key.len == EVENT_KEY_BYTES;
    if (event->has_key)
        memcpy(event->key.digest, key.data, EVENT_KEY_BYTES);
    event->window_ends_at_ms = sqlite_read_number(row, 8);
}

static bool copy_event(struct sqlite_taking *taking, struct sqlite3_stmt *row, struct slice route)
{
    struct sqlite_taken *taken = arena_zalloc(&taking->arena, sizeof(*taken));
    if (!taken)
        return false;
    struct queue_event *event = &taken->event;
    taken->rowid = sqlite3_column_int64(row, 0);
    event->event_id = sqlite_read_uuid(row, 2);
    event->route = route;
    event->received_at_ms = sqlite_read_number(row, 3);
    event->waits_since_ms = sqlite_read_number(row, 4);
    event->attempts = (uint32_t)sqlite_read_number(row, 5);
    event->attempts_before = (uint32_t)sqlite_read_number(row, 6);
    read_key(row, event);
    struct slice *const parts[] = {&event->method, &event->target, &event->client, &event->headers,
                                   &event->body};
    for (int i = 0; i < 5; i++)
        if (!copy_column(&taking->arena, row, 9 + i, parts[i]))
            return false;
    list_push_back(&taking->events, &taken->link);
    return true;
}

static void note_due(struct sqlite_taking *taking, uint64_t in_ms)
{
    if (in_ms < taking->next_due_ms)
        taking->next_due_ms = in_ms;
}

/* The length comes first: a body that is too much is not read. */
static enum status copy_due(struct sqlite_db *db, const struct queue_want *want,
                            struct sqlite_taking *taking)
{
    struct sqlite3_stmt *due = sqlite_db_statement(db, due_text);
    sqlite_bind_text(due, 1, want->route);
    sqlite_bind_number(due, 2, db->wall_ms);
    sqlite_bind_number(due, 3, want->count);
    sqlite_bind_number(due, 4, taking->takes_over);
    int code;
    for (uint32_t count = 0; (code = sqlite3_step(due)) == SQLITE_ROW; count++) {
        size_t bytes = (size_t)sqlite_read_number(due, 1);
        bool fits = taking->bytes + bytes <= taking->bytes_max || count == 0;
        if (!fits || !copy_event(taking, due, want->route)) {
            note_due(taking, 0);
            break;
        }
        taking->bytes += bytes;
    }
    sqlite3_reset(due);
    return code == SQLITE_DONE || code == SQLITE_ROW ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* What we have leased ourselves isn't looked for; what others have falls due when their lease ends
 * without an outcome. */
static enum status look_ahead(struct sqlite_db *db, const struct uuid *owner,
                              const struct queue_want *want, struct sqlite_taking *taking)
{
    struct sqlite3_stmt *next = sqlite_db_statement(db, next_text);
    sqlite_bind_text(next, 1, want->route);
    sqlite_bind_number(next, 2, db->wall_ms);
    sqlite_bind_uuid(next, 3, owner);
    int code = sqlite3_step(next);
    if (code == SQLITE_ROW && sqlite3_column_type(next, 0) != SQLITE_NULL)
        note_due(taking, sqlite_read_number(next, 0) - db->wall_ms);
    sqlite3_reset(next);
    return code == SQLITE_ROW ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status lease_row(struct sqlite_db *db, const struct uuid *owner, int64_t rowid,
                             uint32_t lease_ms)
{
    struct sqlite3_stmt *lease = sqlite_db_statement(db, lease_text);
    sqlite_bind_number(lease, 1, (uint64_t)rowid);
    sqlite_bind_number(lease, 2, db->wall_ms + lease_ms);
    sqlite_bind_uuid(lease, 3, owner);
    return sqlite_db_run(db, lease);
}

/* Leased only after the search is over, which goes along the index that leasing changes. */
enum status sqlite_queue_take(struct sqlite_db *db, const struct uuid *owner,
                              const struct queue_want *want, struct sqlite_taking *taking)
{
    struct list *last_before = taking->events.prev;
    enum status status = copy_due(db, want, taking);
    if (status == STATUS_OK)
        status = look_ahead(db, owner, want, taking);
    for (struct list *link = last_before->next; status == STATUS_OK && link != &taking->events;
         link = link->next)
        status = lease_row(db, owner, container_of(link, struct sqlite_taken, link)->rowid,
                           want->lease_ms);
    return status;
}

/* ---- finishing ---- */

/* Where an event stands, in view of an outcome for it. */
enum standing {
    STANDING_LEASED,  /* still ours */
    STANDING_WRITTEN, /* it is what this outcome made of it */
    STANDING_LOST,
    STANDING_GONE,    /* there is no such event */
    STANDING_UNKNOWN, /* the statement failed */
};

static struct slice state_after(enum queue_result result)
{
    if (result == QUEUE_DELIVERED)
        return SLICE("delivered");
    return result == QUEUE_DEAD ? SLICE("dead") : SLICE("queued");
}

static enum standing judge(struct sqlite3_stmt *row, const struct uuid *owner,
                           const struct queue_finish *finish)
{
    struct slice state = sqlite_read_bytes(row, 1);
    uint32_t attempts = (uint32_t)sqlite_read_number(row, 2);
    struct uuid holder = sqlite_read_uuid(row, 3);
    bool leased = sqlite_read_number(row, 4) > 0;
    if (!uuid_eq(&holder, owner))
        return STANDING_LOST;
    if (leased && slice_eq(state, SLICE("queued")) && attempts == finish->attempt - 1)
        return STANDING_LEASED;
    uint32_t after = finish->attempted ? finish->attempt : finish->attempt - 1;
    return attempts == after && slice_eq(state, state_after(finish->result)) ? STANDING_WRITTEN
                                                                             : STANDING_LOST;
}

static enum standing find_standing(struct sqlite_db *db, const struct uuid *owner,
                                   const struct queue_finish *finish, int64_t *ret_rowid)
{
    struct sqlite3_stmt *row = sqlite_db_statement(db, standing_text);
    enum standing standing = STANDING_GONE;
    sqlite_bind_uuid(row, 1, &finish->event_id);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW) {
        standing = judge(row, owner, finish);
        *ret_rowid = sqlite3_column_int64(row, 0);
    }
    sqlite3_reset(row);
    return code == SQLITE_ROW || code == SQLITE_DONE ? standing : STANDING_UNKNOWN;
}

static void bind_number_or_null(struct sqlite3_stmt *statement, int column, uint64_t number)
{
    if (number > 0)
        sqlite_bind_number(statement, column, number);
    else
        sqlite3_bind_null(statement, column);
}

static void bind_text_or_null(struct sqlite3_stmt *statement, int column, struct slice text)
{
    if (text.len > 0)
        sqlite_bind_text(statement, column, text);
    else
        sqlite3_bind_null(statement, column);
}

static enum status write_attempt(struct sqlite_db *db, const struct queue_finish *finish)
{
    struct sqlite3_stmt *attempt = sqlite_db_statement(db, attempt_text);
    sqlite_bind_uuid(attempt, 1, &finish->event_id);
    sqlite_bind_number(attempt, 2, uuid_time_ms(&finish->event_id));
    sqlite_bind_number(attempt, 3, finish->attempt);
    sqlite_bind_number(attempt, 4, batch_time_ms(finish->at_ms));
    bind_number_or_null(attempt, 5, finish->status);
    sqlite_bind_number(attempt, 6, finish->duration_ms);
    bind_text_or_null(attempt, 7, finish->error);
    if (finish->response.len > 0)
        sqlite_bind_bytes(attempt, 8, finish->response);
    else
        sqlite3_bind_null(attempt, 8);
    return sqlite_db_run(db, attempt);
}

static uint64_t retry_at_ms(const struct sqlite_db *db, const struct queue_finish *finish)
{
    return db->wall_ms + batch_time_ms(finish->retry_in_ms);
}

static enum status write_outcome(struct sqlite_db *db, int64_t rowid,
                                 const struct queue_finish *finish)
{
    bool failed = finish->result != QUEUE_DELIVERED;
    struct sqlite3_stmt *outcome = sqlite_db_statement(db, outcome_text);
    sqlite_bind_number(outcome, 1, (uint64_t)rowid);
    sqlite_bind_text(outcome, 2, state_after(finish->result));
    sqlite_bind_number(outcome, 3, finish->attempt - (finish->attempted ? 0 : 1));
    bind_number_or_null(outcome, 4, finish->result == QUEUE_RETRY ? retry_at_ms(db, finish) : 0);
    sqlite_bind_number(outcome, 5, finish->status);
    sqlite_bind_number(outcome, 6, finish->duration_ms);
    bind_text_or_null(outcome, 7, failed ? finish->error : SLICE(""));
    if (failed)
        sqlite_bind_text(outcome, 8, finish->permanent ? SLICE("permanent") : SLICE("transient"));
    else
        sqlite3_bind_null(outcome, 8);
    return sqlite_db_run(db, outcome);
}

static enum status give_lease_back(struct sqlite_db *db, int64_t rowid,
                                   const struct queue_finish *finish)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, return_text);
    sqlite_bind_number(statement, 1, (uint64_t)rowid);
    sqlite_bind_number(statement, 2, retry_at_ms(db, finish));
    return sqlite_db_run(db, statement);
}

enum status sqlite_queue_finish(struct sqlite_db *db, const struct uuid *owner,
                                const struct queue_finish *finish)
{
    int64_t rowid = 0;
    enum standing standing = find_standing(db, owner, finish, &rowid);
    enum status status = standing == STANDING_UNKNOWN ? STATUS_UNAVAILABLE : STATUS_OK;
    if (status == STATUS_OK && finish->attempted && standing != STANDING_GONE)
        status = write_attempt(db, finish);
    if (status == STATUS_OK && standing == STANDING_LEASED)
        status = finish->result == QUEUE_RETURNED ? give_lease_back(db, rowid, finish)
                                                  : write_outcome(db, rowid, finish);
    bool fenced = standing == STANDING_LOST || standing == STANDING_GONE;
    return status == STATUS_OK && fenced ? STATUS_REFUSED : status;
}

/* ---- renewing ---- */

enum status sqlite_queue_renew(struct sqlite_db *db, const struct uuid *owner,
                               struct queue_lease *lease)
{
    struct sqlite3_stmt *renew = sqlite_db_statement(db, renew_text);
    sqlite_bind_uuid(renew, 1, &lease->event_id);
    sqlite_bind_uuid(renew, 2, owner);
    sqlite_bind_number(renew, 3, db->wall_ms + lease->lease_ms);
    enum status status = sqlite_db_run(db, renew);
    lease->lost = status == STATUS_OK && sqlite_db_changes(db) == 0;
    return status;
}
