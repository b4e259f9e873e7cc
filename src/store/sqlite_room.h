/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much the SQLite file may still take: the cap on the file and its log, the floor of the file
 * system, and a disk that has just run full. Only appends are refused; outcomes and deletions go
 * on, into a reserve below the cap. Belongs to the SQLite thread.
 */
#ifndef POSTERN_STORE_SQLITE_ROOM_H
#define POSTERN_STORE_SQLITE_ROOM_H

#include "sqlite_db.h"

#define SQLITE_ROOM_LOOK_MS 100u      /* between two looks at the file system */
#define SQLITE_ROOM_NO_SPACE_MS 1000u /* appends pause that long after a write found no space */

struct sqlite_room {
    const char *path;
    uint64_t max_bytes, min_free_bytes; /* 0: no cap, no floor */
    uint64_t used_bytes;                /* of the cap: pages in use, and the log's file */
    uint64_t planned_bytes;             /* taken since the last look */
    uint64_t wanted_bytes;              /* what was refused last needs that much; 0: nothing was */
    uint64_t spare_bytes;      /* of the file system, above the floor; when it was asked last */
    uint64_t spare_used_bytes; /* used_bytes at that time */
    uint64_t looked_at_ms, no_space_until_ms; /* monotonic */
    bool full;
};

/* Looks at the file, and at the file system if that was not done lately. Sets `full`: appends are
 * refused, until a later look finds room. STATUS_UNAVAILABLE: the file can't be asked; nothing has
 * changed. */
NODISCARD enum status sqlite_room_look(struct sqlite_room *room, struct sqlite_db *db,
                                       uint64_t now_ms);

/* True when a batch may be written. It is then counted until the next look. */
bool sqlite_room_take(struct sqlite_room *room, const struct batch *batch);

/* A write found no space: only what is no append is tried for a while. */
void sqlite_room_note_no_space(struct sqlite_room *room, uint64_t now_ms);

#endif
