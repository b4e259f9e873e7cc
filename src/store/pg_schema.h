/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL schema: checking and migrating it on a fresh link, keeping its daily partitions,
 * and reading the server's clock on the way. Each task is one job (or a few) on the link; `ended`
 * tells how it went. Whoever changes the schema holds one advisory lock of the database, so that
 * any number of workers and nodes may start at once.
 */
#ifndef POSTERN_STORE_PG_SCHEMA_H
#define POSTERN_STORE_PG_SCHEMA_H

#include "pg_link.h"

#define PG_SCHEMA_DAYS_AHEAD 3       /* partitions beyond today's */
#define PG_SCHEMA_DAYS_MAX 16        /* in one pg_schema_add_days */
#define PG_MIGRATE_TIMEOUT_MS 60000u /* others may hold the advisory lock while they migrate */
#define PG_UPKEEP_TIMEOUT_MS 10000u  /* batches wait behind it; its locks it waits 1 s for */

#define PG_DAY_MS 86400000u

struct pg_schema {
    struct pg_job job;
    struct pg_link *link;
    int version;             /* as found by the last query; 0: none */
    uint64_t asked_us;       /* monotonic: when the task was sent */
    int64_t server_ahead_us; /* the server's clock, as a timestamptz, less our monotonic one: a
                                step of our wall clock doesn't move leases */
    int64_t doubt_us;        /* by which that may be too much */
    /* A task ended: STATUS_OK; STATUS_INVALID: the schema is newer than this program;
     * STATUS_REFUSED: an error, told by `detail`; STATUS_UNAVAILABLE: the link was lost. */
    void (*ended)(struct pg_schema *schema, enum status status, const char *detail);
};

/* Prepares it; `ended` has to be set. */
void pg_schema_init(struct pg_schema *schema, struct pg_link *link);

/* Makes sure that the schema is this program's version, migrating an older or missing one. Also
 * reads the clock. */
void pg_schema_check(struct pg_schema *schema);

/* Reads the server's clock again: both drift. */
void pg_schema_read_clock(struct pg_schema *schema);

/* Makes the partitions of `count` (at most PG_SCHEMA_DAYS_MAX) days since 1970, where they are
 * missing. */
void pg_schema_add_days(struct pg_schema *schema, const int64_t *days, size_t count);

/* Drops the partitions of days before `first_kept`, and ANALYZEs that of `today` while it is fresh.
 */
void pg_schema_tidy(struct pg_schema *schema, int64_t first_kept, int64_t today);

#endif
