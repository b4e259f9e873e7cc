/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look into a write-ahead log before SQLite opens it: how much of its end will be cut off. SQLite
 * recovers to the last valid commit without a word; of a spool we want to say what that cost. Reads
 * only, and knows nothing of pages.
 */
#ifndef POSTERN_STORE_SQLITE_WAL_H
#define POSTERN_STORE_SQLITE_WAL_H

#include <postern/base/status.h>
#include <stdint.h>

/* Bytes of the log at `path` that belong to its present generation and lie behind its last valid
 * commit: torn by a crash, damaged, or of a transaction that did not end. A log whose head is
 * damaged is lost as a whole. 0 without a log. STATUS_IO: it can't be read. */
NODISCARD enum status sqlite_wal_torn_bytes(const char *path, uint64_t *ret_bytes);

#endif
