/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's own answers: problems (RFC 9457), the JSON of duplicates and of a queue's events, a
 * handshake's, and the first response again for a copy of it (duplicate: replay).
 */
#include "heads.h"
#include "note.h"
#include <postern/policy/handshake.h>

/* What the answer is made of beside its body in ex->held. */
struct own {
    uint16_t status;
    struct slice type;         /* empty: among `reply`'s fields, or none */
    const struct reply *reply; /* its fields are written; NULL: none is */
    bool replayed;             /* said so */
    bool echoes;               /* a handshake's: what its sender wrote, for its sender's eyes */
};

/* ---- bodies ---- */

static enum status write_known_body(struct exchange *ex, const char *outcome)
{
    char id[UUID_TEXT_LEN];
    uuid_format(answer_event(ex), id);
    enum status status = buf_append(&ex->held, SLICE("{\"outcome\":\""));
    if (status == STATUS_OK)
        status = buf_append(&ex->held, slice_str(outcome));
    if (status == STATUS_OK)
        status = buf_append(&ex->held, SLICE("\",\"event_id\":\""));
    if (status == STATUS_OK)
        status = buf_append(&ex->held, slice_of(id, sizeof id));
    return status == STATUS_OK ? buf_append(&ex->held, SLICE("\"}")) : status;
}

/* Type is stable, detail is for people. The event id stands in for an instance. */
static enum status write_problem_body(struct exchange *ex, uint16_t code)
{
    const struct outcome_row *row = outcome_row(ex->outcome);
    char id[UUID_TEXT_LEN + 1] = {0};
    uuid_format(answer_event(ex), id);
    return buf_printf(&ex->held,
                      "{\"type\":\"urn:postern:problem:%s\",\"title\":\"%s\",\"status\":%u,"
                      "\"detail\":\"%s\",\"outcome\":\"%s\"%s%s%s}",
                      row->type, row->title, code, row->detail, row->header,
                      ex->route ? ",\"event_id\":\"" : "", ex->route ? id : "",
                      ex->route ? "\"" : "");
}

/* ---- heads ---- */

static enum status write_date(struct exchange *ex)
{
    struct gateway *gw = ex->gateway;
    uint64_t second = gw->loop->clock.wall_ms / 1000;
    if (second != gw->date_second) {
        http_date(gw->loop->clock.wall_ms, gw->date);
        gw->date_second = second;
    }
    return http1_write_field(&ex->text, SLICE("Date"), slice_of(gw->date, sizeof gw->date));
}

/* 204 and 304 have neither a body nor a length (RFC 9110 8.6), 205 has the length 0 (15.3.6). */
static enum status write_framing(struct exchange *ex, const struct own *own)
{
    bool has_length = own->status != 204 && own->status != 304;
    bool has_body = has_length && own->status != 205;
    enum status status = STATUS_OK;
    if (!has_body)
        buf_clear(&ex->held);
    if (own->type.len > 0 && (has_body || own->echoes))
        status = http1_write_field(&ex->text, SLICE("Content-Type"), own->type);
    if (status == STATUS_OK && has_length)
        status = http1_write_field_u64(&ex->text, SLICE("Content-Length"), buf_len(&ex->held));
    if (slice_eq(ex->request.method, SLICE("HEAD")))
        buf_clear(&ex->held);
    return status;
}

static enum status write_reply_fields(struct exchange *ex, const struct own *own)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; own->reply && i < own->reply->field_count && status == STATUS_OK; i++)
        status =
            http1_write_field(&ex->text, own->reply->fields[i].name, own->reply->fields[i].value);
    if (status == STATUS_OK && own->echoes)
        status = buf_append(&ex->text, SLICE("X-Content-Type-Options: nosniff\r\n"));
    if (status == STATUS_OK && own->replayed)
        status = buf_append(&ex->text, SLICE("Idempotent-Replayed: true\r\n"));
    return status;
}

/* RFC 9110 11.6.1 asks for it with a 401; of the schemes only these two are HTTP's own. */
static enum status write_challenge(struct exchange *ex, uint16_t code)
{
    if (ex->outcome != OUTCOME_UNVERIFIED || code != 401)
        return STATUS_OK;
    if (ex->route->verify.scheme == VERIFY_BASIC)
        return buf_append(&ex->text, SLICE("WWW-Authenticate: Basic realm=\"postern\"\r\n"));
    if (ex->route->verify.scheme == VERIFY_BEARER)
        return buf_append(&ex->text, SLICE("WWW-Authenticate: Bearer\r\n"));
    return STATUS_OK;
}

static enum status write_head(struct exchange *ex, const struct own *own)
{
    uint32_t retry_after_s = outcome_row(ex->outcome)->retry_after_s;
    ex->own_status = own->status;
    enum status status = http1_write_status_line(&ex->text, own->status);
    if (status == STATUS_OK)
        status = write_date(ex);
    if (status == STATUS_OK)
        status = write_framing(ex, own);
    if (status == STATUS_OK)
        status = write_reply_fields(ex, own);
    if (status == STATUS_OK)
        status = write_challenge(ex, own->status);
    if (status == STATUS_OK && retry_after_s > 0)
        status = http1_write_field_u64(&ex->text, SLICE("Retry-After"), retry_after_s);
    if (status == STATUS_OK)
        status = write_answer_fields(ex);
    return status == STATUS_OK ? http1_write_head_end(&ex->text) : status;
}

/* ---- answers ---- */

static enum status write_json(struct exchange *ex, uint16_t code, const char *outcome,
                              bool replayed)
{
    struct own own = {.status = code, .type = SLICE("application/json"), .replayed = replayed};
    enum status status = write_known_body(ex, outcome);
    return status == STATUS_OK ? write_head(ex, &own) : status;
}

static enum status write_problem(struct exchange *ex, uint16_t code)
{
    struct own own = {.status = code, .type = SLICE("application/problem+json")};
    enum status status = write_problem_body(ex, code);
    return status == STATUS_OK ? write_head(ex, &own) : status;
}

/* Discord looks for the type even where there is no body. */
static enum status write_handshake(struct exchange *ex)
{
    struct own own = {
        .status = ex->handshake->status, .type = ex->handshake->content_type, .echoes = true};
    enum status status = buf_append(&ex->held, ex->handshake->body);
    return status == STATUS_OK ? write_head(ex, &own) : status;
}

static enum status write_reply(struct exchange *ex, const struct reply *reply)
{
    struct own own = {.status = reply->status, .reply = reply, .replayed = true};
    enum status status = buf_append(&ex->held, reply->body);
    return status == STATUS_OK ? write_head(ex, &own) : status;
}

/* The first response again where it was kept; a queue's is the same for all. */
static enum status write_duplicate(struct exchange *ex)
{
    const struct route_opts *route = ex->route;
    struct reply reply;
    if (route->replay.enabled && route->mode == ROUTE_QUEUE) {
        account_replayed(ex->gateway->account, exchange_route_index(ex));
        return write_json(ex, route->accept_status, outcome_row(OUTCOME_ACCEPTED)->header, true);
    }
    if (note_response(route, buf_slice(&ex->first_note), &reply) &&
        reply.body.len <= ex->held.ceiling) {
        account_replayed(ex->gateway->account, exchange_route_index(ex));
        return write_reply(ex, &reply);
    }
    return write_json(ex, route->duplicate_status, outcome_row(ex->outcome)->header, false);
}

enum status write_own_answer(struct exchange *ex)
{
    const struct outcome_row *row = outcome_row(ex->outcome);
    buf_clear(&ex->text);
    buf_clear(&ex->held);
    if (ex->outcome == OUTCOME_BYPASSED_HANDSHAKE)
        return write_handshake(ex);
    if (ex->outcome == OUTCOME_DUPLICATE)
        return write_duplicate(ex);
    if (row->status == 0) /* nothing to relay: the answer of a queue is our own */
        return write_json(ex, ex->route->accept_status, row->header, false);
    bool is_route_s = ex->outcome == OUTCOME_UNVERIFIED;
    return write_problem(ex, is_route_s ? ex->route->verify.status : row->status);
}
