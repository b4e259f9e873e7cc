/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round of the queue's upkeep. It walks along the index of queued events, some thousand entries a
 * round, and goes on where it stopped: events of routes that don't deliver are parked, those that
 * waited too long are dead, all are counted. Then parked events of routes that deliver (again) are
 * queued.
 */
#include "sqlite_bind.h"
#include "sqlite_queue.h"

#include <assert.h>

static const char walk_text[] =
    "SELECT rowid, route, next_attempt_at, received_at,"
    " lease_until IS NULL OR (lease_until <= ?3 AND ?6) FROM event INDEXED BY event_due"
    " WHERE state = 'queued' AND doubtful = 0 AND (route, next_attempt_at) >= (?1, ?2)"
    " ORDER BY route, next_attempt_at LIMIT ?4 OFFSET ?5";
static const char since_text[] = "SELECT max(received_at, coalesce(last_replayed_at, 0))"
                                 " FROM event WHERE rowid = ?1";
static const char park_text[] = "UPDATE event SET state = 'parked', next_attempt_at = NULL,"
                                " lease_until = NULL WHERE rowid = ?1";
static const char expire_text[] =
    "UPDATE event SET state = 'dead', next_attempt_at = NULL, lease_until = NULL,"
    " last_error = 'max_age', error_category = coalesce(error_category, 'transient')"
    " WHERE rowid = ?1";
/* What the index is restricted to has to be said again, or SQLite does not take it. */
#define STUCK " (state = 'dead' OR state = 'parked' OR state = 'cancelled')"

static const char parked_text[] = "SELECT min(route) FROM event INDEXED BY event_stuck"
                                  " WHERE state = 'parked' AND" STUCK " AND route > ?1";
static const char unpark_text[] =
    "UPDATE event SET state = 'queued', next_attempt_at = ?2, lease_until = NULL"
    " WHERE rowid IN (SELECT rowid FROM event INDEXED BY event_stuck"
    " WHERE state = 'parked' AND" STUCK " AND route = ?1 LIMIT ?3)";
static const char count_text[] =
    "SELECT count(*) FROM (SELECT 1 FROM event INDEXED BY event_stuck WHERE state = ?1"
    " AND" STUCK " LIMIT ?2)";
static const char oldest_text[] = "SELECT min(next_attempt_at) FROM event INDEXED BY event_due"
                                  " WHERE state = 'queued' AND doubtful = 0 AND route = ?1";

/* What is to be done with rows, once the walk has let go of its index. */
struct chores {
    int64_t park[SQLITE_UPKEEP_CHANGES], expire[SQLITE_UPKEEP_CHANGES];
    size_t parks, expiries;
    const struct queue_route *route; /* of the walk's place; NULL: it doesn't deliver */
};

static const struct queue_route *find_route(const struct queue_upkeep *upkeep, struct slice name)
{
    for (size_t i = 0; i < upkeep->route_count; i++)
        if (slice_eq(upkeep->routes[i].name, name))
            return &upkeep->routes[i];
    return NULL;
}

/* ---- the walk ---- */

static struct slice place_route(const struct sqlite_walk *walk)
{
    return slice_of(walk->route, walk->route_len);
}

/* A route's name is far shorter; of a longer one (not ours) the walk sees what begins alike again,
 * and parks it all the same. */
static void enter_route(struct sqlite_walk *walk, struct slice route)
{
    walk->route_len = route.len < sizeof(walk->route) ? route.len : sizeof(walk->route);
    memcpy(walk->route, route.data, walk->route_len);
}

/* Rows at the same place are told apart by how many there were. */
static void move_on(struct sqlite_walk *walk, struct slice route, uint64_t due_ms)
{
    if (walk->due_ms != due_ms || !slice_eq(place_route(walk), route))
        walk->skip = 0;
    if (!slice_eq(place_route(walk), route))
        enter_route(walk, route);
    walk->due_ms = due_ms;
}

static bool is_old(struct sqlite_db *db, const struct queue_route *route, int64_t rowid,
                   uint64_t received_at_ms)
{
    if (db->wall_ms < received_at_ms || db->wall_ms - received_at_ms <= route->max_age_ms)
        return false;
    struct sqlite3_stmt *since = sqlite_db_statement(db, since_text);
    sqlite_bind_number(since, 1, (uint64_t)rowid);
    bool found = sqlite3_step(since) == SQLITE_ROW;
    uint64_t since_ms = sqlite_read_number(since, 0);
    sqlite3_reset(since);
    return found && db->wall_ms > since_ms && db->wall_ms - since_ms > route->max_age_ms;
}

/* True when the row will leave the queue. */
static bool sort_out(struct sqlite_db *db, struct sqlite3_stmt *row, struct chores *chores)
{
    int64_t rowid = sqlite3_column_int64(row, 0);
    bool is_free = sqlite_read_number(row, 4) > 0;
    if (!is_free)
        return false;
    if (!chores->route)
        chores->park[chores->parks++] = rowid;
    else if (is_old(db, chores->route, rowid, sqlite_read_number(row, 3)))
        chores->expire[chores->expiries++] = rowid;
    else
        return false;
    return true;
}

static void see_row(struct sqlite_db *db, struct sqlite_walk *walk, struct sqlite3_stmt *row,
                    const struct queue_upkeep *upkeep, struct chores *chores)
{
    struct slice route = sqlite_read_bytes(row, 1);
    if (walk->seen == 0 || !slice_eq(place_route(walk), route))
        chores->route = find_route(upkeep, route);
    move_on(walk, route, sqlite_read_number(row, 2));
    if (sort_out(db, row, chores))
        return;
    walk->skip++;
    walk->seen++;
}

static void begin_walk(struct sqlite_walk *walk)
{
    *walk = (struct sqlite_walk){
        .takes_over = walk->takes_over, .under_way = true, .last_seen = walk->last_seen};
}

static bool has_room(const struct chores *chores)
{
    return chores->parks < SQLITE_UPKEEP_CHANGES && chores->expiries < SQLITE_UPKEEP_CHANGES;
}

/* Goes on with the walk, and says in walk->under_way if it came to its end. */
static enum status walk_on(struct sqlite_db *db, struct sqlite_walk *walk,
                           const struct queue_upkeep *upkeep, struct chores *chores)
{
    struct sqlite3_stmt *row = sqlite_db_statement(db, walk_text);
    if (!walk->under_way)
        begin_walk(walk);
    chores->route = find_route(upkeep, place_route(walk));
    sqlite_bind_text(row, 1, place_route(walk));
    sqlite_bind_number(row, 2, walk->due_ms);
    sqlite_bind_number(row, 3, db->wall_ms);
    sqlite_bind_number(row, 4, SQLITE_UPKEEP_LOOKS);
    sqlite_bind_number(row, 5, walk->skip);
    sqlite_bind_number(row, 6, walk->takes_over);
    size_t looks = 0;
    int code = SQLITE_ROW;
    while (has_room(chores) && (code = sqlite3_step(row)) == SQLITE_ROW) {
        see_row(db, walk, row, upkeep, chores);
        looks++;
    }
    sqlite3_reset(row);
    if (code == SQLITE_DONE && looks < SQLITE_UPKEEP_LOOKS) {
        walk->under_way = false;
        walk->last_seen = walk->seen;
    }
    return code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status change_rows(struct sqlite_db *db, const char *text, const int64_t *rowids,
                               size_t count)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, text);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        sqlite_bind_number(statement, 1, (uint64_t)rowids[i]);
        status = sqlite_db_run(db, statement);
    }
    return status;
}

/* ---- parked events ---- */

static enum status unpark_route(struct sqlite_db *db, struct slice route,
                                struct queue_upkeep *upkeep)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, unpark_text);
    sqlite_bind_text(statement, 1, route);
    sqlite_bind_number(statement, 2, db->wall_ms);
    sqlite_bind_number(statement, 3, SQLITE_UPKEEP_CHANGES - upkeep->unparked);
    enum status status = sqlite_db_run(db, statement);
    if (status == STATUS_OK)
        upkeep->unparked += sqlite_db_changes(db);
    return status;
}

/* Jumps from one parked route to the next. The name found is the statement's until the next step,
 * which binds it: so it is copied by SQLite. */
static enum status unpark(struct sqlite_db *db, struct queue_upkeep *upkeep)
{
    struct sqlite3_stmt *parked = sqlite_db_statement(db, parked_text);
    sqlite_bind_text(parked, 1, SLICE(""));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && upkeep->unparked < SQLITE_UPKEEP_CHANGES) {
        if (sqlite3_step(parked) != SQLITE_ROW)
            status = STATUS_UNAVAILABLE;
        else if (sqlite3_column_type(parked, 0) == SQLITE_NULL)
            break;
        struct slice route = sqlite_read_bytes(parked, 0);
        if (status == STATUS_OK && find_route(upkeep, route))
            status = unpark_route(db, route, upkeep);
        struct sqlite3_value *name = sqlite3_value_dup(sqlite3_column_value(parked, 0));
        sqlite3_reset(parked);
        sqlite3_bind_value(parked, 1, name);
        sqlite3_value_free(name);
    }
    sqlite3_reset(parked);
    return status;
}

/* ---- telling ---- */

static uint64_t count_state(struct sqlite_db *db, struct slice state)
{
    struct sqlite3_stmt *count = sqlite_db_statement(db, count_text);
    sqlite_bind_text(count, 1, state);
    sqlite_bind_number(count, 2, SQLITE_UPKEEP_COUNTED);
    uint64_t rows = sqlite3_step(count) == SQLITE_ROW ? sqlite_read_number(count, 0) : 0;
    sqlite3_reset(count);
    return rows;
}

/* 0: nothing is due; at least 1 for what is. */
static uint64_t due_for_ms(struct sqlite_db *db, struct slice route)
{
    struct sqlite3_stmt *oldest = sqlite_db_statement(db, oldest_text);
    uint64_t due_ms = UINT64_MAX;
    sqlite_bind_text(oldest, 1, route);
    if (sqlite3_step(oldest) == SQLITE_ROW && sqlite3_column_type(oldest, 0) != SQLITE_NULL)
        due_ms = sqlite_read_number(oldest, 0);
    sqlite3_reset(oldest);
    if (due_ms > db->wall_ms)
        return 0;
    return due_ms < db->wall_ms ? db->wall_ms - due_ms : 1;
}

static void tell(struct sqlite_db *db, const struct sqlite_walk *walk, struct queue_upkeep *upkeep)
{
    upkeep->queued_now = walk->under_way && walk->last_seen > walk->seen ? walk->last_seen
                                                                         : walk->seen;
    upkeep->dead_now = count_state(db, SLICE("dead"));
    upkeep->parked_now = count_state(db, SLICE("parked"));
    upkeep->oldest_due_ms = 0;
    for (size_t i = 0; i < upkeep->route_count; i++) {
        uint64_t due_ms = due_for_ms(db, upkeep->routes[i].name);
        if (due_ms > upkeep->oldest_due_ms)
            upkeep->oldest_due_ms = due_ms;
    }
}

enum status sqlite_queue_upkeep(struct sqlite_db *db, struct sqlite_walk *walk,
                                struct queue_upkeep *upkeep)
{
    struct chores chores = {.parks = 0};
    upkeep->unparked = 0;
    enum status status = walk_on(db, walk, upkeep, &chores);
    if (status == STATUS_OK)
        status = change_rows(db, park_text, chores.park, chores.parks);
    if (status == STATUS_OK)
        status = change_rows(db, expire_text, chores.expire, chores.expiries);
    if (status == STATUS_OK)
        status = unpark(db, upkeep);
    if (status != STATUS_OK) {
        walk->under_way = false;
        return status;
    }
    upkeep->parked = chores.parks;
    upkeep->expired = chores.expiries;
    upkeep->more = walk->under_way || upkeep->unparked == SQLITE_UPKEEP_CHANGES;
    tell(db, walk, upkeep);
    return STATUS_OK;
}
