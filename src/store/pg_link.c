/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL connection as a small machine over libpq's non-blocking calls.
 *
 *            attempt              PQconnectPoll OK
 *   DOWN ───────────> CONNECTING ─────────────────> UP ──┐ jobs
 *    ^ ^                  │                          │ <─┘
 *    │ └── failed ────────┘                          │
 *    └──── lost, dropped, no answer in time ─────────┘
 *
 * libpq takes a COPY only outside of pipeline mode, so the link changes its mode, while nothing is
 * under way, when a job is of the other kind than the last one. libpq may close and reopen its
 * socket while connecting, often with the same number: the poll is registered anew after every
 * PQconnectPoll.
 */
#include "pg_link.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>

/* ---- the socket ---- */

static void unwatch(struct pg_link *link)
{
    if (link->fd >= 0)
        loop_poll_close(&link->poll);
    link->fd = -1;
}

static bool watch(struct pg_link *link, bool readable, bool writable)
{
    int fd = PQsocket(link->conn);
    if (fd < 0)
        return false;
    if (fd != link->fd) {
        unwatch(link);
        if (loop_poll_open(link->loop, &link->poll, fd) != STATUS_OK)
            return false;
        link->fd = fd;
    }
    link->watches_write = writable;
    return loop_poll_watch(&link->poll, readable, writable) == STATUS_OK;
}

/* ---- losing it ---- */

/* libpq's messages have several lines, the first ones saying the most. */
static void copy_detail(char ret_text[static PG_DETAIL_SIZE], const char *message)
{
    snprintf(ret_text, PG_DETAIL_SIZE, "%s", message && message[0] ? message : "no reason given");
    for (char *at = ret_text; *at; at++)
        if (*at == '\n' || *at == '\t')
            *at = ' ';
    for (size_t len = strlen(ret_text); len > 0 && ret_text[len - 1] == ' '; len--)
        ret_text[len - 1] = '\0';
}

static void disconnect(struct pg_link *link)
{
    deadline_clear(&link->loop->deadlines, &link->deadline);
    unwatch(link);
    PQfinish(link->conn);
    link->conn = NULL;
}

/* What the server said last says more than that the connection broke. */
static void end_lost_job(struct pg_link *link, const char *detail)
{
    struct pg_job *job = link->job;
    if (!job)
        return;
    if (!link->failed)
        snprintf(link->failure.message, PG_DETAIL_SIZE, "%s", detail);
    link->failure.lost = true;
    link->failure.unfinished = !link->finished;
    link->job = NULL;
    link->copy = PG_COPY_NONE;
    job->ended(job, &link->failure);
}

/* The connection goes before anybody is told, so that a callee finds the link down. */
void pg_link_drop(struct pg_link *link, const char *message)
{
    char detail[PG_DETAIL_SIZE];
    if (link->state == PG_LINK_CLOSED)
        return;
    copy_detail(detail, message);
    disconnect(link);
    link->state = PG_LINK_DOWN;
    pg_target_advance(&link->target);
    deadline_set(&link->loop->deadlines, &link->deadline,
                 loop_now_ms(link->loop) + backoff_next_ms(&link->backoff));
    end_lost_job(link, detail);
    link->on->lost(link, slice_str(detail));
}

void pg_link_proven(struct pg_link *link)
{
    backoff_reset(&link->backoff);
}

/* ---- jobs ---- */

static void record_failure(struct pg_link *link, const PGresult *result)
{
    if (link->failed)
        return;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    link->failed = true;
    link->failure.statement = link->statement;
    snprintf(link->failure.sqlstate, sizeof(link->failure.sqlstate), "%s",
             sqlstate ? sqlstate : "");
    link->failure.names_constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME) != NULL;
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    copy_detail(link->failure.message, message ? message : PQresultErrorMessage(result));
}

static void end_job(struct pg_link *link)
{
    struct pg_job *job = link->job;
    link->job = NULL;
    link->copy = PG_COPY_NONE;
    deadline_clear(&link->loop->deadlines, &link->deadline);
    job->ended(job, link->failed ? &link->failure : NULL);
}

static void take_result(struct pg_link *link, const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
        end_job(link);
        return;
    }
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        if (link->job->result)
            link->job->result(link->job, link->statement, result);
    } else if (status != PGRES_PIPELINE_ABORTED) {
        record_failure(link, result);
    }
    link->statement++;
}

/* libpq puts one NULL behind each statement's result; two mean that it owes nothing although a job
 * waits. */
static void check_owing(struct pg_link *link, int nulls)
{
    if (link->conn && (PQstatus(link->conn) == CONNECTION_BAD || nulls > 1))
        pg_link_drop(link, PQerrorMessage(link->conn));
}

/* Callees may end the connection, or begin the next job, which reads for itself. */
static void read_results(struct pg_link *link)
{
    for (int nulls = 0; link->conn && link->job && !link->copy && !PQisBusy(link->conn);) {
        PGresult *result = PQgetResult(link->conn);
        nulls = result ? 0 : nulls + 1;
        if (result)
            take_result(link, result);
        PQclear(result);
        check_owing(link, nulls);
    }
}

/* Reading goes on while output is left: a server that waits for us to read would never take it. A
 * call that sends may itself find the end of the stream; libpq then closes its socket without a
 * word, and the loop would never hear of it. */
static bool flush(struct pg_link *link)
{
    int left = PQflush(link->conn);
    if (left < 0 || PQstatus(link->conn) == CONNECTION_BAD)
        return false;
    return (left > 0) == link->watches_write || watch(link, true, left > 0);
}

/* ---- a COPY ---- */

static bool put_piece(struct pg_link *link, struct slice piece)
{
    if (piece.len > 0)
        return PQputCopyData(link->conn, piece.data, (int)piece.len) > 0;
    link->copy = PG_COPY_ENDING;
    link->finished = true;
    return PQputCopyEnd(link->conn, NULL) > 0;
}

/* A piece goes only when the socket has taken the last one, so libpq never holds more than one;
 * that it can't take it then means that memory is out. */
static void feed_copy(struct pg_link *link)
{
    struct slice piece;
    while (link->copy == PG_COPY_FEEDING && !link->watches_write) {
        if (link->job->feed(link->job, &piece) != STATUS_OK) {
            pg_link_drop(link, "out of memory");
            return;
        }
        if (!put_piece(link, piece) || !flush(link)) {
            pg_link_drop(link, PQerrorMessage(link->conn));
            return;
        }
    }
}

/* "The server takes bytes" is told again and again until it got them all. */
static void take_copy_result(struct pg_link *link, const PGresult *result)
{
    if (PQresultStatus(result) == PGRES_COPY_IN) {
        link->copy = PG_COPY_FEEDING;
        return;
    }
    take_result(link, result);
}

/* Without a result the last one was it. */
static void read_copy_results(struct pg_link *link)
{
    while (link->conn && (link->copy == PG_COPY_ASKED || link->copy == PG_COPY_ENDING) &&
           !PQisBusy(link->conn)) {
        PGresult *result = PQgetResult(link->conn);
        if (result)
            take_copy_result(link, result);
        PQclear(result);
        if (PQstatus(link->conn) == CONNECTION_BAD)
            pg_link_drop(link, PQerrorMessage(link->conn));
        else if (!result)
            end_job(link);
    }
}

static void work_copy(struct pg_link *link)
{
    read_copy_results(link);
    feed_copy(link);
}

/* ---- either ---- */

static void work(struct pg_link *link, bool readable)
{
    if ((readable && !PQconsumeInput(link->conn)) || !flush(link)) {
        pg_link_drop(link, PQerrorMessage(link->conn));
        return;
    }
    if (link->copy)
        work_copy(link);
    else
        read_results(link);
}

static void start_job(struct pg_link *link, struct pg_job *job, uint32_t timeout_ms)
{
    assert(pg_link_is_free(link));
    link->job = job;
    link->job_timeout_ms = timeout_ms;
    link->statement = 0;
    link->finished = false;
    link->broken = false;
    link->failed = false;
    link->failure = (struct pg_failure){0};
}

static void set_job_deadline(struct pg_link *link)
{
    deadline_set(&link->loop->deadlines, &link->deadline,
                 loop_now_ms(link->loop) + link->job_timeout_ms);
}

void pg_link_copy(struct pg_link *link, struct pg_job *job, const char *text, uint32_t timeout_ms)
{
    start_job(link, job, timeout_ms);
    link->copy = PG_COPY_ASKED;
    set_job_deadline(link);
    if (!PQexitPipelineMode(link->conn) || !PQsendQuery(link->conn, text) || !flush(link))
        pg_link_drop(link, PQerrorMessage(link->conn));
}

void pg_link_begin(struct pg_link *link, struct pg_job *job, uint32_t timeout_ms)
{
    start_job(link, job, timeout_ms);
    link->broken = !PQenterPipelineMode(link->conn);
}

#define PARAMETERS_MAX 32

void pg_link_query(struct pg_link *link, const char *text, int count, const unsigned int *types,
                   const char *const *values, const int *lengths)
{
    int binary[PARAMETERS_MAX];
    assert(count <= PARAMETERS_MAX);
    for (int i = 0; i < count; i++)
        binary[i] = 1;
    if (!PQsendQueryParams(link->conn, text, count, types, values, lengths, binary, 1))
        link->broken = true;
}

void pg_link_commit(struct pg_link *link)
{
    link->finished = !link->broken;
    if (link->broken || !PQpipelineSync(link->conn) || !flush(link)) {
        pg_link_drop(link, PQerrorMessage(link->conn));
        return;
    }
    set_job_deadline(link);
}

/* ---- connecting ---- */

/* NOTICEs ("relation exists, skipping") are not for standard error, where libpq puts them. */
static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static void finish_connect(struct pg_link *link)
{
    if (PQsetnonblocking(link->conn, 1) != 0 || !watch(link, true, false)) {
        pg_link_drop(link, PQerrorMessage(link->conn));
        return;
    }
    deadline_clear(&link->loop->deadlines, &link->deadline);
    link->state = PG_LINK_UP;
    link->on->connected(link);
}

static void step_connect(struct pg_link *link)
{
    PostgresPollingStatusType step = PQconnectPoll(link->conn);
    if (step == PGRES_POLLING_OK) {
        finish_connect(link);
        return;
    }
    bool reading = step == PGRES_POLLING_READING, writing = step == PGRES_POLLING_WRITING;
    if ((!reading && !writing) || !watch(link, reading, writing))
        pg_link_drop(link, PQerrorMessage(link->conn));
}

/* Both may mean an error, after which the loop watches no longer; there can be data to read before
 * the error is, so it has to be watched again. */
static void on_ready(struct loop_poll *poll, bool readable, bool writable)
{
    struct pg_link *link = container_of(poll, struct pg_link, poll);
    if (link->state == PG_LINK_CONNECTING) {
        step_connect(link);
        return;
    }
    work(link, readable);
    if (readable && writable && link->conn && !watch(link, true, link->watches_write))
        pg_link_drop(link, PQerrorMessage(link->conn));
}

static void start_connect(struct pg_link *link)
{
    link->conn = pg_target_connect(&link->target);
    if (!link->conn || PQstatus(link->conn) == CONNECTION_BAD) {
        pg_link_drop(link, link->conn ? PQerrorMessage(link->conn) : "out of memory");
        return;
    }
    PQsetNoticeReceiver(link->conn, ignore_notice, NULL);
    /* libpq's rule: after PQconnectStart, act as if PQconnectPoll had asked to write. */
    if (!watch(link, false, true))
        pg_link_drop(link, "the connection can't be watched");
}

static void attempt(struct pg_link *link)
{
    link->state = PG_LINK_CONNECTING;
    deadline_set(&link->loop->deadlines, &link->deadline,
                 loop_now_ms(link->loop) + link->timeout_ms);
    enum pg_target_state target = pg_target_prepare(&link->target);
    if (target == PG_TARGET_READY)
        start_connect(link);
    else if (target == PG_TARGET_FAILED)
        pg_link_drop(link, "the host's name has no address");
}

/* A look-up of an earlier attempt may end while this one is connecting already. */
static void on_resolved(struct pg_target *target)
{
    struct pg_link *link = container_of(target, struct pg_link, target);
    if (link->state != PG_LINK_CONNECTING || link->conn)
        return;
    if (pg_target_prepare(target) == PG_TARGET_READY)
        start_connect(link);
    else
        pg_link_drop(link, "the host's name has no address");
}

static void on_deadline(struct deadline *deadline)
{
    struct pg_link *link = container_of(deadline, struct pg_link, deadline);
    if (link->state == PG_LINK_DOWN)
        attempt(link);
    else if (link->state == PG_LINK_CONNECTING)
        pg_link_drop(link, "no connection in time");
    else
        pg_link_drop(link, "no answer in time");
}

enum status pg_link_open(struct pg_link *link, struct loop *loop, struct slice url,
                         uint32_t timeout_ms, const struct pg_link_handlers *on)
{
    link->on = on;
    link->loop = loop;
    link->timeout_ms = timeout_ms;
    link->state = PG_LINK_DOWN;
    link->fd = -1;
    link->poll.ready = on_ready;
    link->deadline.expired = on_deadline;
    enum status status = pg_target_init(&link->target, loop, url, on_resolved);
    if (status != STATUS_OK) {
        pg_target_done(&link->target);
        return status;
    }
    deadline_set(&loop->deadlines, &link->deadline, loop_now_ms(loop));
    return STATUS_OK;
}

void pg_link_close(struct pg_link *link)
{
    disconnect(link);
    link->state = PG_LINK_CLOSED;
    end_lost_job(link, "closing");
    pg_target_done(&link->target);
}
