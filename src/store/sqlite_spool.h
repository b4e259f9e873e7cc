/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the file of a spool. Whatever a crash or a bad disk has done to it, the process starts,
 * and the log says what was lost: the end of the write-ahead log that was cut off, and a damaged
 * file that was set aside. What can't be helped (no such directory, no right to write, a full disk)
 * is an error as for any file.
 */
#ifndef POSTERN_STORE_SQLITE_SPOOL_H
#define POSTERN_STORE_SQLITE_SPOOL_H

#include "sqlite_db.h"

#include <postern/base/log.h>

struct sqlite_spool_found {
    uint64_t torn_bytes; /* of the log's end, cut off */
    bool set_aside;      /* a damaged file was moved to PATH.damaged-TIME */
};

/* As sqlite_db_open. `log` may be NULL. */
NODISCARD enum status sqlite_spool_open(struct sqlite_db *db, struct slice path, struct log *log,
                                        struct sqlite_spool_found *ret_found,
                                        char ret_error[static SQLITE_DB_ERROR]);

#endif
