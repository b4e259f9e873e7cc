/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway in a box: its clock moves when the test says so, its stores and its upstream answer
 * when the test says so, and its clients are buffers. Every arrow of the figure in
 * gateway/exchange.h can be walked, in any order, without a socket or a sleep.
 */
#ifndef POSTERN_TESTS_SIM_H
#define POSTERN_TESTS_SIM_H

#include "exchange.h"
#include <postern/base/metrics.h>
#include <postern/store/key_table.h>
#include <postern/store/limiter.h>

#define SIM_MAX 2048 /* of everything a run may hold or remember */

/* How a fake store treats a verb. */
enum sim_mode {
    SIM_NOW,   /* done and answered at once */
    SIM_LATER, /* kept; done and answered by sim_dedup_flush or sim_journal_flush: a slow server */
    SIM_DOWN,  /* answered at once: unknown, unavailable */
};

enum sim_verb { SIM_CLAIM, SIM_RENEW, SIM_SETTLE, SIM_RELEASE, SIM_VERBS };

/* A dedup store that is a real key table behind a switch per verb. */
struct sim_dedup {
    struct dedup base;
    struct key_table *table;
    struct loop *loop;
    enum sim_mode mode[SIM_VERBS];
    unsigned calls[SIM_VERBS];
    struct dedup_op *waiting[SIM_MAX];
    enum sim_verb waiting_verb[SIM_MAX];
    size_t waiting_count;
};

/* A limiter that is a real table behind a switch for shared ops. */
struct sim_limiter {
    struct limiter base;
    struct limit_table *table;
    struct loop *loop;
    enum sim_mode mode; /* SIM_LATER: answered by sim_limiter_flush; SIM_DOWN: by the table */
    unsigned calls[2];  /* by enum limit_verb */
    struct limit_op *waiting[SIM_MAX];
    size_t waiting_count;
};

struct sim_row {
    struct uuid event_id;
    bool queued;
    uint32_t lease_ms;
    bool ownerless;
    uint64_t received_at_ms;
    char outcome[32];
    char headers[512];
    char note[256];
    enum journal_level level;
    uint16_t status;
    bool has_key;
};

struct sim_journal {
    struct journal base;
    enum sim_mode mode;
    enum status answer; /* of SIM_NOW and of a flush */
    struct sim_row rows[SIM_MAX];
    size_t row_count;
    struct uuid duplicates[SIM_MAX];
    size_t duplicate_count;
    struct journal_op *waiting[SIM_MAX];
    size_t waiting_rows[SIM_MAX];
    size_t waiting_count;
};

enum sim_event_state { SIM_QUEUED, SIM_DELIVERED, SIM_DEAD };

/* A row of the fake queue. */
struct sim_event {
    char bytes[3072]; /* what `view` points to: no allocation, since some tests let those fail */
    size_t used;
    struct queue_event view; /* as a take tells it */
    enum sim_event_state state;
    unsigned owner;  /* 0: nobody; 1: the gateway; another: stolen */
    uint64_t due_ms; /* monotonic; its lease's end while it is leased */
    unsigned attempt_rows;
    bool permanent;
    uint64_t waited_ms; /* the last outcome's retry_in_ms */
    char error[QUEUE_ERROR_BYTES + 1];
};

struct sim_queue {
    struct queue base;
    struct loop *loop;
    struct loop_hook hook;
    enum sim_mode mode; /* SIM_LATER: answered by sim_queue_flush */
    struct sim_event events[SIM_MAX];
    size_t count;
    unsigned takes;
    struct list finishes;
    struct queue_take *take;
    struct queue_renew *renew;
    struct queue_upkeep *upkeep;
    struct queue_orphans *orphans;
};

struct sim_upstream {
    struct upstream base;
    bool busy; /* refuse at once */
    struct upstream_call
        *calls[SIM_MAX];       /* every call ever submitted, in order; NULL once it ended */
    char heads[SIM_MAX][2048]; /* what was sent, NUL-terminated */
    bool paused[SIM_MAX], cancelled[SIM_MAX];
    size_t call_count;
    struct http_field fields[8]; /* of its answers, beside Content-Type */
    size_t field_count;
};

struct sim_client {
    struct client base;
    char sent[65536]; /* NUL-terminated */
    size_t sent_bytes;
    enum send_status send_answer;
    bool answered, broken, left; /* at most one of them */
    struct exchange *ex;
};

struct sim {
    struct loop *loop; /* own_loop, turned by hand, or a real one of the test's */
    struct loop own_loop;
    struct config *config;
    struct metrics *metrics;
    struct books *books;
    struct account account;
    struct gateway_shared shared;
    struct sim_dedup dedup;
    struct sim_journal journal;
    struct sim_queue queue;
    struct sim_upstream upstream;
    struct sim_limiter limiter;
    struct upstream *upstreams[1];
    struct gateway gateway;
};

/* Opens a gateway whose one route has these lines in its settings (YAML, each indented by four and
 * ended by a newline; may be ""), and these lines at the top of the file (or ""). */
struct sim *sim_open(const char *route_lines, const char *top_lines);

/* The same on a loop of the test's, which turns it (the moves below then end no turn). */
struct sim *sim_open_on(struct loop *loop, const char *route_lines, const char *top_lines);

/* Checks that nothing is left: no exchange alive, books balanced, nobody parked; frees. */
void sim_close(struct sim *sim);

/* A client that sends one whole POST to /hook with this body, and these header lines ("A: b\r\n…"
 * or ""). The exchange may be over on return. */
struct sim_client *sim_post(struct sim *sim, const char *body, const char *header_lines);

/* As sim_post, for any method and target. */
struct sim_client *sim_send(struct sim *sim, const char *method, const char *target,
                            const char *body, const char *header_lines);

/* Only the head, with this Content-Length; the body is the test's to send with exchange_body and
 * exchange_body_end. */
struct sim_client *sim_begin(struct sim *sim, const char *method, const char *target, size_t length,
                             const char *header_lines);

/* The steps of sim_send for a test that prepares the client first; there may be no memory for the
 * exchange, which breaks the client. */
struct sim_client *sim_client_new(void);
void sim_client_begin(struct sim *sim, struct sim_client *client, const char *method,
                      const char *target, size_t length, const char *lines);
void sim_client_body(struct sim *sim, struct sim_client *client, const char *body);

/* The client's connection is gone. */
void sim_leave(struct sim_client *client);

/* Frees a client whose exchange is over or was left. */
void sim_client_free(struct sim_client *client);

/* The status of what the client got so far, 0 for nothing; and whether the text occurs in it. */
unsigned sim_status(const struct sim_client *client);
bool sim_got(const struct sim_client *client, const char *text);

/* Ends the turn: deadlines due, deferred hooks. */
void sim_turn(struct sim *sim);

/* Moves time by `ms` in steps, with a turn after each. */
void sim_pass(struct sim *sim, unsigned ms);

/* Moves time by `ms` from one deadline to the next: days in milliseconds. */
void sim_skip(struct sim *sim, uint64_t ms);

/* Answers what the queue was told to keep. */
void sim_queue_flush(struct sim *sim);

/* Gives row `i` of the queue to another owner. */
void sim_queue_steal(struct sim *sim, size_t i);

/* Does and answers what the stores were told to keep. */
void sim_dedup_flush(struct sim *sim);
void sim_journal_flush(struct sim *sim);

/* Answers the rates that were to be kept, and runs the checks of signatures that wait for a thread.
 */
void sim_limiter_flush(struct sim *sim);
void sim_check(struct sim *sim);

/* The upstream's moves on call `i`: the head (Content-Length `length`, or chunked when negative), a
 * piece, the end. */
void sim_head(struct sim *sim, size_t i, uint16_t status, int length);
void sim_piece(struct sim *sim, size_t i, const char *text);
void sim_end(struct sim *sim, size_t i, enum call_end end);

/* Head, body and end in one turn. */
void sim_answer(struct sim *sim, size_t i, uint16_t status, const char *body);

/* The count of one outcome on the route, and of a tally. */
uint64_t sim_ended(struct sim *sim, enum outcome outcome);
uint64_t sim_tally(struct sim *sim, enum tally tally);

#endif
