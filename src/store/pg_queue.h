/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the PostgreSQL queue, shared by its files: pg_queue.c (the link, and what goes over
 * it next), pg_queue_take.c, pg_queue_finish.c, pg_queue_renew.c, pg_queue_upkeep.c and
 * pg_queue_orphans.c (one operation each: its statements and what their answers mean).
 */
#ifndef POSTERN_STORE_PG_QUEUE_H
#define POSTERN_STORE_PG_QUEUE_H

#include "pg_link.h"
#include "pg_queue_args.h"
#include "pg_queue_floor.h"

#include <postern/store/backends.h>

/* Outcomes of one transaction: enough to make the cost of a commit small beside theirs, few enough
 * that one that is refused is soon found. */
#define PG_QUEUE_FINISH_MAX 512u

/* Spans in statements end here (ten years), so that no sum of times leaves PostgreSQL's range. */
#define PG_QUEUE_SPAN_MAX_MS (3650ull * 86400000ull)

struct pg_queue {
    struct queue queue;
    struct pg_link link;
    struct pg_listener listener;
    struct loop *loop;
    struct uuid owner;
    uint32_t timeout_ms, takeover_ms;
    struct pg_args args; /* of the statement that is being added */
    bool ready;          /* the link is up, and the schema is there */
    uint64_t ready_at_ms;
    bool told_up;
    char told[PG_DETAIL_SIZE]; /* the last bad news, told once */
    struct pg_job check;
    bool is_read_only;
    struct loop_hook send, tell;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;

    struct {
        struct pg_job job;
        struct queue_take *op; /* NULL: none */
        bool over;             /* its answer is there, to be told by `tell` */
        uint64_t after;        /* goes when so many finishes are settled: those asked before it */
        struct pg_result *rows;
        struct pg_floors floors;
        bool keeps_floors; /* of the take under way */
        uint64_t whole_look_at_ms;
        int64_t server_time;
    } take;

    struct {
        struct pg_job job;
        struct list pending;                             /* of queue_finish, in order */
        struct list answers;                             /* told by `tell` */
        struct queue_finish *batch[PG_QUEUE_FINISH_MAX]; /* sorted by id; no id twice */
        bool written[PG_QUEUE_FINISH_MAX];
        size_t count, done; /* those before `done` are settled */
        size_t chunk, sent; /* outcomes of one job at most; of the one under way */
        uint64_t asked, settled;
        bool was_last; /* the others and finishes take turns */
    } finish;

    struct {
        struct pg_job job;
        struct queue_renew *op;
        bool over;
    } renew;

    struct {
        struct pg_job change, count;
        struct queue_upkeep *op;
        bool over;
    } upkeep;

    struct {
        struct pg_job begin, page;
        struct queue_orphans *op;
        bool over;
        struct pg_result *rows;
    } orphans;
};

/* The queue of a struct queue. */
static inline struct pg_queue *pg_queue_of(struct queue *queue)
{
    return container_of(queue, struct pg_queue, queue);
}

/* Hands every finish that isn't known to be written to `give`, in order, which from then on is the
 * caller's: it isn't answered here, and its slices are valid for the call only. Some may have been
 * written; finishing them again, here or through any other queue of this owner, does no harm. Only
 * between `changed(false)` and the next `changed(true)`, when no job is under way. */
void pg_queue_withdraw(struct queue *queue, void (*give)(void *arg, struct queue_finish *finish),
                       void *arg);

/* ---- between the files ---- */

/* Begins a job on the free link: no statement of it may run for longer on the server either. That
 * takes its first statement, so the caller's are numbered from 1. */
void pg_queue_begin(struct pg_queue *self, struct pg_job *job, uint32_t timeout_ms);

/* Adds a statement with self->args; out of memory the link is dropped, which ends the job, and the
 * answer is false: nothing may follow. */
NODISCARD bool pg_queue_add(struct pg_queue *self, const char *text);

/* Asks for `send_next`, or for the answers to be told, at the end of this turn. */
void pg_queue_pump(struct pg_queue *self);
void pg_queue_answer(struct pg_queue *self);

/* Sends what is due next, if the link is free. */
void pg_queue_send_next(struct pg_queue *self);

/* A job other than a finish is over, and its op is answered. When the server stopped only this job,
 * the link stays; then the next one is sent. */
void pg_queue_job_ended(struct pg_queue *self, const struct pg_failure *failure);

/* True once leases that have ended may be taken: the link has been up for long enough that whoever
 * held them can have written an outcome, or prolonged them. */
bool pg_queue_may_take_over(const struct pg_queue *self);

/* Each operation: prepares its job; sends it, if it is due; answers it when it can't be done. */
void pg_queue_take_init(struct pg_queue *self);
bool pg_queue_take_send(struct pg_queue *self);
void pg_queue_take_fail(struct pg_queue *self);
void pg_queue_take_tell(struct pg_queue *self);

void pg_queue_finish_init(struct pg_queue *self);
bool pg_queue_finish_send(struct pg_queue *self);
void pg_queue_finish_fail(struct pg_queue *self);
void pg_queue_finish_tell(struct pg_queue *self);

void pg_queue_renew_init(struct pg_queue *self);
bool pg_queue_renew_send(struct pg_queue *self);
void pg_queue_renew_fail(struct pg_queue *self);
void pg_queue_renew_tell(struct pg_queue *self);

void pg_queue_upkeep_init(struct pg_queue *self);
bool pg_queue_upkeep_send(struct pg_queue *self);
void pg_queue_upkeep_fail(struct pg_queue *self);
void pg_queue_upkeep_tell(struct pg_queue *self);

void pg_queue_orphans_init(struct pg_queue *self);
bool pg_queue_orphans_send(struct pg_queue *self);
void pg_queue_orphans_fail(struct pg_queue *self);
void pg_queue_orphans_tell(struct pg_queue *self);

/* The operations of queue_backend. */
void pg_queue_take(struct queue *queue, struct queue_take *take);
void pg_queue_finish(struct queue *queue, struct queue_finish *finish);
void pg_queue_renew(struct queue *queue, struct queue_renew *renew);
void pg_queue_upkeep(struct queue *queue, struct queue_upkeep *upkeep);
void pg_queue_orphans(struct queue *queue, struct queue_orphans *orphans);

#endif
