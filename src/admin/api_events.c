/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading events over the API: a list, one with its attempts, its body. Credentials among an
 * event's headers are masked here: the journal of a queue has the real ones, as the upstream needs
 * them.
 */
#include "api.h"

#include <postern/policy/credential.h>

/* ---- one event as JSON ---- */

static void write_what(struct json_writer *writer, const struct archive_event *event)
{
    json_member_id(writer, "id", &event->event_id);
    json_member_text(writer, "route", event->route);
    json_member_text(writer, "mode", event->mode);
    json_member_text(writer, "state", event->state);
    json_member_text(writer, "outcome", event->outcome);
    json_member_text(writer, "method", event->method);
    json_member_text(writer, "target", event->target);
    json_member_optional(writer, "content_type", event->content_type);
    json_member_text(writer, "client", event->client);
    json_member_key(writer, "key", event->has_key ? &event->key : NULL);
    json_member_number(writer, "body_bytes", event->body_bytes);
}

static void write_status(struct json_writer *writer, uint16_t status)
{
    if (status > 0)
        json_member_number(writer, "response_status", status);
    else
        json_member_null(writer, "response_status");
}

static void write_fate(struct json_writer *writer, const struct archive_event *event)
{
    write_status(writer, event->response_status);
    json_member_number(writer, "duration_ms", event->duration_ms);
    json_member_number(writer, "attempts", event->attempts);
    json_member_optional(writer, "last_error", event->last_error);
    json_member_optional(writer, "error_category", event->error_category);
    json_member_number(writer, "duplicates", event->duplicates);
    json_member_id(writer, "replay_of", event->has_replay_of ? &event->replay_of : NULL);
    json_member_time(writer, "received_at", event->received_at_ms);
    json_member_time(writer, "window_ends_at", event->window_ends_at_ms);
    json_member_time(writer, "next_attempt_at", event->next_attempt_at_ms);
    json_member_time(writer, "lease_until", event->lease_until_ms);
    json_member_time(writer, "last_duplicate_at", event->last_duplicate_at_ms);
    json_member_time(writer, "last_replayed_at", event->last_replayed_at_ms);
}

/* ---- a list ---- */

static void on_found(struct archive_find *find, const struct archive_event *event)
{
    struct api_call *call = container_of(find, struct api_call, op.find);
    size_t mark = buf_len(&call->body);
    bool had_comma = call->writer.needs_comma;
    if (call->full)
        return;
    json_open(&call->writer, '{');
    write_what(&call->writer, event);
    write_fate(&call->writer, event);
    json_close(&call->writer, '}');
    call->full = call->found && buf_len(&call->body) > API_LIST_BYTES;
    if (call->full) {
        buf_truncate(&call->body, mark);
        call->writer.needs_comma = had_comma;
        return;
    }
    call->found = true;
    call->last = event->event_id;
}

static void on_find_ended(struct archive_find *find)
{
    struct api_call *call = container_of(find, struct api_call, op.find);
    if (api_archive_answered(call, find->status)) {
        bool has_next = call->found && (find->more || call->full);
        json_close(&call->writer, ']');
        json_member_id(&call->writer, "next", has_next ? &call->last : NULL);
        json_close(&call->writer, '}');
        api_finish_json(call);
    }
    call->answered(call);
}

enum op_status api_begin_find(struct api_call *call)
{
    json_open(&call->writer, '{');
    json_name(&call->writer, "events");
    json_open(&call->writer, '[');
    call->op.find = (struct archive_find){
        .filter = call->question.filter,
        .limit = call->question.limit,
        .has_before = call->question.has_before,
        .before = call->question.before,
        .event = on_found,
        .ended = on_find_ended,
    };
    archive_find(call->opts->archive, &call->op.find);
    return OP_PENDING;
}

/* ---- one ---- */

/* Takes the first line off `*lines`, without its end. */
static struct slice take_line(struct slice *lines)
{
    const char *end = memchr(lines->data, '\n', lines->len);
    struct slice line = slice_of(lines->data, end ? (size_t)(end - lines->data) : lines->len);
    *lines = slice_skip(*lines, line.len + 1);
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Of a route that is gone or has changed, another may have the name still. */
static bool is_credential(const struct config *config, struct slice name)
{
    return credential_is_field(name) ||
           route_any_secret_field(config->routes, config->route_count, name);
}

static void write_header(struct api_call *call, struct slice line)
{
    struct json_writer *writer = &call->writer;
    const char *colon = memchr(line.data, ':', line.len);
    struct slice name = slice_of(line.data, colon ? (size_t)(colon - line.data) : line.len);
    struct slice value = slice_trim(slice_skip(line, name.len + 1));
    json_open(writer, '{');
    json_member_text(writer, "name", name);
    json_member_text(writer, "value",
                     is_credential(call->opts->config, name) ? CREDENTIAL_MASK : value);
    json_close(writer, '}');
}

static void write_headers(struct api_call *call, struct slice lines)
{
    struct json_writer *writer = &call->writer;
    json_name(writer, "headers");
    json_open(writer, '[');
    while (lines.len > 0) {
        struct slice line = take_line(&lines);
        if (line.len > 0)
            write_header(call, line);
    }
    json_close(writer, ']');
}

static void on_shown(struct archive_show *show, const struct archive_event *event)
{
    struct api_call *call = container_of(show, struct api_call, op.show);
    call->found = true;
    if (call->wants_body) {
        call->writer.status = buf_append(&call->body, event->body);
        return;
    }
    json_open(&call->writer, '{');
    write_what(&call->writer, event);
    write_fate(&call->writer, event);
    write_headers(call, event->headers);
    json_name(&call->writer, "deliveries");
    json_open(&call->writer, '[');
}

static void on_attempt(struct archive_show *show, const struct archive_attempt *attempt)
{
    struct api_call *call = container_of(show, struct api_call, op.show);
    struct json_writer *writer = &call->writer;
    if (call->wants_body || !call->found)
        return;
    json_open(writer, '{');
    json_member_number(writer, "attempt", attempt->attempt);
    json_member_time(writer, "at", attempt->at_ms);
    write_status(writer, attempt->status);
    json_member_number(writer, "duration_ms", attempt->duration_ms);
    json_member_optional(writer, "error", attempt->error);
    json_member_optional(writer, "response", attempt->response);
    json_close(writer, '}');
}

/* The raw body; there is nothing to add at its end. */
static void finish_body(struct api_call *call)
{
    if (call->writer.status != STATUS_OK) {
        api_finish_json(call); /* makes the problem */
        return;
    }
    call->page.status = 200;
    call->page.type = SLICE("application/octet-stream");
    call->page.attachment = true;
}

static void finish_event(struct api_call *call)
{
    json_close(&call->writer, ']');
    json_close(&call->writer, '}');
    api_finish_json(call);
}

static void on_show_ended(struct archive_show *show)
{
    struct api_call *call = container_of(show, struct api_call, op.show);
    if (api_archive_answered(call, show->status)) {
        if (!call->found)
            api_no_event(call);
        else if (call->wants_body)
            finish_body(call);
        else
            finish_event(call);
    }
    call->answered(call);
}

enum op_status api_begin_show(struct api_call *call)
{
    call->op.show = (struct archive_show){
        .event_id = call->event_id,
        .event = on_shown,
        .attempt = on_attempt,
        .ended = on_show_ended,
    };
    archive_show(call->opts->archive, &call->op.show);
    return OP_PENDING;
}

enum op_status api_begin_body(struct api_call *call)
{
    call->wants_body = true;
    return api_begin_show(call);
}
