/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal as operators see it: finding events, showing one with its attempts, replaying and
 * cancelling. Used from the main thread (admin API), never on a request's way; slow questions are
 * bounded by a time-out. Backends: postgres, sqlite; both pass tests/contract/archive.
 *
 * How an op ends: STATUS_OK; STATUS_UNAVAILABLE, the database is away, or refused the question (why
 * is told where its link is watched); STATUS_TIMED_OUT, the question took too long; STATUS_FULL,
 * the file has no room for copies of events (SQLite at its cap); STATUS_NO_MEMORY. What was told
 * through callbacks before an end that isn't OK is true, but not all of it.
 */
#ifndef POSTERN_STORE_ARCHIVE_H
#define POSTERN_STORE_ARCHIVE_H

#include <postern/base/event_key.h>
#include <postern/base/list.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <postern/base/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARCHIVE_FIND_MAX 1000u     /* events of one answer */
#define ARCHIVE_CHANGE_MAX 100000u /* events of one replay or cancel by filter */
#define ARCHIVE_ATTEMPTS_MAX 1000u /* attempts of one event that are shown: the last ones */

/* Which events; empty or zero members ask for anything. */
struct archive_filter {
    struct slice route;
    struct slice state;         /* queued, delivered, dead, parked, cancelled */
    uint64_t from_ms, until_ms; /* wall clock, of receiving: from <= at < until; 0: open */
    bool has_key;
    struct event_key key;
    bool has_event_id; /* then nothing else is looked at but the state */
    struct uuid event_id;
};

/* One event. Borrowed for the callback. */
struct archive_event {
    struct uuid event_id;
    struct slice route, method, target, content_type, client, mode, state, outcome;
    struct slice headers, body; /* only by archive_show; as in journal_record */
    uint64_t body_bytes;
    bool has_key;
    struct event_key key;
    uint16_t response_status;
    uint32_t duration_ms, attempts;
    struct slice last_error, error_category; /* empty: none */
    uint64_t duplicates;
    /* wall clock; 0: none */
    uint64_t received_at_ms, window_ends_at_ms, next_attempt_at_ms, lease_until_ms,
        last_duplicate_at_ms, last_replayed_at_ms;
    bool has_replay_of;
    struct uuid replay_of; /* the event this one is a new copy of */
};

/* One attempt of it. Borrowed for the callback. */
struct archive_attempt {
    uint32_t attempt;
    uint64_t at_ms; /* wall clock */
    uint16_t status;
    uint32_t duration_ms;
    struct slice error, response;
};

/* Newest first. */
struct archive_find {
    struct archive_filter filter; /* slices borrowed until `ended`, in all of these */
    uint32_t limit;               /* 1 … ARCHIVE_FIND_MAX */
    bool has_before;
    struct uuid before; /* paging: only events with a smaller id */
    void (*event)(struct archive_find *find, const struct archive_event *event);
    void (*ended)(struct archive_find *find); /* once, from the loop */
    enum status status;                       /* out */
    bool more;                                /* out: the limit cut it off */
    struct list link;
};

struct archive_show {
    struct uuid event_id;
    void (*event)(struct archive_show *show, const struct archive_event *event); /* at most once */
    void (*attempt)(struct archive_show *show,
                    const struct archive_attempt *attempt); /* in order */
    void (*ended)(struct archive_show *show);
    enum status status; /* out; OK also when there is no such event */
    struct list link;
};

/* A queued event whose attempt is under way (leased) is touched by none of them. */
enum archive_verb {
    ARCHIVE_REPLAY_SAME, /* delivered, dead, parked or cancelled events become queued again, and
                            queued ones that wait for a retry fall due: same id, attempts go on,
                            attempts_before is what was made, last_replayed_at is now */
    ARCHIVE_REPLAY_NEW,  /* each delivered, dead, parked or cancelled event becomes the template of
                            a new queued event without a key, whose replay_of it is; its own
                            last_replayed_at is now */
    ARCHIVE_CANCEL,      /* queued, dead or parked events become "cancelled" */
};

/* By filter, only events received before the request are changed, in transactions of some hundred
 * each, of copies fewer. One that ended otherwise than OK has changed what it counted; where the
 * link broke, perhaps the next few hundred as well, which it could not count. */
struct archive_change {
    enum archive_verb verb;
    struct archive_filter filter;
    uint32_t limit;      /* 1 … ARCHIVE_CHANGE_MAX; the oldest first */
    uint32_t per_second; /* replays fall due at this pace; > 0, but for a cancel */
    bool dry_run;        /* only counts */
    /* Names a REPLAY_NEW (a fresh UUIDv7): the ids of its copies follow from it, so that the same
     * one sent again, after an end that is not known, makes (and counts) only the copies that are
     * missing. Without one each request stands for itself. */
    bool has_request;
    struct uuid request;
    void (*changed)(
        struct archive_change *change, const struct uuid *event_id,
        const struct uuid *new_id); /* NULL is fine; new_id is NULL but for REPLAY_NEW */
    void (*ended)(struct archive_change *change);
    enum status status; /* out */
    uint64_t count;     /* out: events changed (or that would be) */
    uint64_t skipped;   /* out, for one event by id: it is there, but its state forbids it */
    struct list link;
};

struct archive;

/* Any number at a time: they queue up, each kind in its order. Every op ends through `ended`, never
 * from inside the submit. From inside callbacks more may be submitted, unless it is close that ends
 * them; close itself may not be called there. */
struct archive_backend {
    const char *name;
    void (*find)(struct archive *archive, struct archive_find *find);
    void (*show)(struct archive *archive, struct archive_show *show);
    void (*change)(struct archive *archive, struct archive_change *change);
    /* Ends what is pending with UNAVAILABLE; frees; `closed` runs when done. */
    void (*close)(struct archive *archive, void (*closed)(void *arg), void *arg);
};

struct archive {
    const struct archive_backend *backend;
    bool up; /* false: ops end UNAVAILABLE, unless it is still being opened */
};

/* See archive_backend. */
static inline void archive_find(struct archive *archive, struct archive_find *find)
{
    archive->backend->find(archive, find);
}

/* See archive_backend. */
static inline void archive_show(struct archive *archive, struct archive_show *show)
{
    archive->backend->show(archive, show);
}

/* See archive_backend. */
static inline void archive_change(struct archive *archive, struct archive_change *change)
{
    archive->backend->change(archive, change);
}

#endif
