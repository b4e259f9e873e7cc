/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/reply: fingerprints; notes written and read back, random ones too; texts
 * that are no notes; limits. */
#include <postern/policy/reply.h>

#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define CEILING (1u << 20)
#define ROUNDS 20000

static struct buf buf;

static void set_up(void)
{
    buf_init(&buf, CEILING);
}

static void tear_down(void)
{
    buf_done(&buf);
}

TestSuite(reply, .init = set_up, .fini = tear_down);

/* ---- comparing ---- */

static bool same_reply(const struct reply *a, const struct reply *b)
{
    if (a->status != b->status || a->field_count != b->field_count || !slice_eq(a->body, b->body))
        return false;
    for (size_t i = 0; i < a->field_count; i++)
        if (!slice_eq(a->fields[i].name, b->fields[i].name) ||
            !slice_eq(a->fields[i].value, b->fields[i].value))
            return false;
    return true;
}

static bool same_note(const struct note *a, const struct note *b)
{
    return a->fingerprint.there == b->fingerprint.there &&
           memcmp(a->fingerprint.bytes, b->fingerprint.bytes, FINGERPRINT_BYTES) == 0 &&
           same_reply(&a->reply, &b->reply);
}

static void expect_text(const struct note *note, struct slice text)
{
    struct note back;
    buf_clear(&buf);
    cr_assert_eq(note_write(note, &buf), STATUS_OK);
    struct slice written = buf_slice(&buf);
    cr_assert(slice_eq(written, text), "%.*s", (int)written.len, written.data);
    cr_assert(note_read(written, &back));
    cr_assert(same_note(note, &back));
}

static const struct fingerprint SAMPLE = {
    true, {0x00, 0x01, 0x0f, 0x10, 0x9a, 0xaf, 0xfa, 0xff, 1, 2, 3, 4, 5, 6, 7, 8}};
#define SAMPLE_TEXT "F00010f109aaffaff0102030405060708\n"

/* ---- fingerprints ---- */

Test(reply, a_fingerprint_is_the_bodys_digest)
{
    struct digester *digester;
    struct fingerprint one, other, none = {.there = false};
    static const uint8_t abc[FINGERPRINT_BYTES] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                   0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23};
    cr_assert_eq(digester_open(&digester), STATUS_OK);
    cr_assert_eq(fingerprint_make(digester, SLICE("abc"), &one), STATUS_OK);
    cr_assert(one.there);
    cr_assert_arr_eq(one.bytes, abc, FINGERPRINT_BYTES); /* FIPS 180-2, B.1 */
    cr_assert_eq(fingerprint_make(digester, SLICE(""), &other), STATUS_OK);
    cr_assert(fingerprint_differs(&one, &other));
    cr_assert_not(fingerprint_differs(&one, &one));
    cr_assert_not(fingerprint_differs(&one, &none));
    cr_assert_not(fingerprint_differs(&none, &one));
    other = one;
    other.bytes[FINGERPRINT_BYTES - 1] ^= 1;
    cr_assert(fingerprint_differs(&one, &other));
    digester_close(digester);
}

/* ---- notes ---- */

Test(reply, the_text_is_as_described)
{
    struct note note = {.reply = {.status = 0}};
    expect_text(&note, SLICE("F\n"));
    note.fingerprint = SAMPLE;
    expect_text(&note, SLICE(SAMPLE_TEXT));
    cr_assert_eq(buf_len(&buf), NOTE_HEAD_LEN);
    note.reply = (struct reply){.status = 204};
    expect_text(&note, SLICE(SAMPLE_TEXT "R204 0\n\r\n"));
    note.fingerprint = (struct fingerprint){.there = false};
    note.reply = (struct reply){.status = 201,
                                .fields = {{SLICE("Content-Type"), SLICE("application/json")},
                                           {SLICE("X-Empty"), SLICE("")},
                                           {SLICE("x"), SLICE(" :a: \t")}},
                                .field_count = 3,
                                .body = SLICE("{\"a\":\"\r\n\r\n\0\xff\"}")};
    expect_text(&note, SLICE("F\nR201 14\nContent-Type: application/json\r\nX-Empty: \r\n"
                             "x:  :a: \t\r\n\r\n{\"a\":\"\r\n\r\n\0\xff\"}"));
}

Test(reply, it_is_appended)
{
    struct note note = {.fingerprint = SAMPLE};
    cr_assert_eq(buf_append(&buf, SLICE("before")), STATUS_OK);
    cr_assert_eq(note_write(&note, &buf), STATUS_OK);
    cr_assert(slice_eq(buf_slice(&buf), SLICE("before" SAMPLE_TEXT)));
}

/* Nothing is left of a note that can't be written. */
static void refuses(const struct note *note, enum status expected)
{
    buf_clear(&buf);
    cr_assert_eq(buf_append(&buf, SLICE("before")), STATUS_OK);
    cr_assert_eq(note_write(note, &buf), expected);
    cr_assert(slice_eq(buf_slice(&buf), SLICE("before")));
}

Test(reply, fields_that_would_not_come_back_are_refused)
{
    static const struct slice values[] = {TEXT("\r"),        TEXT("a\nb"), TEXT("\n"),
                                          TEXT("a\r\nb: c"), TEXT("\0"),   TEXT("a\0b")};
    static const struct slice names[] = {TEXT(""),      TEXT("a:"),   TEXT("a b"),
                                         TEXT("a\r\n"), TEXT("a\0b"), TEXT("\xc3\xa9")};
    struct note note = {.reply = {.status = 200, .field_count = 1}};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        note.reply.fields[0] = (struct reply_field){SLICE("a"), values[i]};
        refuses(&note, STATUS_INVALID);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        note.reply.fields[0] = (struct reply_field){names[i], SLICE("a")};
        refuses(&note, STATUS_INVALID);
    }
}

Test(reply, the_status_has_three_digits)
{
    static const uint16_t bad[] = {1, 99, 1000, UINT16_MAX};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct note note = {.reply = {.status = bad[i]}};
        refuses(&note, STATUS_INVALID);
    }
    struct note lowest = {.reply = {.status = 100}}, highest = {.reply = {.status = 999}};
    expect_text(&lowest, SLICE("F\nR100 0\n\r\n"));
    expect_text(&highest, SLICE("F\nR999 0\n\r\n"));
}

Test(reply, fields_have_a_limit)
{
    struct note note = {.reply = {.status = 200, .field_count = REPLY_MAX_FIELDS}}, back;
    for (size_t i = 0; i < REPLY_MAX_FIELDS; i++)
        note.reply.fields[i] = (struct reply_field){SLICE("a"), SLICE("b")};
    cr_assert_eq(note_write(&note, &buf), STATUS_OK);
    cr_assert(note_read(buf_slice(&buf), &back));
    cr_assert(same_note(&note, &back));
    note.reply.field_count++; /* refused before one is looked at */
    refuses(&note, STATUS_INVALID);
    buf_clear(&buf);
    cr_assert_eq(buf_append(&buf, SLICE("F\nR200 0\n")), STATUS_OK);
    for (size_t i = 0; i <= REPLY_MAX_FIELDS; i++)
        cr_assert_eq(buf_append(&buf, SLICE("a: b\r\n")), STATUS_OK);
    cr_assert_eq(buf_append(&buf, SLICE("\r\n")), STATUS_OK);
    cr_assert_not(note_read(buf_slice(&buf), &back));
}

Test(reply, a_full_buffer_is_left_as_it_was)
{
    struct note note = {.fingerprint = SAMPLE,
                        .reply = {.status = 200,
                                  .fields = {{SLICE("a"), SLICE("b")}},
                                  .field_count = 1,
                                  .body = SLICE("body")}};
    cr_assert_eq(note_write(&note, &buf), STATUS_OK);
    size_t len = buf_len(&buf);
    for (size_t ceiling = 0; ceiling < len; ceiling++) {
        struct buf small;
        buf_init(&small, ceiling);
        cr_assert_eq(note_write(&note, &small), STATUS_FULL);
        cr_assert_eq(buf_len(&small), 0);
        buf_done(&small);
    }
}

/* ---- what is no note ---- */

Test(reply, anything_else_is_no_note)
{
    static const struct slice texts[] = {
        TEXT(""),
        TEXT("F"),
        TEXT("\n"),
        TEXT("f\n"),
        TEXT("F\r\n"),
        TEXT("F \n"),
        TEXT("F0\n"),
        TEXT("F00010f109aaffaff010203040506070\n"),
        TEXT("F00010f109aaffaff01020304050607080\n"),
        TEXT("F00010f109aaffaff010203040506070G\n"),
        TEXT("F00010F109AAFFAFF0102030405060708\n"),
        TEXT("F00010f109aaffaff0102030405060708"),
        TEXT(SAMPLE_TEXT "\n"),
        TEXT(SAMPLE_TEXT "F\n"),
        TEXT("F\nR"),
        TEXT("F\nR200"),
        TEXT("F\nR200 0"),
        TEXT("F\nR200 0\n"),
        TEXT("F\nR200 0\n\n"),
        TEXT("F\nR200 0\r\n\r\n"),
        TEXT("F\nR200\n\r\n"),
        TEXT("F\nR200 \n\r\n"),
        TEXT("F\nR20 0\n\r\n"),
        TEXT("F\nR2000 0\n\r\n"),
        TEXT("F\nR099 0\n\r\n"),
        TEXT("F\nR2x0 0\n\r\n"),
        TEXT("F\nR200 00\n\r\n"),
        TEXT("F\nR200 +0\n\r\n"),
        TEXT("F\nR200 -1\n\r\n"),
        TEXT("F\nR200  0\n\r\n"),
        TEXT("F\nR200 1\n\r\n"),
        TEXT("F\nR200 1\n\r\nab"),
        TEXT("F\nR200 0\n\r\na"),
        TEXT("F\nR200 18446744073709551616\n\r\n"),
        TEXT("F\nR200 18446744073709551617\n\r\na"),
        TEXT("F\nR200 0\na: b\n\r\n"),
        TEXT("F\nR200 0\na: b\r\n"),
        TEXT("F\nR200 0\na:b\r\n\r\n"),
        TEXT("F\nR200 0\na:\r\n\r\n"),
        TEXT("F\nR200 0\na\r\n\r\n"),
        TEXT("F\nR200 0\n: b\r\n\r\n"),
        TEXT("F\nR200 0\na : b\r\n\r\n"),
        TEXT("F\nR200 0\na: b\r\r\n\r\n"),
        TEXT("F\nR200 0\na: \0\r\n\r\n"),
        TEXT("F\nr200 0\n\r\n"),
        TEXT("{\"F\":1}\n"),
    };
    struct note note = {.reply = {.status = 7}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char *copy = exact_copy(texts[i]);
        cr_assert_not(note_read(slice_of(copy, texts[i].len), &note), "number %zu", i);
        free(copy);
    }
    cr_assert_eq(note.reply.status, 7);
}

/* Every beginning of a note with a response is none, but for the one that ends behind the
 * fingerprint. */
Test(reply, a_cut_note_is_no_note)
{
    struct slice whole = SLICE(SAMPLE_TEXT "R200 4\na: b\r\nc: d\r\n\r\nbody");
    struct note note;
    for (size_t len = 0; len <= whole.len; len++) {
        char *copy = exact_copy(slice_of(whole.data, len));
        bool expected = len == whole.len || len == NOTE_HEAD_LEN;
        cr_assert_eq(note_read(slice_of(copy, len), &note), expected, "cut at %zu", len);
        free(copy);
    }
}

/* ---- random notes and octets ---- */

static uint64_t state = 20261121;

static uint64_t draw(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static struct slice draw_text(const char *letters, size_t letter_count, size_t min, size_t max,
                              char *room)
{
    size_t len = min + draw(max - min + 1);
    for (size_t i = 0; i < len; i++)
        room[i] = letters[draw(letter_count)];
    return slice_of(room, len);
}

#define TOKEN "abcXYZ019!#$%&'*+-.^_`|~"
#define VALUE "abc :;,\"\t\x01\x7f\x80\xff= /\\R"
#define BODY "\0\r\n:FR 0123456789abc\xff"

static void draw_note(struct note *note, char *room)
{
    *note = (struct note){.fingerprint = {.there = draw(3) > 0}};
    for (size_t i = 0; i < FINGERPRINT_BYTES && note->fingerprint.there; i++)
        note->fingerprint.bytes[i] = (uint8_t)draw(256);
    if (draw(4) == 0)
        return;
    note->reply.status = (uint16_t)(100 + draw(900));
    note->reply.field_count = draw(REPLY_MAX_FIELDS + 1);
    for (size_t i = 0; i < note->reply.field_count; i++, room += 64) {
        note->reply.fields[i].name = draw_text(TOKEN, sizeof TOKEN - 1, 1, 20, room);
        note->reply.fields[i].value = draw_text(VALUE, sizeof VALUE - 1, 0, 40, room + 20);
    }
    note->reply.body = draw_text(BODY, sizeof BODY - 1, 0, 200, room);
}

Test(reply, what_is_written_is_read)
{
    static char room[REPLY_MAX_FIELDS * 64 + 200];
    for (int i = 0; i < ROUNDS; i++) {
        struct note note, back;
        draw_note(&note, room);
        buf_clear(&buf);
        cr_assert_eq(note_write(&note, &buf), STATUS_OK);
        char *copy = exact_copy(buf_slice(&buf));
        cr_assert(note_read(slice_of(copy, buf_len(&buf)), &back), "round %d", i);
        cr_assert(same_note(&note, &back), "round %d", i);
        free(copy);
    }
}

/* What is read is either none, or exactly what its note would be written as. */
static void survives(struct slice text)
{
    struct note note;
    if (!note_read(text, &note))
        return;
    buf_clear(&buf);
    cr_assert_eq(note_write(&note, &buf), STATUS_OK);
    cr_assert(slice_eq(buf_slice(&buf), text));
}

Test(reply, changed_notes_and_random_octets_are_survived)
{
    static char room[REPLY_MAX_FIELDS * 64 + 200], octets[128];
    for (int i = 0; i < ROUNDS; i++) {
        struct note note;
        draw_note(&note, room);
        buf_clear(&buf);
        cr_assert_eq(note_write(&note, &buf), STATUS_OK);
        size_t len = buf_len(&buf);
        char *copy = exact_copy(buf_slice(&buf));
        copy[draw(len)] = (char)draw(256);
        survives(slice_of(copy, len - draw(2)));
        free(copy);
        struct slice random = draw_text("F\nR 0123456789abcdef:\r\0", 23, 0, sizeof octets, octets);
        copy = exact_copy(random);
        survives(slice_of(copy, random.len));
        free(copy);
    }
}
