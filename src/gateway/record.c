/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's record of an accepted event. Credentials are not evidence: their values are
 * replaced by "***".
 */
#include "record.h"

static bool ends_with(struct slice name, struct slice end)
{
    return name.len >= end.len && slice_ieq(slice_skip(name, name.len - end.len), end);
}

/* By the end of the name, since every sender has its own beginning ("X-Gitlab-Token"). Signatures
 * prove a body and open no door: they stay. */
static bool is_credential(struct slice name)
{
    return ends_with(name, SLICE("token")) || ends_with(name, SLICE("secret")) ||
           ends_with(name, SLICE("cookie")) || ends_with(name, SLICE("authorization")) ||
           ends_with(name, SLICE("password")) || ends_with(name, SLICE("api-key")) ||
           ends_with(name, SLICE("apikey")) || ends_with(name, SLICE("subscription-key"));
}

/* The fields as lines, in ex->text: the upstream's head there has been sent. */
static enum status write_lines(struct exchange *ex)
{
    buf_clear(&ex->text);
    for (size_t i = 0; i < ex->request.field_count; i++) {
        const struct http_field *field = &ex->request.fields[i];
        if (field->hop_by_hop)
            continue;
        struct slice value = is_credential(field->name) ? SLICE("***") : field->value;
        enum status status = http1_write_field(&ex->text, field->name, value);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status record_make(struct exchange *ex, struct journal_record *ret_record)
{
    const struct http_field *type = http_field_by_id(&ex->request, FIELD_CONTENT_TYPE);
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
        .mode = ex->route->mode == ROUTE_OBSERVE ? SLICE("observe") : SLICE("proxy"),
        .state = SLICE("delivered"),
        .outcome = slice_str(outcome_row(ex->outcome)->name),
        .response_status = ex->status,
        .duration_ms = (uint32_t)(ex->forwarded_us / 1000),
    };
    return STATUS_OK;
}
