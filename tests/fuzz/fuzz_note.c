/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes (policy/reply.h): what a store hands back for a key, and what of a response is put into
 * one. Properties: whatever is read is written again byte for byte; whatever is written is read as
 * the same; anything else is no note.
 *
 * Input: the text of a note; or, behind a first line "W", a line with the status, lines
 * "name:value", an empty line, the body.
 */
#include "fuzz.h"

#include <postern/policy/reply.h>

#define NOTE_CEILING ((size_t)1 << 22)

static void check_same(const struct note *one, const struct note *other)
{
    FUZZ_CHECK(one->fingerprint.there == other->fingerprint.there);
    FUZZ_CHECK(!fingerprint_differs(&one->fingerprint, &other->fingerprint));
    FUZZ_CHECK(one->reply.status == other->reply.status);
    FUZZ_CHECK(one->reply.status == 0 || slice_eq(one->reply.body, other->reply.body));
    if (one->reply.status == 0)
        return;
    FUZZ_CHECK(one->reply.field_count == other->reply.field_count);
    for (size_t i = 0; i < one->reply.field_count; i++)
        FUZZ_CHECK(slice_eq(one->reply.fields[i].name, other->reply.fields[i].name) &&
                   slice_eq(one->reply.fields[i].value, other->reply.fields[i].value));
}

static void try_reading(struct slice text)
{
    struct note note = {0};
    struct buf again;
    if (!note_read(text, &note))
        return;
    FUZZ_CHECK(note.reply.field_count <= REPLY_MAX_FIELDS);
    buf_init(&again, NOTE_CEILING);
    FUZZ_CHECK(note_write(&note, &again) == STATUS_OK);
    FUZZ_CHECK(slice_eq(buf_slice(&again), text));
    buf_done(&again);
}

static void read_fields(struct slice *input, struct reply *reply)
{
    for (struct slice line = fuzz_line(input); line.len > 0; line = fuzz_line(input)) {
        const char *colon = memchr(line.data, ':', line.len);
        size_t name_len = colon ? (size_t)(colon - line.data) : line.len;
        if (reply->field_count < REPLY_MAX_FIELDS)
            reply->fields[reply->field_count++] =
                (struct reply_field){slice_of(line.data, name_len), slice_skip(line, name_len + 1)};
    }
}

static void try_writing(struct slice input)
{
    struct note note = {.fingerprint = {.there = input.len % 2, .bytes = {1, 2, 0xff}}};
    struct note again = {0};
    struct buf text;
    struct slice status = fuzz_line(&input);
    for (size_t i = 0; i < status.len && i < 4; i++)
        note.reply.status = (uint16_t)(note.reply.status * 10 + (unsigned char)status.data[i] % 10);
    read_fields(&input, &note.reply);
    note.reply.body = input;
    buf_init(&text, NOTE_CEILING);
    enum status written = note_write(&note, &text);
    FUZZ_CHECK(written == STATUS_OK || (written == STATUS_INVALID && buf_len(&text) == 0));
    if (written == STATUS_OK) {
        FUZZ_CHECK(note_read(buf_slice(&text), &again));
        check_same(&note, &again);
    }
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *block = fuzz_block(slice_of(data, size));
    struct slice input = slice_of(block, size);
    if (slice_starts(input, SLICE("W\n")))
        try_writing(slice_skip(input, 2));
    else
        try_reading(input);
    free(block);
    return 0;
}
