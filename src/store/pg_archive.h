/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive's statements for PostgreSQL: their texts and parameters, and what their results say.
 * Each adds to a job that has begun on the link (archive_postgres.c).
 *
 * One text serves all filters: a parameter that is NULL asks for nothing. These are planned with
 * their values (unnamed statements always are), so such a condition costs nothing and spares no
 * index.
 */
#ifndef POSTERN_STORE_PG_ARCHIVE_H
#define POSTERN_STORE_PG_ARCHIVE_H

#include "archive_desk.h"
#include "pg_link.h"

/* Sets up a fresh session, whose statements may take `timeout_ms`, and fails where the schema isn't
 * there (yet). */
void pg_archive_probe(struct pg_link *link, uint32_t timeout_ms);

/* ARCHIVE_FIND: tells the events, and `more`, from the result. */
void pg_archive_find(struct pg_link *link, const struct archive_find *find);
void pg_archive_found(struct archive_find *find, const struct pg_result *result);

/* ARCHIVE_SHOW: two statements, the event's and its attempts'. */
void pg_archive_show(struct pg_link *link, const struct archive_show *show);
void pg_archive_shown(struct archive_show *show, size_t statement, const struct pg_result *result);

/* ARCHIVE_SELECT. `ripe`: leases that are over count as given up. */
void pg_archive_select(struct pg_link *link, const struct archive_desk *desk, bool ripe);
void pg_archive_selected(struct archive_desk *desk, const struct pg_result *result);

/* ARCHIVE_APPLY. */
void pg_archive_apply(struct pg_link *link, const struct archive_desk *desk, bool ripe);
void pg_archive_applied(struct archive_desk *desk, const struct pg_result *result);

#endif
