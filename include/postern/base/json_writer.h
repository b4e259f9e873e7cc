/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text piece by piece, with its commas. The first failure sticks and the rest writes nothing,
 * so that only the end has to be looked at.
 */
#ifndef POSTERN_BASE_JSON_WRITER_H
#define POSTERN_BASE_JSON_WRITER_H

#include <postern/base/buf.h>
#include <postern/base/event_key.h>
#include <postern/base/uuid.h>
#include <stdbool.h>

struct json_writer {
    struct buf *buf; /* borrowed */
    enum status status;
    bool needs_comma; /* a value stands before what comes next */
};

/* '{' or '['. */
void json_open(struct json_writer *writer, char bracket);

/* '}' or ']'. */
void json_close(struct json_writer *writer, char bracket);

/* A member's name, escaped as text is; its value comes next. */
void json_name(struct json_writer *writer, const char *name);

/* Values of arrays. Text may hold any bytes. */
void json_text(struct json_writer *writer, struct slice text);

/* Members: name and value. */
void json_member_text(struct json_writer *writer, const char *name, struct slice text);
/* null when empty */
void json_member_optional(struct json_writer *writer, const char *name, struct slice text);
void json_member_number(struct json_writer *writer, const char *name, uint64_t number);
void json_member_bool(struct json_writer *writer, const char *name, bool value);
void json_member_null(struct json_writer *writer, const char *name);
/* RFC 3339, or null for 0 */
void json_member_time(struct json_writer *writer, const char *name, uint64_t wall_ms);
/* null for NULL, these two */
void json_member_id(struct json_writer *writer, const char *name, const struct uuid *id);
void json_member_key(struct json_writer *writer, const char *name, const struct event_key *key);

#endif
