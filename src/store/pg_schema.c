/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schema work, as SQL that decides on the server: the statements of a migration are one transaction
 * under the advisory lock, each numbered migration skips itself when it has been applied. Partition
 * work gives way to traffic (lock_timeout) and is simply tried again.
 *
 *   check:  version? ── ours ──> ended
 *              └── older or none ──> lock, migrate, version? ──> ended
 */
#include "pg_schema.h"

#include "pg_columns.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

/* Any fixed number does: "Postern" in ASCII. */
#define LOCK "SELECT pg_advisory_xact_lock(22640539801580142)"

/* Never change one that was released; add the next. What a sender controls is bytea: text refuses
 * NUL and invalid UTF-8. delivery is partitioned like event, so that retention drops both. */
#define MIGRATION(number, text)                                                                    \
    "DO $migration$ BEGIN IF NOT EXISTS (SELECT FROM schema_version WHERE version >= " #number     \
    ") THEN " text " INSERT INTO schema_version (version) VALUES (" #number                        \
    "); END IF; END $migration$"

static const char *const migration[] = {
    LOCK,
    "CREATE TABLE IF NOT EXISTS schema_version ("
    " version integer PRIMARY KEY,"
    " applied_at timestamptz NOT NULL DEFAULT now())",
    MIGRATION(1, "CREATE TABLE event ("
                 " id uuid NOT NULL,"
                 " received_at timestamptz NOT NULL,"
                 " route text NOT NULL,"
                 " key bytea,"
                 " window_ends_at timestamptz,"
                 " method text NOT NULL,"
                 " target bytea NOT NULL,"
                 " headers bytea NOT NULL,"
                 " content_type bytea NOT NULL,"
                 " body bytea NOT NULL,"
                 " client text NOT NULL,"
                 " mode text NOT NULL,"
                 " state text NOT NULL,"
                 " outcome text NOT NULL,"
                 " response_status integer NOT NULL,"
                 " duration_ms bigint NOT NULL,"
                 " attempts integer NOT NULL DEFAULT 1,"
                 " next_attempt_at timestamptz,"
                 " lease_until timestamptz,"
                 " last_error text,"
                 " error_category text CHECK (error_category IN ('transient', 'permanent')),"
                 " duplicates bigint NOT NULL DEFAULT 0,"
                 " last_duplicate_at timestamptz,"
                 " last_replayed_at timestamptz,"
                 " PRIMARY KEY (id, received_at)"
                 ") PARTITION BY RANGE (received_at);"
                 " CREATE INDEX event_window ON event (window_ends_at, id) WHERE key IS NOT NULL;"
                 " CREATE INDEX event_route ON event (route, received_at);"
                 " CREATE TABLE delivery ("
                 " event_id uuid NOT NULL,"
                 " received_at timestamptz NOT NULL,"
                 " attempt integer NOT NULL,"
                 " at timestamptz NOT NULL,"
                 " status integer,"
                 " duration_ms bigint,"
                 " error text,"
                 " response bytea,"
                 " PRIMARY KEY (event_id, attempt, received_at)"
                 ") PARTITION BY RANGE (received_at);"),
    /* The queue: who holds a lease, and where a replay's attempts are counted from. Both indexes
       cost a delivered event nothing. */
    MIGRATION(2, "ALTER TABLE event ADD COLUMN lease_owner uuid,"
                 " ADD COLUMN attempts_before integer NOT NULL DEFAULT 0,"
                 " ADD COLUMN replay_of uuid;"
                 " CREATE INDEX event_due ON event (route, next_attempt_at)"
                 " WHERE state = 'queued';"
                 " CREATE INDEX event_stuck ON event (state, received_at)"
                 " WHERE state IN ('dead', 'parked', 'cancelled');"),
    /* Beside the key (dedup.h); NULL without. */
    MIGRATION(3, "ALTER TABLE event ADD COLUMN note bytea;"),
    "SELECT max(version) FROM schema_version",
};

#define MIGRATION_STATEMENTS (sizeof(migration) / sizeof(migration[0]))
#define VERSION 3

#define CLOCK "SELECT clock_timestamp()"

/* A role or database that turns synchronous_commit off would make "durable" a lie; stronger
 * settings than on are left alone. */
#define SYNCHRONOUS                                                                                \
    "SELECT set_config('synchronous_commit', 'on', false)"                                         \
    " WHERE current_setting('synchronous_commit') = 'off'"

static const char *const check[] = {
    SYNCHRONOUS,
    CLOCK,
    "SELECT max(version) FROM schema_version",
};

/* Of this instant: a turn of the loop may last longer than a round trip. */
static uint64_t mono_us(void)
{
    struct clock clock;
    clock_refresh(&clock);
    return clock.mono_us;
}

static void begin(struct pg_schema *schema, const char *const *texts, size_t count,
                  uint32_t timeout_ms,
                  void (*ended)(struct pg_job *job, const struct pg_failure *failure))
{
    schema->version = 0;
    schema->job.ended = ended;
    schema->asked_us = mono_us();
    pg_link_begin(schema->link, &schema->job, timeout_ms);
    for (size_t i = 0; i < count; i++)
        pg_link_query(schema->link, texts[i], 0, NULL, NULL, NULL);
    pg_link_commit(schema->link);
}

/* The server read its clock after it was asked, at the earliest at once: so a lease may be longer
 * by the round trip, but never shorter, however long we were stopped in it. */
static void take_clock(struct pg_schema *schema, const char *bytes)
{
    schema->server_ahead_us = (int64_t)(pg_get_u64(bytes) - schema->asked_us);
    schema->doubt_us = (int64_t)(mono_us() - schema->asked_us);
}

/* Only a version is four bytes and only the clock is eight: the other statements return nothing, or
 * text or void. */
static void on_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    (void)statement;
    struct pg_schema *schema = container_of(job, struct pg_schema, job);
    if (PQntuples(result) != 1 || PQnfields(result) != 1)
        return;
    if (PQgetlength(result, 0, 0) == 8)
        take_clock(schema, PQgetvalue(result, 0, 0));
    if (PQgetlength(result, 0, 0) != 4)
        return;
    const unsigned char *bytes = (const unsigned char *)PQgetvalue(result, 0, 0);
    schema->version = (int)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                            (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3]);
}

void pg_schema_init(struct pg_schema *schema, struct pg_link *link)
{
    schema->link = link;
    schema->job.result = on_result;
}

/* ---- check and migrate ---- */

static void tell(struct pg_schema *schema, const struct pg_failure *failure)
{
    if (!failure)
        schema->ended(schema, STATUS_OK, "");
    else
        schema->ended(schema, failure->lost ? STATUS_UNAVAILABLE : STATUS_REFUSED,
                      failure->message);
}

static void tell_version(struct pg_schema *schema, const struct pg_failure *failure)
{
    char detail[128];
    if (failure || schema->version == VERSION) {
        tell(schema, failure);
        return;
    }
    snprintf(detail, sizeof(detail),
             "the database has schema version %d, this program knows only up to %d",
             schema->version, VERSION);
    schema->ended(schema, STATUS_INVALID, detail);
}

static void on_migrated(struct pg_job *job, const struct pg_failure *failure)
{
    tell_version(container_of(job, struct pg_schema, job), failure);
}

/* undefined_table: no schema yet. */
static void on_checked(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_schema *schema = container_of(job, struct pg_schema, job);
    bool missing = failure && !failure->lost && strcmp(failure->sqlstate, "42P01") == 0;
    if (missing || (!failure && schema->version < VERSION))
        begin(schema, migration, MIGRATION_STATEMENTS, PG_MIGRATE_TIMEOUT_MS, on_migrated);
    else
        tell_version(schema, failure);
}

void pg_schema_check(struct pg_schema *schema)
{
    begin(schema, check, sizeof(check) / sizeof(check[0]), schema->link->timeout_ms, on_checked);
}

static void on_done(struct pg_job *job, const struct pg_failure *failure)
{
    tell(container_of(job, struct pg_schema, job), failure);
}

void pg_schema_read_clock(struct pg_schema *schema)
{
    static const char *const clock[] = {CLOCK};
    begin(schema, clock, 1, schema->link->timeout_ms, on_done);
}

/* ---- partitions ---- */

/* Made apart and then attached: ATTACH lets inserts into other days go on, CREATE … PARTITION OF
 * would not. */
#define ADD_DAYS                                                                                   \
    "DO $days$ DECLARE day bigint; parent text; part text; BEGIN"                                  \
    " PERFORM set_config('lock_timeout', '1s', true);"                                             \
    " FOREACH day IN ARRAY ARRAY[%s]::bigint[] LOOP"                                               \
    " FOREACH parent IN ARRAY ARRAY['event', 'delivery'] LOOP"                                     \
    " part := parent || to_char(date '1970-01-01' + day::integer, '_YYYY_MM_DD');"                 \
    " IF to_regclass(quote_ident(part)) IS NULL THEN"                                              \
    " EXECUTE format('CREATE TABLE %%I (LIKE %%I INCLUDING ALL)', part, parent);"                  \
    " EXECUTE format('ALTER TABLE %%I ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO (%%L)',"       \
    " parent, part, to_timestamp(day * 86400), to_timestamp((day + 1) * 86400));"                  \
    " EXECUTE format('ANALYZE %%I', part);"                                                        \
    " END IF; END LOOP; END LOOP; END $days$"

void pg_schema_add_days(struct pg_schema *schema, const int64_t *days, size_t count)
{
    char list[PG_SCHEMA_DAYS_MAX * 24], text[sizeof(ADD_DAYS) + sizeof(list)];
    size_t len = 0;
    for (size_t i = 0; i < count && i < PG_SCHEMA_DAYS_MAX; i++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, i ? ",%lld" : "%lld",
                                (long long)days[i]);
    snprintf(text, sizeof(text), ADD_DAYS, list);
    const char *const texts[] = {LOCK, text};
    begin(schema, texts, 2, PG_UPKEEP_TIMEOUT_MS, on_done);
}

/* DROP waits for the parent's lock and makes everybody behind it wait: it gives up soon. */
#define DROP_DAYS                                                                                  \
    "DO $days$ DECLARE part regclass; BEGIN"                                                       \
    " PERFORM set_config('lock_timeout', '1s', true);"                                             \
    " FOR part IN SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"           \
    " WHERE i.inhparent IN ('event'::regclass, 'delivery'::regclass)"                              \
    " AND to_date(substring(c.relname FROM '(\\d+_\\d\\d_\\d\\d)$'), 'YYYY_MM_DD')"                \
    " < date '1970-01-01' + %lld LOOP"                                                             \
    " EXECUTE 'DROP TABLE ' || part; END LOOP; END $days$"

/* A day without statistics makes the planner guess; one that has some is autovacuum's. */
#define ANALYZE_DAY                                                                                \
    "DO $days$ DECLARE part regclass;"                                                             \
    " BEGIN part := to_regclass('event' || to_char(date '1970-01-01' + %lld, '_YYYY_MM_DD'));"     \
    " IF EXISTS (SELECT FROM pg_class WHERE oid = part AND reltuples < 1000) THEN"                 \
    " EXECUTE 'ANALYZE ' || part;"                                                                 \
    " END IF; END $days$"

void pg_schema_tidy(struct pg_schema *schema, int64_t first_kept, int64_t today)
{
    char drop[sizeof(DROP_DAYS) + 24], analyze[sizeof(ANALYZE_DAY) + 24];
    snprintf(drop, sizeof(drop), DROP_DAYS, (long long)first_kept);
    snprintf(analyze, sizeof(analyze), ANALYZE_DAY, (long long)today);
    const char *const texts[] = {LOCK, drop, analyze};
    begin(schema, texts, 3, PG_UPKEEP_TIMEOUT_MS, on_done);
}
