/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages on the freelist count as room: what deletions leave is used again. The log's file counts
 * with all it ever held, because checkpoints don't shrink it, until it is truncated.
 */
#include "sqlite_room.h"

#include "sqlite_bind.h"

#include <sys/statvfs.h>

/* For outcomes at the cap: a share of it, within these bounds. */
#define RESERVE_SHARE 16u
#define RESERVE_MIN (64u << 10)
#define RESERVE_MAX (32u << 20)

/* What a row takes beside its bytes: its entries in the indexes. */
#define ROW_BYTES 256u
/* What is full stays so until at least this much would fit. */
#define LEAST_BYTES (64u << 10)

static const char pages_text[] = "PRAGMA page_count";
static const char free_text[] = "PRAGMA freelist_count";

static uint64_t limit_bytes(const struct sqlite_room *room)
{
    uint64_t reserve = room->max_bytes / RESERVE_SHARE;
    if (reserve < RESERVE_MIN)
        reserve = RESERVE_MIN;
    if (reserve > RESERVE_MAX)
        reserve = RESERVE_MAX;
    return room->max_bytes > reserve ? room->max_bytes - reserve : 0;
}

static bool fits_cap(const struct sqlite_room *room, uint64_t bytes)
{
    return room->max_bytes == 0 || room->used_bytes + bytes <= limit_bytes(room);
}

/* What the file has grown since the file system was asked is taken off. */
static bool fits_disk(const struct sqlite_room *room, uint64_t bytes)
{
    uint64_t grown =
        room->used_bytes > room->spare_used_bytes ? room->used_bytes - room->spare_used_bytes : 0;
    return room->min_free_bytes == 0 || grown + bytes <= room->spare_bytes;
}

static bool fits(const struct sqlite_room *room, uint64_t bytes)
{
    uint64_t all = room->planned_bytes + bytes;
    return fits_cap(room, all) && fits_disk(room, all);
}

static bool ask(struct sqlite_db *db, const char *text, uint64_t *ret_number)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, text);
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    if (found)
        *ret_number = sqlite_read_number(statement, 0);
    sqlite3_reset(statement);
    return found;
}

/* A file system that can't be asked is no reason to refuse anything: writing will tell. */
static void look_at_disk(struct sqlite_room *room, uint64_t now_ms)
{
    struct statvfs disk;
    if (room->min_free_bytes == 0 || now_ms < room->looked_at_ms + SQLITE_ROOM_LOOK_MS)
        return;
    uint64_t free_bytes = UINT64_MAX;
    if (statvfs(room->path, &disk) == 0)
        free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    room->spare_bytes = free_bytes > room->min_free_bytes ? free_bytes - room->min_free_bytes : 0;
    room->spare_used_bytes = room->used_bytes;
    room->looked_at_ms = now_ms;
}

enum status sqlite_room_look(struct sqlite_room *room, struct sqlite_db *db, uint64_t now_ms)
{
    uint64_t pages = 0, free_pages = 0;
    room->full = now_ms < room->no_space_until_ms;
    if (room->max_bytes == 0 && room->min_free_bytes == 0)
        return STATUS_OK; /* without bounds nothing is asked, before each commit */
    if (!ask(db, pages_text, &pages) || !ask(db, free_text, &free_pages))
        return STATUS_UNAVAILABLE;
    room->used_bytes = (pages - free_pages + (uint64_t)db->wal_file_pages) * db->page_bytes;
    room->planned_bytes = 0;
    look_at_disk(room, now_ms);
    uint64_t least = room->wanted_bytes > LEAST_BYTES ? room->wanted_bytes : LEAST_BYTES;
    room->full = now_ms < room->no_space_until_ms || !fits(room, least);
    if (!room->full)
        room->wanted_bytes = 0;
    return STATUS_OK;
}

/* Its pages are written twice, to the log and to the file, and are not quite filled. A batch must
 * not be too large for ever: half of a small cap has to do. */
static uint64_t bytes_of(const struct sqlite_room *room, const struct batch *batch)
{
    uint64_t bytes = 3 * (uint64_t)batch->bytes + ROW_BYTES * batch->count;
    uint64_t half = limit_bytes(room) / 2;
    return room->max_bytes > 0 && bytes > half ? half : bytes;
}

bool sqlite_room_take(struct sqlite_room *room, const struct batch *batch)
{
    uint64_t bytes = bytes_of(room, batch);
    if (batch->count == 0)
        return true;
    if (!room->full && fits(room, bytes)) {
        room->planned_bytes += bytes;
        return true;
    }
    if (bytes > room->wanted_bytes)
        room->wanted_bytes = bytes;
    room->full = true;
    return false;
}

void sqlite_room_note_no_space(struct sqlite_room *room, uint64_t now_ms)
{
    room->no_space_until_ms = now_ms + SQLITE_ROOM_NO_SPACE_MS;
    room->full = true;
}
