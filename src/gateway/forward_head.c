/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upstream's request head. Hop-by-hop fields are dropped, and so are Postern-* fields that came
 * from outside: only this gateway says what it did. X-Forwarded-*, X-Real-IP and Forwarded are
 * believed from a trusted proxy alone; an upstream may rely on what it gets of them. A credential
 * that was masked in the journal (record.c) is left out of a replay: no value is better than a
 * wrong one.
 */
#include "forward_head.h"

#include <postern/policy/client_address.h>
#include <postern/policy/credential.h>

#define HEX_ID_LEN 32

/* Fields of the request that this gateway writes itself, or answers itself. */
static bool is_ours(enum http_field_id id)
{
    return id == FIELD_HOST || id == FIELD_CONTENT_LENGTH || id == FIELD_EXPECT ||
           id == FIELD_POSTERN || id == FIELD_X_FORWARDED_FOR;
}

/* Fields that only a trusted proxy may bring: from others an upstream would believe them to be
 * ours. */
static bool is_forwarding(enum http_field_id id)
{
    return id == FIELD_FORWARDED || id == FIELD_X_FORWARDED_HOST || id == FIELD_X_FORWARDED_PORT ||
           id == FIELD_X_FORWARDED_PROTO || id == FIELD_X_REAL_IP;
}

/* The names of Standard Webhooks; the sender's own signature of that kind gives way to ours. */
static bool is_signature(struct slice name)
{
    return slice_ieq(name, SLICE("webhook-id")) || slice_ieq(name, SLICE("webhook-timestamp")) ||
           slice_ieq(name, SLICE("webhook-signature"));
}

static bool passes(const struct forward *forward, const struct http_field *field)
{
    if (field->hop_by_hop || is_ours(field->id) || (is_forwarding(field->id) && !forward->trusted))
        return false;
    if (forward->from_journal && slice_eq(field->value, CREDENTIAL_MASK) &&
        credential_is_field(field->name))
        return false;
    return !forward->signer || !is_signature(field->name);
}

static enum status write_fields(struct buf *buf, const struct forward *forward)
{
    const struct http_head *request = forward->request;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < request->field_count && status == STATUS_OK; i++)
        if (passes(forward, &request->fields[i]))
            status = http1_write_field(buf, request->fields[i].name, request->fields[i].value);
    return status;
}

/* The chain that trusted proxies brought. */
static enum status write_chain(struct buf *buf, const struct http_head *request)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < request->field_count && status == STATUS_OK; i++) {
        const struct http_field *field = &request->fields[i];
        if (field->id != FIELD_X_FORWARDED_FOR || field->hop_by_hop || field->value.len == 0)
            continue;
        if ((status = buf_append(buf, field->value)) == STATUS_OK)
            status = buf_append(buf, SLICE(", "));
    }
    return status;
}

/* Our peer comes last: the entry that this gateway vouches for. */
static enum status write_forwarded_for(struct buf *buf, const struct forward *forward)
{
    enum status status = buf_append(buf, SLICE("X-Forwarded-For: "));
    if (status == STATUS_OK && forward->trusted)
        status = write_chain(buf, forward->request);
    if (status == STATUS_OK)
        status = buf_append(buf, forward->client);
    return status == STATUS_OK ? buf_append(buf, SLICE("\r\n")) : status;
}

static bool was_passed(const struct forward *forward, enum http_field_id id)
{
    for (size_t i = 0; forward->trusted && i < forward->request->field_count; i++)
        if (forward->request->fields[i].id == id && !forward->request->fields[i].hop_by_hop)
            return true;
    return false;
}

/* RFC 7239: an IPv6 address needs brackets, and these need quotes; a peer without an address (a
 * UNIX socket) is "unknown". */
static enum status write_node(struct buf *buf, struct slice client)
{
    struct ip ip;
    char text[CLIENT_TEXT_SIZE];
    if (ip_parse(client, &ip) != STATUS_OK)
        return buf_append(buf, SLICE("unknown"));
    size_t len = ip_format(&ip, text);
    bool is_v6 = memchr(text, ':', len) != NULL;
    enum status status = is_v6 ? buf_append(buf, SLICE("\"[")) : STATUS_OK;
    if (status == STATUS_OK)
        status = buf_append(buf, slice_of(text, len));
    return status == STATUS_OK && is_v6 ? buf_append(buf, SLICE("]\"")) : status;
}

/* A line of its own, so that no open quote in one before it can swallow it. Without proto=: the
 * scheme that counts is the first proxy's, and stands in X-Forwarded-Proto. */
static enum status write_forwarded(struct buf *buf, const struct forward *forward)
{
    enum status status = buf_append(buf, SLICE("Forwarded: for="));
    if (status == STATUS_OK)
        status = write_node(buf, forward->client);
    return status == STATUS_OK ? buf_append(buf, SLICE("\r\n")) : status;
}

/* Host and scheme as the first proxy saw them: what a trusted one says of them is better than what
 * we see. */
static enum status write_forwarding(struct buf *buf, const struct forward *forward)
{
    struct slice host = forward->request->host;
    enum status status = write_forwarded_for(buf, forward);
    if (status == STATUS_OK && host.len > 0 && !was_passed(forward, FIELD_X_FORWARDED_HOST))
        status = http1_write_field(buf, SLICE("X-Forwarded-Host"), host);
    if (status == STATUS_OK && !was_passed(forward, FIELD_X_FORWARDED_PROTO))
        status = buf_append(buf, forward->secure ? SLICE("X-Forwarded-Proto: https\r\n")
                                                 : SLICE("X-Forwarded-Proto: http\r\n"));
    if (status == STATUS_OK && was_passed(forward, FIELD_FORWARDED))
        status = write_forwarded(buf, forward);
    return status;
}

/* W3C Trace Context: passed on as it came (with the other fields), or begun here from the event's
 * id. */
static enum status write_traceparent(struct buf *buf, const struct forward *forward)
{
    if (http_field_by_id(forward->request, FIELD_TRACEPARENT))
        return STATUS_OK;
    char text[3 + HEX_ID_LEN + 1 + 16 + 3] = "00-";
    hex_format(slice_of(forward->event_id.bytes, sizeof forward->event_id.bytes), text + 3);
    text[3 + HEX_ID_LEN] = '-';
    memcpy(text + 4 + HEX_ID_LEN, text + 3 + 16, 16); /* the random half of the id */
    memcpy(text + 4 + HEX_ID_LEN + 16, "-00", 3);
    return http1_write_field(buf, SLICE("traceparent"), slice_of(text, sizeof text));
}

/* The event's id is the message's: the same in all attempts, as the specification asks. */
static enum status write_signature(struct buf *buf, const struct forward *forward, struct slice id)
{
    char text[SIGN_TEXT_LEN];
    uint64_t now_s = forward->wall_ms / 1000;
    enum status status = signer_sign(forward->signer, id, now_s, forward->body, text);
    if (status == STATUS_OK)
        status = http1_write_field(buf, SLICE("Webhook-Id"), id);
    if (status == STATUS_OK)
        status = http1_write_field_u64(buf, SLICE("Webhook-Timestamp"), now_s);
    return status == STATUS_OK
               ? http1_write_field(buf, SLICE("Webhook-Signature"), slice_of(text, sizeof text))
               : status;
}

static enum status write_event(struct buf *buf, const struct forward *forward)
{
    char text[UUID_TEXT_LEN];
    uuid_format(&forward->event_id, text);
    struct slice id = slice_of(text, sizeof text);
    enum status status = http1_write_field_u64(buf, SLICE("Postern-Attempt"), forward->attempt);
    if (status == STATUS_OK)
        status = http1_write_field(buf, SLICE("Postern-Event-Id"), id);
    if (status == STATUS_OK && forward->marked != OUTCOME_NONE)
        status = http1_write_field(buf, SLICE("Postern-Outcome"),
                                   slice_str(outcome_row(forward->marked)->header));
    return status == STATUS_OK && forward->signer ? write_signature(buf, forward, id) : status;
}

static enum status write_own_fields(struct buf *buf, const struct forward *forward)
{
    enum status status = write_forwarding(buf, forward);
    if (status == STATUS_OK)
        status = buf_append(buf, SLICE("Via: 1.1 postern\r\n"));
    if (status == STATUS_OK)
        status = write_event(buf, forward);
    return status == STATUS_OK ? write_traceparent(buf, forward) : status;
}

/* A request without a body keeps being one; an empty POST says so (RFC 9110 8.6). */
static bool needs_length(const struct forward *forward)
{
    return forward->request->body != HTTP_BODY_NONE || forward->body.len > 0;
}

enum status write_forward_head(struct buf *buf, const struct forward *forward)
{
    enum status status =
        http1_write_request_line(buf, forward->request->method, forward->request->target);
    if (status == STATUS_OK)
        status = write_fields(buf, forward);
    if (status == STATUS_OK)
        status = write_own_fields(buf, forward);
    if (status == STATUS_OK && needs_length(forward))
        status = http1_write_field_u64(buf, SLICE("Content-Length"), forward->body.len);
    return status;
}
