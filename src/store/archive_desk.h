/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both archives share: ops queue up, one step of one of them is with the database at a time,
 * and a change is done page by page, reads going in between. Knows no database: a backend
 * (archive_postgres.c, archive_sqlite.c) takes the steps.
 *
 *   find, show ──────────────────────────────> one step, ended
 *   change ──> SELECT a page of ids ──> APPLY to them ──┐
 *                 ^                                     │ ended: no more, or the limit
 *                 └──────── a read's turn, if any ──────┘
 *
 * Ids hold the time of receiving and so do the rows, so that a span of time is a range of ids.
 */
#ifndef POSTERN_STORE_ARCHIVE_DESK_H
#define POSTERN_STORE_ARCHIVE_DESK_H

#include <postern/io/loop.h>
#include <postern/store/archive.h>

/* Events changed in one transaction: its locks are held for some milliseconds. */
#define ARCHIVE_PAGE 250u
/* Of copies, whose bodies are written anew. */
#define ARCHIVE_PAGE_COPIES 25u

enum archive_step {
    ARCHIVE_IDLE,
    ARCHIVE_FIND,
    ARCHIVE_SHOW,
    ARCHIVE_SELECT,
    ARCHIVE_APPLY,
};

/* low <= id < high */
struct archive_range {
    struct uuid low, high;
};

/* An event that a change is about to be applied to. */
struct archive_target {
    struct uuid id;
    struct uuid new_id; /* REPLAY_NEW */
    uint64_t due_at_ms; /* replays; wall clock of the database */
    bool changed;       /* the step APPLY has done it, if it ends well */
};

/* How far the change under way has come. */
struct archive_plan {
    bool selected;              /* a page waits for APPLY */
    struct archive_range range; /* of what SELECT has not looked at yet */
    struct uuid request;        /* from which the ids of copies follow */
    uint64_t now_ms;            /* of the database when the first event was found: last_replayed_at,
                                   and what due times count from; 0: none was yet */
    size_t wanted;              /* of the page: at most that many are to be found */
    size_t count;
    struct archive_target targets[ARCHIVE_PAGE]; /* ascending */
};

struct archive_desk;

/* What a backend does. Each step is answered by archive_desk_answered, once, also from inside. */
struct archive_steps {
    void (*find)(struct archive_desk *desk); /* desk->find */
    void (*show)(struct archive_desk *desk); /* desk->show */
    /* Tells archive_desk_found the first events of desk->plan.range that desk->change may change,
     * at most plan.wanted, ascending. */
    void (*select)(struct archive_desk *desk);
    /* Changes those of the plan's page whose state still allows it, all in one transaction, and
     * tells archive_desk_changed of each. */
    void (*apply)(struct archive_desk *desk);
    void (*finish)(struct archive_desk *desk); /* closed: frees the backend's archive */
};

struct archive_desk {
    struct archive archive;
    struct loop *loop;
    const struct archive_steps *steps;
    bool opening;                      /* not up yet, and not known to be down: ops wait */
    struct list finds, shows, changes; /* those that wait */
    struct archive_find *find;         /* at work, as are the next two */
    struct archive_show *show;
    struct archive_change *change;
    struct archive_plan plan; /* of `change` */
    enum archive_step step;   /* with the backend */
    bool answered;            /* it is not any more, */
    enum status status;       /* and ended so */
    bool change_was_last;     /* reads and pages of changes take turns */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
    struct uuid_source ids;
    struct loop_hook turn;
};

/* Prepares a zeroed desk that is opening; archive.backend is the caller's to set. */
void archive_desk_init(struct archive_desk *desk, struct loop *loop,
                       const struct archive_steps *steps);

/* The database can be asked; or can't: ops end UNAVAILABLE. A step under way has to be answered. */
void archive_desk_up(struct archive_desk *desk);
void archive_desk_down(struct archive_desk *desk);

/* The step under way is over. */
void archive_desk_answered(struct archive_desk *desk, enum status status);

/* SELECT has found an event. `allowed`: its state lets it be changed; only one asked for by its id
 * is told without. `now_ms` is the database's clock. */
void archive_desk_found(struct archive_desk *desk, const struct uuid *id, bool allowed,
                        uint64_t now_ms);

/* APPLY has changed an event of the page. */
void archive_desk_changed(struct archive_desk *desk, const struct uuid *id);

/* The members of archive_backend. */
void archive_desk_find(struct archive *archive, struct archive_find *find);
void archive_desk_show(struct archive *archive, struct archive_show *show);
void archive_desk_change(struct archive *archive, struct archive_change *change);

/* For a backend's close: ends what waits. What is with the backend is still to be answered; then
 * steps->finish is called, and it is for that to call `closed`. */
void archive_desk_close(struct archive_desk *desk, void (*closed)(void *arg), void *arg);

/* The ids a filter asks for. */
struct archive_range archive_range_of(const struct archive_filter *filter);

/* The id behind `id`. */
struct uuid archive_next_id(const struct uuid *id);

#endif
