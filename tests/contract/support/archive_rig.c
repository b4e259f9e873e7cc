/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rig of the archive suites: opens and closes archives, puts events there, awaits ops.
 */
#include "archive_rig.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>

struct archive_rig archive_rig;

/* ---- opening and closing ---- */

static void on_changed(void *arg, bool up, struct slice detail)
{
    (void)arg;
    archive_rig.up = up;
    archive_rig.told++;
    snprintf(archive_rig.detail, sizeof archive_rig.detail, "%.*s", (int)detail.len, detail.data);
}

bool archive_is_up(void)
{
    return archive_rig.archive->up;
}

bool archive_is_down(void)
{
    return archive_rig.told > 0 && !archive_rig.up;
}

void archive_open(void)
{
    struct pg_listener listener = {.changed = on_changed};
    archive_rig.told = 0;
    enum status status =
        rig.is_sqlite
            ? archive_sqlite_open(rig.loop, rig.store, &archive_rig.archive)
            : archive_postgres_open(rig.loop, &rig.postgres, listener, &archive_rig.archive);
    cr_assert_eq(status, STATUS_OK);
}

static bool closed;

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static bool is_closed(void)
{
    return closed;
}

void archive_close(void)
{
    closed = false;
    archive_rig.archive->backend->close(archive_rig.archive, on_closed, NULL);
    archive_rig.archive = NULL;
    rig_run_until(is_closed);
}

static void open_rig(void)
{
    arena_init(&archive_rig.texts, 65536, (size_t)1 << 30);
    archive_open();
    rig_run_until(archive_is_up);
}

void archive_rig_open_sqlite(void)
{
    rig_open_sqlite();
    open_rig();
}

void archive_rig_open_postgres(void)
{
    rig_open_postgres();
    open_rig();
}

void archive_rig_close(void)
{
    if (archive_rig.archive)
        archive_close();
    rig_close();
    arena_done(&archive_rig.texts);
}

/* ---- the database ---- */

static void run_on_file(const char *sql)
{
    struct sqlite3 *handle;
    cr_assert_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

void run_sql(const char *sql)
{
    if (!rig.is_sqlite) {
        pg_server_execute(&rig.server, sql);
        return;
    }
    archive_close();
    rig_close_fronts();
    run_on_file(sql);
    rig_open_fronts(1);
    archive_open();
}

long long ask_sql(const char *sql, struct slice bytes)
{
    if (!rig.is_sqlite)
        return rig_number_of(sql, bytes);
    archive_close();
    long long number = rig_number_of(sql, bytes);
    archive_open();
    return number;
}

long long column_of(const struct uuid *id, const char *column)
{
    char sql[200];
    bool is_time = !rig.is_sqlite && (strstr(column, "_at") || strstr(column, "_until"));
    snprintf(sql, sizeof sql, "SELECT %s%s%s FROM event WHERE id = %s",
             is_time ? "(extract(epoch FROM " : "", column, is_time ? ") * 1000)::bigint" : "",
             rig.is_sqlite ? "$1" : "encode($1, 'hex')::uuid");
    return ask_sql(sql, slice_of(id->bytes, sizeof id->bytes));
}

struct uuid put_record(struct append *append)
{
    append->record.received_at_ms = uuid_time_ms(&append->record.event_id);
    cr_assert_eq(append_now(append), STATUS_OK);
    return append->record.event_id;
}

struct uuid put_event(const char *route, const char *state)
{
    struct append append;
    append_init(&append);
    append.record.route = slice_str(route);
    append.record.state = slice_str(state);
    return put_record(&append);
}

struct uuid put_queued(const char *route, uint32_t lease_ms)
{
    struct append append;
    append_init(&append);
    append.record.route = slice_str(route);
    append.record.mode = SLICE("queue");
    append.record.state = SLICE("queued");
    append.record.queued = true;
    append.record.lease_ms = lease_ms;
    return put_record(&append);
}

/* ---- ops ---- */

static struct slice keep(struct slice text)
{
    struct slice copy = {0};
    cr_assert(arena_copy(&archive_rig.texts, text, &copy));
    return copy;
}

static void keep_event(struct archive_event *ret_event, const struct archive_event *event)
{
    *ret_event = *event;
    struct slice *texts[] = {
        &ret_event->route,   &ret_event->method,     &ret_event->target,
        &ret_event->client,  &ret_event->mode,       &ret_event->state,
        &ret_event->outcome, &ret_event->last_error, &ret_event->error_category,
        &ret_event->headers, &ret_event->body,       &ret_event->content_type,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = keep(*texts[i]);
}

static void on_found(struct archive_find *find, const struct archive_event *event)
{
    struct finding *finding = container_of(find, struct finding, find);
    cr_assert_lt(finding->count, find->limit);
    finding->ids[finding->count++] = event->event_id;
    keep_event(&finding->last, event);
}

static void on_find_ended(struct archive_find *find)
{
    container_of(find, struct finding, find)->ended++;
}

static void on_shown(struct archive_show *show, const struct archive_event *event)
{
    struct showing *showing = container_of(show, struct showing, show);
    showing->events++;
    keep_event(&showing->event, event);
}

static void on_attempt(struct archive_show *show, const struct archive_attempt *attempt)
{
    struct showing *showing = container_of(show, struct showing, show);
    struct archive_attempt *last = showing->last_attempts;
    cr_assert_eq(showing->events, 1, "the event first");
    if (showing->attempts > 0 && last[ARCHIVE_RIG_ATTEMPTS - 1].attempt >= attempt->attempt)
        showing->in_order = false;
    memmove(last, last + 1, (ARCHIVE_RIG_ATTEMPTS - 1) * sizeof *last);
    last[ARCHIVE_RIG_ATTEMPTS - 1] = *attempt;
    last[ARCHIVE_RIG_ATTEMPTS - 1].error = keep(attempt->error);
    last[ARCHIVE_RIG_ATTEMPTS - 1].response = keep(attempt->response);
    showing->attempts++;
}

static void on_show_ended(struct archive_show *show)
{
    container_of(show, struct showing, show)->ended++;
}

static void on_change(struct archive_change *change, const struct uuid *id,
                      const struct uuid *new_id)
{
    struct changing *changing = container_of(change, struct changing, change);
    cr_assert_lt(changing->told, CHANGING_IDS);
    changing->ids[changing->told] = *id;
    if (new_id)
        changing->new_ids[changing->copies++] = *new_id;
    changing->told++;
}

static void on_change_ended(struct archive_change *change)
{
    container_of(change, struct changing, change)->ended++;
}

void find_submit(struct finding *finding)
{
    finding->find.event = on_found;
    finding->find.ended = on_find_ended;
    finding->ended = 0;
    finding->count = 0;
    archive_find(archive_rig.archive, &finding->find);
    cr_assert_eq(finding->ended, 0, "never from inside");
}

void show_submit(struct showing *showing, const struct uuid *id)
{
    *showing = (struct showing){.in_order = true};
    showing->show.event_id = *id;
    showing->show.event = on_shown;
    showing->show.attempt = on_attempt;
    showing->show.ended = on_show_ended;
    archive_show(archive_rig.archive, &showing->show);
    cr_assert_eq(showing->ended, 0, "never from inside");
}

void change_submit(struct changing *changing)
{
    changing->change.changed = on_change;
    changing->change.ended = on_change_ended;
    changing->ended = 0;
    changing->told = changing->copies = 0;
    archive_change(archive_rig.archive, &changing->change);
    cr_assert_eq(changing->ended, 0, "never from inside");
}

static const unsigned *awaited;

static bool has_ended(void)
{
    return *awaited > 0;
}

static void await(const unsigned *ended)
{
    awaited = ended;
    rig_run_until(has_ended);
    cr_assert_eq(*ended, 1);
}

enum status find_await(struct finding *finding)
{
    await(&finding->ended);
    return finding->find.status;
}

enum status show_await(struct showing *showing)
{
    await(&showing->ended);
    return showing->show.status;
}

enum status change_await(struct changing *changing)
{
    await(&changing->ended);
    return changing->change.status;
}

size_t find_now(struct finding *finding, struct archive_filter filter, uint32_t limit)
{
    finding->find.filter = filter;
    finding->find.limit = limit;
    find_submit(finding);
    cr_assert_eq(find_await(finding), STATUS_OK);
    return finding->count;
}

size_t change_now(struct changing *changing, enum archive_verb verb, struct archive_filter filter)
{
    changing->change.verb = verb;
    changing->change.filter = filter;
    if (changing->change.limit == 0)
        changing->change.limit = CHANGING_IDS;
    if (changing->change.per_second == 0)
        changing->change.per_second = 1000;
    change_submit(changing);
    cr_assert_eq(change_await(changing), STATUS_OK);
    cr_assert_eq(changing->told, changing->change.dry_run ? 0 : changing->change.count);
    return (size_t)changing->change.count;
}

const struct archive_event *event_now(const struct uuid *id)
{
    static struct showing showing;
    show_submit(&showing, id);
    cr_assert_eq(show_await(&showing), STATUS_OK);
    cr_assert_eq(showing.events, 1);
    return &showing.event;
}

struct archive_filter by_id(const struct uuid *id)
{
    return (struct archive_filter){.has_event_id = true, .event_id = *id};
}

struct archive_filter by_route(const char *route)
{
    return (struct archive_filter){.route = slice_str(route)};
}
