/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's record of an accepted event. Credentials are not evidence: their values are
 * replaced by "***". A queue's event keeps them, since they have to be delivered with it.
 */
#include "record.h"

#include "note.h"
#include <postern/policy/credential.h>

/* What a line says: credentials are masked unless they have to be delivered, and the host is the
 * one that counted (an absolute-form target overrides the field). */
static struct slice line_value(const struct exchange *ex, const struct http_field *field)
{
    if (ex->route->mode != ROUTE_QUEUE)
        return credential_is_field(field->name) ? CREDENTIAL_MASK : field->value;
    return field->id == FIELD_HOST ? ex->request.host : field->value;
}

/* The field whose whole value is a route's secret (signature.scheme: header) has a name that only
 * the configuration knows, and so a replay from the journal could not tell its mask from a value:
 * it is left out. */
static bool is_kept(const struct route_opts *route, const struct http_field *field)
{
    if (field->hop_by_hop)
        return false;
    return route->mode == ROUTE_QUEUE || !route_any_secret_field(route, 1, field->name);
}

/* The fields as lines, in ex->text: the upstream's head there has been sent. An empty chunked body
 * leaves no trace but a length. */
static enum status write_lines(struct exchange *ex)
{
    enum status status = STATUS_OK;
    buf_clear(&ex->text);
    for (size_t i = 0; i < ex->request.field_count && status == STATUS_OK; i++) {
        const struct http_field *field = &ex->request.fields[i];
        if (is_kept(ex->route, field))
            status = http1_write_field(&ex->text, field->name, line_value(ex, field));
    }
    if (status == STATUS_OK && ex->request.body == HTTP_BODY_CHUNKED)
        status = http1_write_field_u64(&ex->text, SLICE("Content-Length"), buf_len(&ex->body));
    return status;
}

static struct slice mode_word(enum route_mode mode)
{
    switch (mode) {
    case ROUTE_PROXY:
        return SLICE("proxy");
    case ROUTE_OBSERVE:
        return SLICE("observe");
    case ROUTE_QUEUE:
        break;
    }
    return SLICE("queue");
}

enum status record_make(struct exchange *ex, struct journal_record *ret_record)
{
    const struct http_field *type = http_field_by_id(&ex->request, FIELD_CONTENT_TYPE);
    bool queued = ex->route->mode == ROUTE_QUEUE;
    enum status status = write_lines(ex);
    if (status != STATUS_OK)
        return status;
    *ret_record = (struct journal_record){
        .event_id = ex->event_id,
        .route = ex->route->name,
        .has_key = ex->has_key,
        .key = ex->key,
        .method = ex->request.method,
        .target = ex->request.target,
        .headers = buf_slice(&ex->text),
        .content_type = type ? type->value : SLICE(""),
        .body = buf_slice(&ex->body),
        .client = ex->client_address,
        .received_at_ms = ex->received_wall_ms,
        .window_ends_at_ms = ex->has_key ? ex->gateway->loop->clock.wall_ms + ex->route->window_ms
                                         : 0,
        .mode = mode_word(ex->route->mode),
        .state = queued ? SLICE("queued") : SLICE("delivered"),
        .outcome = slice_str(outcome_row(ex->outcome)->name),
        .response_status = queued ? 0 : ex->status,
        .duration_ms = (uint32_t)(ex->forwarded_us / 1000),
        .note = note_text(ex),
        .queued = queued,
    };
    return STATUS_OK;
}
