/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members and values of JSON, appended to a buffer.
 */
#include <postern/base/json_writer.h>

#include <postern/base/clock.h>

static void put(struct json_writer *writer, struct slice text)
{
    if (writer->status == STATUS_OK)
        writer->status = buf_append(writer->buf, text);
}

static void put_comma(struct json_writer *writer)
{
    if (writer->needs_comma)
        put(writer, SLICE(","));
    writer->needs_comma = true;
}

void json_open(struct json_writer *writer, char bracket)
{
    put_comma(writer);
    put(writer, slice_of(&bracket, 1));
    writer->needs_comma = false;
}

void json_close(struct json_writer *writer, char bracket)
{
    put(writer, slice_of(&bracket, 1));
    writer->needs_comma = true;
}

static void put_string(struct json_writer *writer, struct slice text)
{
    put(writer, SLICE("\""));
    if (writer->status == STATUS_OK)
        writer->status = buf_append_json(writer->buf, text);
    put(writer, SLICE("\""));
}

void json_name(struct json_writer *writer, const char *name)
{
    put_comma(writer);
    put_string(writer, slice_str(name));
    put(writer, SLICE(":"));
    writer->needs_comma = false;
}

void json_text(struct json_writer *writer, struct slice text)
{
    put_comma(writer);
    put_string(writer, text);
}

static void put_member(struct json_writer *writer, const char *name, struct slice raw)
{
    json_name(writer, name);
    put(writer, raw);
    writer->needs_comma = true;
}

void json_member_text(struct json_writer *writer, const char *name, struct slice text)
{
    json_name(writer, name);
    json_text(writer, text);
}

void json_member_null(struct json_writer *writer, const char *name)
{
    put_member(writer, name, SLICE("null"));
}

void json_member_optional(struct json_writer *writer, const char *name, struct slice text)
{
    if (text.len > 0)
        json_member_text(writer, name, text);
    else
        json_member_null(writer, name);
}

void json_member_number(struct json_writer *writer, const char *name, uint64_t number)
{
    json_name(writer, name);
    if (writer->status == STATUS_OK)
        writer->status = buf_append_u64(writer->buf, number);
    writer->needs_comma = true;
}

void json_member_bool(struct json_writer *writer, const char *name, bool value)
{
    put_member(writer, name, value ? SLICE("true") : SLICE("false"));
}

void json_member_time(struct json_writer *writer, const char *name, uint64_t wall_ms)
{
    char text[CLOCK_RFC3339_SIZE] = "";
    if (wall_ms > 0)
        clock_rfc3339(wall_ms, text);
    json_member_optional(writer, name, slice_str(text));
}

void json_member_id(struct json_writer *writer, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_LEN];
    if (id)
        uuid_format(id, text);
    json_member_optional(writer, name, slice_of(text, id ? sizeof text : 0));
}

void json_member_key(struct json_writer *writer, const char *name, const struct event_key *key)
{
    char hex[EVENT_KEY_HEX];
    if (key)
        hex_format(slice_of(key->digest, sizeof key->digest), hex);
    json_member_optional(writer, name, slice_of(hex, key ? sizeof hex : 0));
}
