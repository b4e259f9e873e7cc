/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries over what can still be read of a damaged file of ours into a new one, around the pages
 * that can't. Used at the start of a spool (sqlite_spool.c).
 */
#ifndef POSTERN_STORE_SQLITE_SALVAGE_H
#define POSTERN_STORE_SQLITE_SALVAGE_H

#include "sqlite_db.h"

struct sqlite_salvage {
    uint64_t events, deliveries, owed; /* rows carried over */
    bool complete; /* every table was readable from its one end to the other, and all went in */
};

/* Copies rows of the file at `path` (with the log beside it; neither is changed) into `db`. A file
 * that is no database at all gives nothing, and that is OK. STATUS_UNAVAILABLE: `db` can't be
 * written. */
NODISCARD enum status sqlite_salvage(struct sqlite_db *db, const char *path,
                                     struct sqlite_salvage *ret_found);

#endif
