/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads for the exchange: the upstream's (forward_head.c writes it) and the client's where the
 * upstream's answer is relayed; the gateway's own answers are in own_answer.c. Hop-by-hop fields
 * are dropped in both directions, and so are Postern-* fields that came from outside: only this
 * gateway says what it did.
 */
#include "heads.h"

#include "forward_head.h"
#include "limits.h"

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
        .client = ex->peer,
        .trusted = ex->via_proxy,
        .secure = ex->secure,
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

const struct uuid *answer_event(const struct exchange *ex)
{
    if (ex->outcome == OUTCOME_DUPLICATE || ex->outcome == OUTCOME_IN_FLIGHT ||
        ex->outcome == OUTCOME_REJECTED_MISMATCH)
        return &ex->claim.first.event_id;
    return &ex->event_id;
}

enum status write_answer_fields(struct exchange *ex)
{
    const struct outcome_row *row = outcome_row(ex->outcome);
    enum status status =
        http1_write_field(&ex->text, SLICE("Postern-Outcome"), slice_str(row->header));
    if (status == STATUS_OK && ex->route)
        status = write_event_id(ex, answer_event(ex));
    if (status == STATUS_OK)
        status = limits_write_fields(ex);
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
