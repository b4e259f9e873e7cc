/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer: our own, or the upstream's relayed piece by piece. What the client's socket does not
 * take stops the upstream's socket (back-pressure), so that one answer never holds more than
 * limits.response_buffer and one read.
 */
#include "respond.h"
#include "heads.h"
#include <postern/base/fault.h>

#define JOIN_BYTES 4096u /* bodies up to here are sent in one piece with their head */

static void stop_call(struct exchange *ex)
{
    if (!ex->calling)
        return;
    upstream_cancel(&ex->call);
    ex->calling = false;
    ex->owed--;
}

/* The answer can't be completed; the client must not take it for whole. */
static enum ex_state break_off(struct exchange *ex)
{
    struct client *client = ex->client;
    ex->client = NULL;
    stop_call(ex);
    if (client)
        client->ops->broken(client);
    return EX_DONE;
}

/* Sends; false when the client is lost. A client that is behind stops the upstream. */
static bool send_parts(struct exchange *ex, const struct slice *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ex->sent_bytes += parts[i].len;
    switch (ex->client->ops->send(ex->client, parts, count)) {
    case SEND_DONE:
        return true;
    case SEND_BACKLOG:
        ex->waiting_drain = true;
        if (ex->calling)
            upstream_pause(&ex->call);
        return true;
    case SEND_FULL: /* we stop the upstream long before this */
    case SEND_LOST:
        break;
    }
    return false;
}

/* Sends what is in ex->text (a head, or nothing) and `body` behind it, framed. A small body is
 * copied to the head: one piece is one write() instead of one writev(), which is dearer than the
 * copy. */
static bool send_body(struct exchange *ex, struct slice body)
{
    struct buf *text = &ex->text;
    if (ex->chunked && body.len > 0) {
        if (http1_write_chunk_head(text, body.len) != STATUS_OK)
            return false;
        return send_parts(ex, (struct slice[]){buf_slice(text), body, HTTP1_CHUNK_TAIL}, 3);
    }
    if (body.len <= JOIN_BYTES && buf_append(text, body) == STATUS_OK)
        return send_parts(ex, (struct slice[]){buf_slice(text)}, 1);
    return send_parts(ex, (struct slice[]){buf_slice(text), body}, 2);
}

/* ---- relayed ---- */

static enum answer_framing choose_framing(struct exchange *ex, uint64_t *ret_length)
{
    const struct http_head *head = &ex->call.reader.head;
    *ret_length = 0;
    if (head->body == HTTP_BODY_NONE &&
        (ex->call.is_head_request || ex->status == 204 || ex->status == 304))
        return ANSWER_NO_BODY;
    if (head->body == HTTP_BODY_SIZED) {
        *ret_length = head->content_length;
        return ANSWER_SIZED;
    }
    if (ex->answer_complete || head->body == HTTP_BODY_NONE) {
        *ret_length = buf_len(&ex->held); /* all of it is here: no need for chunks */
        return ANSWER_SIZED;
    }
    return ex->client->http10 ? ANSWER_TO_CLOSE : ANSWER_CHUNKED;
}

static enum ex_state begin_relay(struct exchange *ex)
{
    uint64_t length;
    enum answer_framing framing = choose_framing(ex, &length);
    ex->chunked = framing == ANSWER_CHUNKED;
    if (framing == ANSWER_TO_CLOSE)
        ex->client->close_after = true;
    if (write_relayed_head(ex, framing, length) != STATUS_OK ||
        !send_body(ex, buf_slice(&ex->held)))
        return break_off(ex);
    buf_clear(&ex->held);
    if (ex->calling && !ex->waiting_drain)
        upstream_resume(&ex->call);
    return finish_respond(ex);
}

static void hold_piece(struct exchange *ex, struct slice piece)
{
    if (buf_append(&ex->held, piece) != STATUS_OK) {
        ex->answer_broken = true; /* no memory: the client sees a cut answer, the event is safe */
        return;
    }
    if (buf_len(&ex->held) >= ex->gateway->config->response_buffer_bytes)
        upstream_pause(&ex->call);
}

void respond_piece(struct exchange *ex, struct slice piece)
{
    if (!ex->answering) {
        hold_piece(ex, piece);
        return;
    }
    buf_clear(&ex->text); /* the head is out */
    ex->answer_broken = !ex->client || !send_body(ex, piece);
    if (ex->answer_broken || ex->waiting_drain)
        exchange_continue(ex, EX_RESPOND); /* breaks off, or starts the client's time */
}

/* ---- own ---- */

static enum ex_state begin_own(struct exchange *ex)
{
    stop_call(ex);
    ex->answer_complete = true;
    ex->answer_broken = false;
    if (outcome_row(ex->outcome)->close)
        ex->client->close_after = true;
    if (write_own_answer(ex) != STATUS_OK || !send_body(ex, buf_slice(&ex->held)))
        return break_off(ex);
    return finish_respond(ex);
}

/* ---- the step ---- */

/* The upstream's answer is the client's unless the outcome has one of its own; an observed copy
 * gets the upstream's always. */
static bool is_relayed(const struct exchange *ex)
{
    if (ex->status == 0)
        return false;
    return ex->marked != OUTCOME_NONE || outcome_row(ex->outcome)->status == 0;
}

enum ex_state begin_respond(struct exchange *ex)
{
    FAULT_POINT("before_answer");
    ex->answering = true;
    exchange_count(ex);
    if (!ex->client) {
        stop_call(ex);
        return EX_DONE;
    }
    if (ex->gateway->draining)
        ex->client->close_after = true;
    return is_relayed(ex) ? begin_relay(ex) : begin_own(ex);
}

enum ex_state finish_respond(struct exchange *ex)
{
    if (!ex->client || ex->answer_broken)
        return break_off(ex);
    if (ex->waiting_drain)
        return EX_WAIT;
    if (ex->calling) {
        upstream_resume(&ex->call);
        return EX_WAIT;
    }
    if (ex->chunked) {
        ex->chunked = false;
        if (!send_parts(ex, &HTTP1_LAST_CHUNK, 1))
            return break_off(ex);
        if (ex->waiting_drain)
            return EX_WAIT;
    }
    struct client *client = ex->client;
    ex->client = NULL;
    client->ops->answered(client);
    return EX_DONE;
}

/* While the client is behind its time runs; while the upstream is, the upstream's own. */
uint64_t deadline_respond(const struct exchange *ex)
{
    if (!ex->waiting_drain)
        return 0;
    return loop_now_ms(ex->gateway->loop) + ex->gateway->config->timeouts.write_ms;
}

enum ex_state timeout_respond(struct exchange *ex)
{
    return break_off(ex);
}
