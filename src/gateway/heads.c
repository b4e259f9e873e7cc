/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads towards the upstream and the client. Hop-by-hop fields are dropped in both directions, and
 * so are Postern-* fields that came from outside: only this gateway says what it did.
 */
#include "heads.h"

#define HEX_ID_LEN 32

/* Fields of the request that this gateway writes itself, or answers itself. */
static bool request_field_is_ours(enum http_field_id id)
{
    return id == FIELD_HOST || id == FIELD_CONTENT_LENGTH || id == FIELD_EXPECT ||
           id == FIELD_POSTERN || id == FIELD_X_FORWARDED_FOR || id == FIELD_X_FORWARDED_HOST ||
           id == FIELD_X_FORWARDED_PROTO;
}

static enum status write_request_fields(struct exchange *ex)
{
    for (size_t i = 0; i < ex->request.field_count; i++) {
        const struct http_field *field = &ex->request.fields[i];
        if (field->hop_by_hop || request_field_is_ours(field->id))
            continue;
        enum status status = http1_write_field(&ex->text, field->name, field->value);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* The chain as received and then our peer: the last entry is the one this gateway vouches for. */
static enum status write_forwarded_for(struct exchange *ex)
{
    struct buf *buf = &ex->text;
    enum status status = buf_append(buf, SLICE("X-Forwarded-For: "));
    for (size_t i = 0; i < ex->request.field_count && status == STATUS_OK; i++) {
        const struct http_field *field = &ex->request.fields[i];
        if (field->id != FIELD_X_FORWARDED_FOR || field->hop_by_hop || field->value.len == 0)
            continue;
        if ((status = buf_append(buf, field->value)) == STATUS_OK)
            status = buf_append(buf, SLICE(", "));
    }
    if (status == STATUS_OK)
        status = buf_append(buf, ex->client_address);
    return status == STATUS_OK ? buf_append(buf, SLICE("\r\n")) : status;
}

/* W3C Trace Context: passed on as it came (with the other fields), or begun here from the event's
 * id. */
static enum status write_traceparent(struct exchange *ex)
{
    if (http_field_by_id(&ex->request, FIELD_TRACEPARENT))
        return STATUS_OK;
    char text[3 + HEX_ID_LEN + 1 + 16 + 3] = "00-";
    hex_format(slice_of(ex->event_id.bytes, sizeof ex->event_id.bytes), text + 3);
    text[3 + HEX_ID_LEN] = '-';
    memcpy(text + 4 + HEX_ID_LEN, text + 3 + 16, 16); /* the random half of the id */
    memcpy(text + 4 + HEX_ID_LEN + 16, "-00", 3);
    return http1_write_field(&ex->text, SLICE("traceparent"), slice_of(text, sizeof text));
}

static enum status write_event_id(struct exchange *ex, const struct uuid *id)
{
    char text[UUID_TEXT_LEN];
    uuid_format(id, text);
    return http1_write_field(&ex->text, SLICE("Postern-Event-Id"), slice_of(text, sizeof text));
}

static enum status write_our_request_fields(struct exchange *ex)
{
    struct buf *buf = &ex->text;
    enum status status = write_forwarded_for(ex);
    if (status == STATUS_OK && ex->request.host.len > 0)
        status = http1_write_field(buf, SLICE("X-Forwarded-Host"), ex->request.host);
    if (status == STATUS_OK)
        status = buf_append(buf, ex->client && ex->client->secure
                                     ? SLICE("X-Forwarded-Proto: https\r\n")
                                     : SLICE("X-Forwarded-Proto: http\r\n"));
    if (status == STATUS_OK)
        status = buf_append(buf, SLICE("Via: 1.1 postern\r\nPostern-Attempt: 1\r\n"));
    if (status == STATUS_OK)
        status = write_event_id(ex, &ex->event_id);
    if (status == STATUS_OK && ex->marked != OUTCOME_NONE)
        status = http1_write_field(buf, SLICE("Postern-Outcome"),
                                   slice_str(outcome_row(ex->marked)->header));
    return status == STATUS_OK ? write_traceparent(ex) : status;
}

/* A request without a body keeps being one; an empty POST says so (RFC 9110 8.6). */
static bool needs_length(const struct exchange *ex)
{
    return ex->request.body != HTTP_BODY_NONE || buf_len(&ex->body) > 0;
}

enum status write_upstream_head(struct exchange *ex)
{
    buf_clear(&ex->text);
    enum status status =
        http1_write_request_line(&ex->text, ex->request.method, ex->request.target);
    if (status == STATUS_OK)
        status = write_request_fields(ex);
    if (status == STATUS_OK)
        status = write_our_request_fields(ex);
    if (status == STATUS_OK && needs_length(ex))
        status = http1_write_field_u64(&ex->text, SLICE("Content-Length"), buf_len(&ex->body));
    return status;
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
    bool is_known = ex->outcome == OUTCOME_DUPLICATE;
    buf_clear(&ex->text);
    buf_clear(&ex->held);
    enum status status = is_known ? write_known_body(ex, row->header) : write_problem_body(ex, row);
    if (status != STATUS_OK)
        return status;
    if (is_known)
        return write_own_head(ex, row, ex->route->duplicate_status, SLICE("application/json"));
    return write_own_head(ex, row, row->status, SLICE("application/problem+json"));
}
