/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the PostgreSQL journal, shared by its files: journal_postgres.c (the link, and what
 * goes over it next), pg_commit.c (a batch and what its errors mean), pg_upkeep.c (the schema's
 * phases).
 */
#ifndef POSTERN_STORE_PG_FRONT_H
#define POSTERN_STORE_PG_FRONT_H

#include "front.h"
#include "pg_columns.h"
#include "pg_copy.h"
#include "pg_schema.h"

#include <postern/store/backends.h>

enum phase {
    PHASE_OFFLINE,
    PHASE_CHECKING, /* the schema */
    PHASE_OPENING,  /* the housekeeper's partitions, before the first batch needs them */
    PHASE_READY,
    PHASE_READING_CLOCK,
    PHASE_ADDING_DAYS, /* a batch met a missing partition */
    PHASE_UPKEEP_DAYS,
    PHASE_UPKEEP_TIDY,
};

struct postgres_front {
    struct front front;
    struct front_budget budget;
    struct pg_link link;
    struct pg_schema schema;
    struct pg_columns columns;
    struct pg_copy copy;
    struct pg_listener listener;
    uint32_t timeout_ms;
    uint64_t retention_ms;
    bool housekeeper;
    enum phase phase;
    struct deadline upkeep;
    bool upkeep_due;       /* the housekeeper's */
    struct deadline clock; /* when the server's is to be read again */
    bool clock_due;
    struct pg_job commit, load;
    size_t chunk;                      /* rows of the batch in flight that are sent at once */
    size_t sent;                       /* rows of the statement under way */
    bool counts_sent;                  /* it has a second statement */
    bool by_copy;                      /* it is a COPY */
    bool may_copy;                     /* the batch in flight: nothing of it was sent before */
    bool copy_works;                   /* as far as is known of this connection */
    bool maybe_there;                  /* rows of the batch may have been committed before */
    bool days_made;                    /* for the rows [done, done + chunk) */
    bool batch_was_last;               /* loads and batches take turns */
    size_t load_rows, load_note_bytes; /* of the last chunk */
    bool told_up;
    char told[PG_DETAIL_SIZE]; /* the last bad news, told once */
};

/* The journal of a front. */
static inline struct postgres_front *pg_front_of(struct front *front)
{
    return container_of(front, struct postgres_front, front);
}

/* Its loop. */
static inline struct loop *pg_front_loop(const struct postgres_front *self)
{
    return self->front.opts.loop;
}

/* Tells the listener that all is well, or the same bad news only once. */
void pg_front_tell_up(struct postgres_front *self);
void pg_front_tell_trouble(struct postgres_front *self, bool up, const char *detail);

/* Prepares the batches' job. */
void pg_commit_init(struct postgres_front *self);

/* Sends what is left of the batch in flight, or a new batch; false when none is due. */
bool pg_commit_send(struct postgres_front *self);

/* Prepares the schema's jobs. */
void pg_upkeep_init(struct postgres_front *self);

/* Begins checking the schema of a fresh link; the phase becomes READY in the end, or the link is
 * dropped. */
void pg_upkeep_check(struct postgres_front *self);

/* Makes the partitions of the rows that are to be sent next. */
void pg_upkeep_add_days(struct postgres_front *self);

/* Begins the housekeeper's hourly round: partitions for the coming days, then dropping old ones. */
void pg_upkeep_start(struct postgres_front *self);

/* Reads the server's clock, which is due. */
void pg_upkeep_read_clock(struct postgres_front *self);

#endif
