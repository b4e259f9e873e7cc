/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite journal's schema: numbered, forward-only migrations, counted in PRAGMA user_version.
 * Never change one that was released; add the next.
 */
#ifndef POSTERN_STORE_SQLITE_SCHEMA_H
#define POSTERN_STORE_SQLITE_SCHEMA_H

#include "sqlite_db.h"

/* Brings an open file, whose lock is held, to the newest version. STATUS_INVALID: the file is of a
 * newer program. STATUS_IO: see sqlite_db_error. */
NODISCARD enum status sqlite_schema_migrate(struct sqlite_db *db,
                                            char ret_error[static SQLITE_DB_ERROR]);

#endif
