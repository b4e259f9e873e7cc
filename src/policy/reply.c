/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes as text. What is read back may be years old, cut, or somebody else's: a note that isn't
 * exactly as note_write makes it is none.
 */
#include <postern/policy/reply.h>

#include <postern/base/uuid.h>

#define HEX_LEN (2u * FINGERPRINT_BYTES)
#define STATUS_DIGITS 3u
#define LENGTH_DIGITS 19u /* fits 64 bits, and any body */

_Static_assert(NOTE_HEAD_LEN == 1 + HEX_LEN + 1, "'F', the digits, '\\n'");

/* ---- the fingerprint ---- */

enum status fingerprint_make(struct digester *digester, struct slice body,
                             struct fingerprint *ret_fingerprint)
{
    uint8_t digest[SHA256_BYTES];
    enum status status = digest_sha256(digester, body, digest);
    if (status != STATUS_OK)
        return status;
    ret_fingerprint->there = true;
    memcpy(ret_fingerprint->bytes, digest, FINGERPRINT_BYTES);
    return STATUS_OK;
}

bool fingerprint_differs(const struct fingerprint *one, const struct fingerprint *other)
{
    return one->there && other->there && memcmp(one->bytes, other->bytes, FINGERPRINT_BYTES) != 0;
}

/* ---- writing ---- */

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_token(text.data[i]))
            return false;
    return text.len > 0;
}

/* Nothing in it ends the line, or what a C library takes for a text. */
static bool is_value(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == '\0')
            return false;
    return true;
}

static bool is_writable(const struct reply *reply)
{
    if (reply->status == 0)
        return true;
    if (reply->status < 100 || reply->status > 999 || reply->field_count > REPLY_MAX_FIELDS)
        return false;
    for (size_t i = 0; i < reply->field_count; i++)
        if (!is_token(reply->fields[i].name) || !is_value(reply->fields[i].value))
            return false;
    return true;
}

static enum status write_fingerprint(const struct fingerprint *fingerprint, struct buf *buf)
{
    char line[NOTE_HEAD_LEN] = {'F'};
    size_t count = fingerprint->there ? FINGERPRINT_BYTES : 0, len = 1 + 2 * count;
    hex_format(slice_of(fingerprint->bytes, count), line + 1);
    line[len++] = '\n';
    return buf_append(buf, slice_of(line, len));
}

static enum status write_field(const struct reply_field *field, struct buf *buf)
{
    enum status status = buf_append(buf, field->name);
    if (status == STATUS_OK)
        status = buf_append(buf, SLICE(": "));
    if (status == STATUS_OK)
        status = buf_append(buf, field->value);
    return status == STATUS_OK ? buf_append(buf, SLICE("\r\n")) : status;
}

static enum status write_reply(const struct reply *reply, struct buf *buf)
{
    enum status status = buf_printf(buf, "R%u %zu\n", (unsigned)reply->status, reply->body.len);
    for (size_t i = 0; i < reply->field_count && status == STATUS_OK; i++)
        status = write_field(&reply->fields[i], buf);
    if (status == STATUS_OK)
        status = buf_append(buf, SLICE("\r\n"));
    return status == STATUS_OK ? buf_append(buf, reply->body) : status;
}

enum status note_write(const struct note *note, struct buf *buf)
{
    if (!is_writable(&note->reply))
        return STATUS_INVALID;
    size_t before = buf_len(buf);
    enum status status = write_fingerprint(&note->fingerprint, buf);
    if (status == STATUS_OK && note->reply.status != 0)
        status = write_reply(&note->reply, buf);
    if (status != STATUS_OK)
        buf_truncate(buf, before);
    return status;
}

/* ---- reading ---- */

/* Takes what stands before the next `c` off *text, and the `c`. False: there is none. */
static bool take_until(struct slice *text, char c, struct slice *ret_part)
{
    const char *end = text->len > 0 ? memchr(text->data, c, text->len) : NULL;
    if (!end)
        return false;
    *ret_part = slice_of(text->data, (size_t)(end - text->data));
    *text = slice_skip(*text, ret_part->len + 1);
    return true;
}

/* The value of a small hexadecimal digit, or -1. */
static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_fingerprint(struct slice hex, struct fingerprint *ret_fingerprint)
{
    *ret_fingerprint = (struct fingerprint){.there = hex.len > 0};
    if (hex.len == 0)
        return true;
    if (hex.len != HEX_LEN)
        return false;
    for (size_t i = 0; i < FINGERPRINT_BYTES; i++) {
        int high = digit_of(hex.data[2 * i]), low = digit_of(hex.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_fingerprint->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* A decimal number as printf writes it, of at most LENGTH_DIGITS. */
static bool read_number(struct slice text, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (text.len == 0 || text.len > LENGTH_DIGITS || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

/* "R<status> <length>\n"; the length is that of the body, which ends the text. */
static bool read_reply_line(struct slice *text, uint16_t *ret_status, uint64_t *ret_len)
{
    struct slice status, length;
    uint64_t number;
    if (text->data[0] != 'R')
        return false;
    *text = slice_skip(*text, 1);
    if (!take_until(text, ' ', &status) || !take_until(text, '\n', &length))
        return false;
    if (status.len != STATUS_DIGITS || !read_number(status, &number))
        return false;
    *ret_status = (uint16_t)number;
    return read_number(length, ret_len);
}

static bool read_field(struct slice line, struct reply_field *ret_field)
{
    struct slice rest = line;
    if (!take_until(&rest, ':', &ret_field->name) || rest.len == 0 || rest.data[0] != ' ')
        return false;
    ret_field->value = slice_skip(rest, 1);
    return is_token(ret_field->name) && is_value(ret_field->value);
}

/* The fields, and the empty line behind them. */
static bool read_fields(struct slice *text, struct reply *reply)
{
    struct slice line;
    while (take_until(text, '\n', &line)) {
        if (line.len == 0 || line.data[line.len - 1] != '\r')
            return false;
        line.len--;
        if (line.len == 0)
            return true;
        if (reply->field_count == REPLY_MAX_FIELDS ||
            !read_field(line, &reply->fields[reply->field_count++]))
            return false;
    }
    return false;
}

static bool read_reply(struct slice text, struct reply *reply)
{
    uint64_t len;
    if (text.len == 0)
        return true;
    if (!read_reply_line(&text, &reply->status, &len) || !read_fields(&text, reply))
        return false;
    reply->body = text;
    return len == text.len;
}

bool note_read(struct slice text, struct note *ret_note)
{
    struct note note = {.reply = {.status = 0}};
    struct slice line;
    if (!take_until(&text, '\n', &line) || line.len == 0 || line.data[0] != 'F')
        return false;
    if (!read_fingerprint(slice_skip(line, 1), &note.fingerprint) || !read_reply(text, &note.reply))
        return false;
    *ret_note = note;
    return true;
}
