/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads for the exchange: the upstream's (forward_head.c writes it) and the client's. Hop-by-hop
 * fields are dropped in both directions, and so are Postern-* fields that came from outside: only
 * this gateway says what it did.
 */
#include "heads.h"

#include "forward_head.h"

static enum status write_event_id(struct exchange *ex, const struct uuid *id)
{
    char text[UUID_TEXT_LEN];
    uuid_format(id, text);
    return http1_write_field(&ex->text, SLICE("Postern-Event-Id"), slice_of(text, sizeof text));
}

enum status write_upstream_head(struct exchange *ex)
{
    struct forward forward = {
        .request = &ex->request,
        .body = buf_slice(&ex->body),
        .client = ex->client_address,
        .secure = ex->client && ex->client->secure,
        .event_id = ex->event_id,
        .attempt = 1,
        .marked = ex->marked,
        .signer = ex->gateway->signers[exchange_route_index(ex)],
        .wall_ms = ex->gateway->loop->clock.wall_ms,
    };
    buf_clear(&ex->text);
    return write_forward_head(&ex->text, &forward);
}

/* ---- towards the client ---- */

/* The event an answer speaks of: for a duplicate or a copy in flight, the first one. */
static const struct uuid *answer_event(const struct exchange *ex)
{
    if (ex->outcome == OUTCOME_DUPLICATE || ex->outcome == OUTCOME_IN_FLIGHT)
        return &ex->claim.first.event_id;
    return &ex->event_id;
}

static enum status write_answer_fields(struct exchange *ex)
{
    const struct outcome_row *row = outcome_row(ex->outcome);
    enum status status =
        http1_write_field(&ex->text, SLICE("Postern-Outcome"), slice_str(row->header));
    if (status == STATUS_OK && ex->route)
        status = write_event_id(ex, answer_event(ex));
    if (status == STATUS_OK && ex->client->close_after)
        return buf_append(&ex->text, SLICE("Connection: close\r\n"));
    if (status == STATUS_OK && ex->client->http10)
        return buf_append(&ex->text, SLICE("Connection: keep-alive\r\n"));
    return status;
}

static enum status write_framing(struct exchange *ex, enum answer_framing framing, uint64_t length)
{
    if (framing == ANSWER_SIZED)
        return http1_write_field_u64(&ex->text, SLICE("Content-Length"), length);
    if (framing == ANSWER_CHUNKED)
        return buf_append(&ex->text, SLICE("Transfer-Encoding: chunked\r\n"));
    return STATUS_OK;
}

/* An answer without a body (HEAD, 304) may still say how long one would be. */
static bool relay_field(const struct http_field *field, enum answer_framing framing)
{
    if (field->hop_by_hop || field->id == FIELD_POSTERN)
        return false;
    return field->id != FIELD_CONTENT_LENGTH || framing == ANSWER_NO_BODY;
}

enum status write_relayed_head(struct exchange *ex, enum answer_framing framing, uint64_t length)
{
    const struct http_head *head = &ex->call.reader.head;
    buf_clear(&ex->text);
    enum status status = http1_write_status_line(&ex->text, ex->status);
    for (size_t i = 0; i < head->field_count && status == STATUS_OK; i++)
        if (relay_field(&head->fields[i], framing))
            status = http1_write_field(&ex->text, head->fields[i].name, head->fields[i].value);
    if (status == STATUS_OK)
        status = write_framing(ex, framing, length);
    if (status == STATUS_OK)
        status = write_answer_fields(ex);
    return status == STATUS_OK ? http1_write_head_end(&ex->text) : status;
}

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

/* RFC 9457; type is stable, detail is for people. The event id stands in for an instance. */
static enum status write_problem_body(struct exchange *ex, const struct outcome_row *row)
{
    char id[UUID_TEXT_LEN + 1] = {0};
    uuid_format(answer_event(ex), id);
    return buf_printf(&ex->held,
                      "{\"type\":\"urn:postern:problem:%s\",\"title\":\"%s\",\"status\":%u,"
                      "\"detail\":\"%s\",\"outcome\":\"%s\"%s%s%s}",
                      row->type, row->title, row->status, row->detail, row->header,
                      ex->route ? ",\"event_id\":\"" : "", ex->route ? id : "",
                      ex->route ? "\"" : "");
}

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

/* 204 and 304 have neither a body nor a length (RFC 9110 8.6). */
static enum status write_own_framing(struct exchange *ex, uint16_t code, struct slice type)
{
    if (code == 204 || code == 304) {
        buf_clear(&ex->held);
        return STATUS_OK;
    }
    enum status status = http1_write_field(&ex->text, SLICE("Content-Type"), type);
    if (status == STATUS_OK)
        status = http1_write_field_u64(&ex->text, SLICE("Content-Length"), buf_len(&ex->held));
    if (slice_eq(ex->request.method, SLICE("HEAD")))
        buf_clear(&ex->held);
    return status;
}

static enum status write_own_head(struct exchange *ex, const struct outcome_row *row, uint16_t code,
                                  struct slice type)
{
    enum status status = http1_write_status_line(&ex->text, code);
    if (status == STATUS_OK)
        status = write_date(ex);
    if (status == STATUS_OK)
        status = write_own_framing(ex, code, type);
    if (status == STATUS_OK && row->retry_after_s > 0)
        status = http1_write_field_u64(&ex->text, SLICE("Retry-After"), row->retry_after_s);
    if (status == STATUS_OK)
        status = write_answer_fields(ex);
    return status == STATUS_OK ? http1_write_head_end(&ex->text) : status;
}

enum status write_own_answer(struct exchange *ex)
{
    const struct outcome_row *row = outcome_row(ex->outcome);
    bool is_queued = row->status == 0; /* nothing to relay: the answer of a queue is our own */
    bool is_known = ex->outcome == OUTCOME_DUPLICATE || is_queued;
    buf_clear(&ex->text);
    buf_clear(&ex->held);
    enum status status = is_known ? write_known_body(ex, row->header) : write_problem_body(ex, row);
    if (status != STATUS_OK)
        return status;
    if (is_known)
        return write_own_head(ex, row, is_queued ? 202 : ex->route->duplicate_status,
                              SLICE("application/json"));
    return write_own_head(ex, row, row->status, SLICE("application/problem+json"));
}
