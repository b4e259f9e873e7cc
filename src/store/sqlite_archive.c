/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL of the archive and what it reads. Runs on the SQLite thread; the desk's plan and the ops at
 * work are the thread's while a job has them.
 */
#include "sqlite_archive.h"

#include "archive_columns.h"
#include "sqlite_bind.h"

/* ---- reading a row ---- */

#define EVENT_COLUMNS ARCHIVE_COLUMNS("length(body)")

/* Of 16 bytes; false for NULL. */
static bool copy_at(struct sqlite3_stmt *row, int column, uint8_t ret_bytes[static 16])
{
    struct slice bytes = sqlite_read_bytes(row, column);
    if (bytes.len != 16)
        return false;
    memcpy(ret_bytes, bytes.data, 16);
    return true;
}

static bool copy_texts(struct sqlite3_stmt *row, struct arena *arena, struct archive_event *event)
{
    const struct {
        int column;
        struct slice *copy;
    } texts[] = {
        {EVENT_ROUTE, &event->route},      {EVENT_METHOD, &event->method},
        {EVENT_TARGET, &event->target},    {EVENT_CONTENT_TYPE, &event->content_type},
        {EVENT_CLIENT, &event->client},    {EVENT_MODE, &event->mode},
        {EVENT_STATE, &event->state},      {EVENT_OUTCOME, &event->outcome},
        {EVENT_ERROR, &event->last_error}, {EVENT_CATEGORY, &event->error_category},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!arena_copy(arena, sqlite_read_bytes(row, texts[i].column), texts[i].copy))
            return false;
    return true;
}

static bool read_event(struct sqlite3_stmt *row, struct arena *arena,
                       struct archive_event *ret_event)
{
    *ret_event = (struct archive_event){
        .event_id = sqlite_read_uuid(row, EVENT_ID),
        .response_status = (uint16_t)sqlite_read_number(row, EVENT_STATUS),
        .duration_ms = (uint32_t)sqlite_read_number(row, EVENT_DURATION),
        .attempts = (uint32_t)sqlite_read_number(row, EVENT_ATTEMPTS),
        .duplicates = sqlite_read_number(row, EVENT_DUPLICATES),
        .body_bytes = sqlite_read_number(row, EVENT_BODY_BYTES),
        .received_at_ms = sqlite_read_number(row, EVENT_RECEIVED),
        .window_ends_at_ms = sqlite_read_number(row, EVENT_WINDOW),
        .next_attempt_at_ms = sqlite_read_number(row, EVENT_NEXT),
        .lease_until_ms = sqlite_read_number(row, EVENT_LEASE),
        .last_duplicate_at_ms = sqlite_read_number(row, EVENT_LAST_DUPLICATE),
        .last_replayed_at_ms = sqlite_read_number(row, EVENT_LAST_REPLAYED),
    };
    ret_event->has_key = copy_at(row, EVENT_KEY, ret_event->key.digest);
    ret_event->has_replay_of = copy_at(row, EVENT_REPLAY_OF, ret_event->replay_of.bytes);
    return copy_texts(row, arena, ret_event);
}

/* ---- which events ---- */

/* The columns a filter looks at. */
struct traits {
    int route, state, key;
};

/* By an event's id nothing else is asked but the state. */
static bool matches(const struct archive_filter *filter, struct sqlite3_stmt *row,
                    const struct traits *at)
{
    if (filter->state.len > 0 && !slice_eq(filter->state, sqlite_read_bytes(row, at->state)))
        return false;
    if (filter->has_event_id)
        return true;
    if (filter->route.len > 0 && !slice_eq(filter->route, sqlite_read_bytes(row, at->route)))
        return false;
    return !filter->has_key ||
           slice_eq(slice_of(filter->key.digest, EVENT_KEY_BYTES), sqlite_read_bytes(row, at->key));
}

/* ---- finding ---- */

static bool is_full(const struct sqlite_findings *findings, size_t wanted)
{
    return findings->count == wanted || findings->count == SQLITE_ARCHIVE_EVENTS ||
           findings->arena.used_bytes >= SQLITE_ARCHIVE_BYTES;
}

enum status sqlite_archive_find(struct sqlite_db *db, const struct archive_filter *filter,
                                size_t wanted, struct archive_range *range,
                                struct sqlite_findings *ret_findings)
{
    static const char text[] = "SELECT " EVENT_COLUMNS
                               " FROM event WHERE id >= ?1 AND id < ?2 ORDER BY id DESC";
    static const struct traits traits = {EVENT_ROUTE, EVENT_STATE, EVENT_KEY};
    struct sqlite3_stmt *row = sqlite_db_statement(db, text);
    struct uuid low = range->low, high = range->high;
    sqlite_bind_uuid(row, 1, &low);
    sqlite_bind_uuid(row, 2, &high);
    int code = SQLITE_ROW;
    bool fits = true;
    ret_findings->count = 0;
    for (size_t seen = 0; seen < SQLITE_ARCHIVE_SCAN && !is_full(ret_findings, wanted); seen++) {
        code = sqlite3_step(row);
        if (code != SQLITE_ROW)
            break;
        range->high = sqlite_read_uuid(row, EVENT_ID);
        if (!matches(filter, row, &traits))
            continue;
        fits = read_event(row, &ret_findings->arena, &ret_findings->events[ret_findings->count]);
        if (!fits)
            break;
        ret_findings->count++;
    }
    sqlite3_reset(row);
    ret_findings->over = code == SQLITE_DONE;
    if (!fits)
        return STATUS_NO_MEMORY;
    return code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* ---- showing ---- */

static enum status show_event(struct sqlite_db *db, const struct uuid *id,
                              struct sqlite_findings *findings)
{
    static const char text[] = "SELECT " EVENT_COLUMNS ", headers, body FROM event WHERE id = ?1";
    struct sqlite3_stmt *row = sqlite_db_statement(db, text);
    struct archive_event *event = &findings->events[0];
    enum status status = STATUS_OK;
    sqlite_bind_uuid(row, 1, id);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW) {
        findings->count = 1;
        if (!read_event(row, &findings->arena, event) ||
            !arena_copy(&findings->arena, sqlite_read_bytes(row, EVENT_HEADERS), &event->headers) ||
            !arena_copy(&findings->arena, sqlite_read_bytes(row, EVENT_BODY), &event->body))
            status = STATUS_NO_MEMORY;
    } else if (code != SQLITE_DONE) {
        status = STATUS_UNAVAILABLE;
    }
    sqlite3_reset(row);
    return status;
}

static bool read_attempt(struct sqlite3_stmt *row, struct arena *arena,
                         struct archive_attempt *ret_attempt)
{
    *ret_attempt = (struct archive_attempt){
        .attempt = (uint32_t)sqlite_read_number(row, 0),
        .at_ms = sqlite_read_number(row, 1),
        .status = (uint16_t)sqlite_read_number(row, 2),
        .duration_ms = (uint32_t)sqlite_read_number(row, 3),
    };
    return arena_copy(arena, sqlite_read_bytes(row, 4), &ret_attempt->error) &&
           arena_copy(arena, sqlite_read_bytes(row, 5), &ret_attempt->response);
}

/* The last ones are read first, each put before those read already. */
static enum status show_attempts(struct sqlite_db *db, const struct uuid *id,
                                 struct sqlite_findings *findings)
{
    static const char text[] = "SELECT attempt, at, status, duration_ms, error, response"
                               " FROM delivery WHERE event_id = ?1 ORDER BY attempt DESC LIMIT ?2";
    struct sqlite3_stmt *row = sqlite_db_statement(db, text);
    int code;
    sqlite_bind_uuid(row, 1, id);
    sqlite_bind_number(row, 2, ARCHIVE_ATTEMPTS_MAX);
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        struct sqlite_attempt *node = arena_alloc(&findings->arena, sizeof(*node));
        if (!node || !read_attempt(row, &findings->arena, &node->attempt))
            break;
        node->next = findings->attempts;
        findings->attempts = node;
    }
    sqlite3_reset(row);
    if (code == SQLITE_ROW)
        return STATUS_NO_MEMORY;
    return code == SQLITE_DONE ? STATUS_OK : STATUS_UNAVAILABLE;
}

enum status sqlite_archive_show(struct sqlite_db *db, const struct uuid *id,
                                struct sqlite_findings *ret_findings)
{
    ret_findings->count = 0;
    ret_findings->attempts = NULL;
    enum status status = show_event(db, id, ret_findings);
    return status == STATUS_OK ? show_attempts(db, id, ret_findings) : status;
}

/* ---- changing: which ---- */

/* ?1 is the event or the range's begin, ?3 the time by which a lease has to be over. The file is
 * this process's alone, so that nobody else can have an outcome to write. */
#define SETTLED "state IN ('delivered', 'dead', 'parked', 'cancelled')"
#define FREE "(state = 'queued' AND (lease_until IS NULL OR lease_until <= ?3))"
#define MAY_SAME "(" SETTLED " OR " FREE ")"
#define MAY_NEW "(" SETTLED ")"
#define MAY_CANCEL "(state IN ('dead', 'parked') OR " FREE ")"

#define SELECT(may)                                                                                \
    "SELECT id, route, state, key, " may " FROM event WHERE id >= ?1 AND id < ?2 ORDER BY id"

static const char *const select_texts[] = {
    [ARCHIVE_REPLAY_SAME] = SELECT(MAY_SAME),
    [ARCHIVE_REPLAY_NEW] = SELECT(MAY_NEW),
    [ARCHIVE_CANCEL] = SELECT(MAY_CANCEL),
};

enum status sqlite_archive_select(struct sqlite_db *db, struct archive_desk *desk, bool *ret_over)
{
    enum { ID, ROUTE, STATE, KEY, MAY };
    static const struct traits traits = {ROUTE, STATE, KEY};
    const struct archive_change *change = desk->change;
    struct archive_plan *plan = &desk->plan;
    struct sqlite3_stmt *row = sqlite_db_statement(db, select_texts[change->verb]);
    struct uuid low = plan->range.low, high = plan->range.high;
    sqlite_bind_uuid(row, 1, &low);
    sqlite_bind_uuid(row, 2, &high);
    sqlite_bind_number(row, 3, db->wall_ms);
    int code = SQLITE_ROW;
    for (size_t seen = 0; seen < SQLITE_ARCHIVE_SCAN && plan->count < plan->wanted; seen++) {
        code = sqlite3_step(row);
        if (code != SQLITE_ROW)
            break;
        struct uuid id = sqlite_read_uuid(row, ID);
        bool may = sqlite_read_number(row, MAY) != 0;
        plan->range.low = archive_next_id(&id);
        if ((may || change->filter.has_event_id) && matches(&change->filter, row, &traits))
            archive_desk_found(desk, &id, may, db->wall_ms);
    }
    sqlite3_reset(row);
    *ret_over = code == SQLITE_DONE || plan->count == plan->wanted;
    return code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* ---- changing: doing it ---- */

static const char same_text[] =
    "UPDATE event SET state = 'queued', next_attempt_at = ?2, lease_until = NULL,"
    " lease_owner = NULL, attempts_before = attempts, last_replayed_at = ?4, last_error = NULL,"
    " error_category = NULL WHERE id = ?1 AND " MAY_SAME;

static const char cancel_text[] =
    "UPDATE event SET state = 'cancelled', next_attempt_at = NULL, lease_until = NULL,"
    " lease_owner = NULL WHERE id = ?1 AND " MAY_CANCEL;

static const char copy_text[] =
    "INSERT INTO event (id, received_at, route, method, target, client, mode, state, outcome,"
    " response_status, duration_ms, attempts, next_attempt_at, replay_of, content_type, headers,"
    " body)"
    " SELECT ?2, ?3, route, method, target, client, mode, 'queued', outcome, 0, 0, 0, ?4, id,"
    " content_type, headers, body FROM event WHERE id = ?1 AND " MAY_NEW
    " ON CONFLICT (id) DO NOTHING";

static const char copied_text[] = "UPDATE event SET last_replayed_at = ?2 WHERE id = ?1";

/* Runs a statement on one event; says in target->changed if its state allowed it. */
static enum status run(struct sqlite_db *db, struct sqlite3_stmt *statement,
                       struct archive_target *target)
{
    enum status status = sqlite_db_run(db, statement);
    target->changed = status == STATUS_OK && sqlite_db_changes(db) > 0;
    return status;
}

static enum status replay(struct sqlite_db *db, const struct archive_plan *plan,
                          struct archive_target *target)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, same_text);
    sqlite_bind_uuid(statement, 1, &target->id);
    sqlite_bind_number(statement, 2, target->due_at_ms);
    sqlite_bind_number(statement, 3, db->wall_ms);
    sqlite_bind_number(statement, 4, plan->now_ms);
    return run(db, statement, target);
}

static enum status cancel(struct sqlite_db *db, struct archive_target *target)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, cancel_text);
    sqlite_bind_uuid(statement, 1, &target->id);
    sqlite_bind_number(statement, 3, db->wall_ms);
    return run(db, statement, target);
}

static enum status copy(struct sqlite_db *db, const struct archive_plan *plan,
                        struct archive_target *target)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, copy_text);
    sqlite_bind_uuid(statement, 1, &target->id);
    sqlite_bind_uuid(statement, 2, &target->new_id);
    sqlite_bind_number(statement, 3, uuid_time_ms(&target->new_id));
    sqlite_bind_number(statement, 4, target->due_at_ms);
    enum status status = run(db, statement, target);
    if (!target->changed)
        return status;
    statement = sqlite_db_statement(db, copied_text);
    sqlite_bind_uuid(statement, 1, &target->id);
    sqlite_bind_number(statement, 2, plan->now_ms);
    return sqlite_db_run(db, statement);
}

static enum status apply_one(struct sqlite_db *db, struct archive_desk *desk,
                             struct archive_target *target)
{
    switch (desk->change->verb) {
    case ARCHIVE_REPLAY_SAME:
        return replay(db, &desk->plan, target);
    case ARCHIVE_REPLAY_NEW:
        return copy(db, &desk->plan, target);
    case ARCHIVE_CANCEL:
        break;
    }
    return cancel(db, target);
}

enum status sqlite_archive_apply(struct sqlite_db *db, struct archive_desk *desk)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < desk->plan.count; i++)
        status = apply_one(db, desk, &desk->plan.targets[i]);
    return status;
}
