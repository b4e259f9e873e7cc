/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes beside claims. Losing a note is allowed where losing an event is not: whatever fails here
 * after the claim ends in "no response kept", never in the exchange's failure.
 */
#include "note.h"

#include <postern/policy/key_fingerprint.h>

#define SHOWN_DIGITS 8 /* of a fingerprint in the log: enough to tell two bodies apart */

/* ---- what is kept ---- */

static bool compares(const struct route_opts *route)
{
    return route->fingerprint && route->on_mismatch != MISMATCH_NEW;
}

/* A queue's first response is the 202, which needs no keeping. */
static bool keeps_response(const struct route_opts *route)
{
    return route->replay.enabled && route->mode == ROUTE_PROXY;
}

bool note_is_kept(const struct route_opts *route)
{
    return compares(route) || keeps_response(route);
}

/* The head alone: it has the same length in every note of the route. */
static enum status write_head(struct exchange *ex)
{
    struct note note = {.fingerprint = ex->fingerprint};
    enum status status = note_write(&note, &ex->note);
    struct slice head = buf_slice(&ex->note);
    if (status == STATUS_OK) {
        memcpy(ex->note_head, head.data, head.len);
        ex->note_head_len = head.len;
    }
    buf_clear(&ex->note);
    return status;
}

enum status note_identify(const struct route_opts *route, struct digester *digester,
                          struct slice body, struct fingerprint *ret_fingerprint,
                          struct event_key *key)
{
    if (!route->fingerprint)
        return STATUS_OK;
    enum status status = fingerprint_make(digester, body, ret_fingerprint);
    if (status == STATUS_OK && route->on_mismatch == MISMATCH_NEW)
        status = key_add_fingerprint(digester, ret_fingerprint, key);
    return status;
}

enum status note_begin(struct exchange *ex)
{
    enum status status = note_identify(ex->route, ex->gateway->digester, buf_slice(&ex->body),
                                       &ex->fingerprint, &ex->key);
    return status == STATUS_OK && note_is_kept(ex->route) ? write_head(ex) : status;
}

enum status note_of_body(const struct route_opts *route, struct digester *digester,
                         struct slice body, struct buf *note)
{
    struct note made = {.reply = {.status = 0}};
    if (!compares(route))
        return STATUS_OK;
    enum status status = fingerprint_make(digester, body, &made.fingerprint);
    return status == STATUS_OK ? note_write(&made, note) : status;
}

struct slice note_text(const struct exchange *ex)
{
    return buf_len(&ex->note) > 0 ? buf_slice(&ex->note)
                                  : slice_of(ex->note_head, ex->note_head_len);
}

void note_give_head(struct exchange *ex, struct dedup_op *op)
{
    op->noted = ex->note_head_len > 0;
    op->note = slice_of(ex->note_head, ex->note_head_len);
    op->note_essential = ex->note_head_len;
}

void note_give(struct exchange *ex, struct dedup_op *op)
{
    note_give_head(ex, op);
    op->note = note_text(ex);
}

/* ---- what the first one's says ---- */

static void tell_mismatch(struct exchange *ex, const struct fingerprint *first)
{
    char id[UUID_TEXT_LEN], now[2 * FINGERPRINT_BYTES], then[2 * FINGERPRINT_BYTES];
    struct gateway *gw = ex->gateway;
    if (ex->mismatch_told)
        return; /* a parked copy asks again and again */
    ex->mismatch_told = true;
    account_mismatch(gw->account, exchange_route_index(ex));
    if (!log_wants(gw->log, LOG_INFO))
        return;
    uuid_format(&ex->claim.first.event_id, id);
    hex_format(slice_of(ex->fingerprint.bytes, FINGERPRINT_BYTES), now);
    hex_format(slice_of(first->bytes, FINGERPRINT_BYTES), then);
    log_line(gw->log, LOG_INFO, "same key, another body", LOG_TEXT("route", ex->route->name),
             LOG_TEXT("first_event_id", slice_of(id, sizeof id)),
             LOG_TEXT("first_fingerprint", slice_of(then, SHOWN_DIGITS)),
             LOG_TEXT("fingerprint", slice_of(now, SHOWN_DIGITS)));
}

bool note_differs(const struct route_opts *route, const struct fingerprint *fingerprint,
                  struct slice first_note, struct fingerprint *ret_first)
{
    struct note first;
    if (!compares(route) || !note_read(first_note, &first) ||
        !fingerprint_differs(fingerprint, &first.fingerprint))
        return false;
    *ret_first = first.fingerprint;
    return true;
}

bool note_conflicts(struct exchange *ex)
{
    struct fingerprint first;
    if (!note_differs(ex->route, &ex->fingerprint, buf_slice(&ex->first_note), &first))
        return false;
    tell_mismatch(ex, &first);
    return ex->route->on_mismatch == MISMATCH_CONFLICT;
}

bool note_response(const struct route_opts *route, struct slice first_note, struct reply *ret_reply)
{
    struct note first;
    if (!keeps_response(route) || !note_read(first_note, &first) || first.reply.status == 0)
        return false;
    *ret_reply = first.reply;
    return true;
}

/* ---- the first response ---- */

/* What is held for it is never as much as stops the upstream: then it would wait for ever. */
static size_t response_cap(const struct exchange *ex)
{
    size_t held_bytes = ex->gateway->config->response_buffer_bytes - 1;
    size_t wanted_bytes = ex->route->replay.body_bytes;
    return wanted_bytes < held_bytes ? wanted_bytes : held_bytes;
}

/* The answer to a HEAD says nothing of a body: it would be a wrong one for a GET. */
static bool is_keepable(const struct exchange *ex)
{
    const struct http_head *head = &ex->call.reader.head;
    size_t cap_bytes = response_cap(ex);
    return keeps_response(ex->route) && ex->note_head_len > 0 && !ex->call.is_head_request &&
           !ex->answer_broken && buf_len(&ex->held) <= cap_bytes &&
           (head->body != HTTP_BODY_SIZED || head->content_length <= cap_bytes);
}

bool note_waits(const struct exchange *ex)
{
    return is_keepable(ex) && !ex->answer_complete && route_is_success(ex->route, ex->status);
}

/* Without its type, coding and range a body can't be read, whatever the route lists. */
static bool is_chosen(const struct replay_opts *replay, const struct http_field *field)
{
    if (field->hop_by_hop || field->id == FIELD_POSTERN || field->id == FIELD_CONTENT_LENGTH ||
        field->id == FIELD_DATE || slice_ieq(field->name, SLICE("Set-Cookie")))
        return false;
    if (field->id == FIELD_CONTENT_TYPE || field->id == FIELD_CONTENT_ENCODING ||
        slice_ieq(field->name, SLICE("Content-Range")))
        return true;
    for (size_t i = 0; i < replay->header_count; i++)
        if (slice_ieq(field->name, replay->headers[i]))
            return true;
    return false;
}

/* False when there are more than a note may have. */
static bool choose_fields(const struct exchange *ex, struct reply *reply)
{
    const struct http_head *head = &ex->call.reader.head;
    for (size_t i = 0; i < head->field_count; i++) {
        if (!is_chosen(&ex->route->replay, &head->fields[i]))
            continue;
        if (reply->field_count == REPLY_MAX_FIELDS)
            return false;
        reply->fields[reply->field_count++] =
            (struct reply_field){.name = head->fields[i].name, .value = head->fields[i].value};
    }
    return true;
}

/* Not part of its caller: most exchanges keep no response, and its room would be cleared for all.
 */
static void keep_response(struct exchange *ex)
{
    struct note note = {.fingerprint = ex->fingerprint,
                        .reply = {.status = ex->status, .body = buf_slice(&ex->held)}};
    if (choose_fields(ex, &note.reply) && note_write(&note, &ex->note) != STATUS_OK)
        buf_clear(&ex->note); /* too large with its fields, or no memory */
}

void note_keep_response(struct exchange *ex)
{
    if (is_keepable(ex) && ex->answer_complete)
        keep_response(ex);
}
