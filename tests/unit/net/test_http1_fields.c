/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of net/http1_fields: ids, hop-by-hop marks, look-ups. */
#include "http1_internal.h"

#include <criterion/criterion.h>

static const struct {
    const char *name;
    enum http_field_id id;
} known[] = {
    {"Connection", FIELD_CONNECTION},
    {"Content-Encoding", FIELD_CONTENT_ENCODING},
    {"Content-Length", FIELD_CONTENT_LENGTH},
    {"Content-Type", FIELD_CONTENT_TYPE},
    {"Date", FIELD_DATE},
    {"Expect", FIELD_EXPECT},
    {"Forwarded", FIELD_FORWARDED},
    {"Host", FIELD_HOST},
    {"Keep-Alive", FIELD_KEEP_ALIVE},
    {"Proxy-Authenticate", FIELD_PROXY_AUTHENTICATE},
    {"Proxy-Authorization", FIELD_PROXY_AUTHORIZATION},
    {"Proxy-Connection", FIELD_PROXY_CONNECTION},
    {"Retry-After", FIELD_RETRY_AFTER},
    {"TE", FIELD_TE},
    {"Traceparent", FIELD_TRACEPARENT},
    {"Trailer", FIELD_TRAILER},
    {"Transfer-Encoding", FIELD_TRANSFER_ENCODING},
    {"Upgrade", FIELD_UPGRADE},
    {"X-Forwarded-For", FIELD_X_FORWARDED_FOR},
    {"X-Forwarded-Host", FIELD_X_FORWARDED_HOST},
    {"X-Forwarded-Port", FIELD_X_FORWARDED_PORT},
    {"X-Forwarded-Proto", FIELD_X_FORWARDED_PROTO},
    {"X-Real-IP", FIELD_X_REAL_IP},
    {"Postern-Event-Id", FIELD_POSTERN},
};

#define KNOWN_COUNT (sizeof known / sizeof known[0])

Test(http1_fields, ids_in_any_case)
{
    cr_assert_eq(KNOWN_COUNT, (size_t)FIELD_IDS - 1, "every id but FIELD_OTHER has a row");
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        char text[40];
        size_t len = strlen(known[i].name);
        for (size_t at = 0; at < len; at++)
            text[at] = at % 2 ? known[i].name[at] : ascii_lower(known[i].name[at]);
        cr_expect_eq(http1_field_id(slice_of(text, len)), known[i].id, "%s", known[i].name);
        for (size_t at = 0; at < len; at++)
            if (text[at] >= 'a' && text[at] <= 'z')
                text[at] = (char)(text[at] - 'a' + 'A');
        cr_expect_eq(http1_field_id(slice_of(text, len)), known[i].id, "%s", known[i].name);
    }
}

Test(http1_fields, a_letter_more_less_or_other_is_another_field)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (known[i].id == FIELD_POSTERN)
            continue;
        char text[40];
        size_t len = strlen(known[i].name);
        memcpy(text, known[i].name, len);
        text[len] = 's';
        cr_expect_eq(http1_field_id(slice_of(text, len + 1)), FIELD_OTHER, "%ss", known[i].name);
        cr_expect_eq(http1_field_id(slice_of(text, len - 1)), FIELD_OTHER, "short %s",
                     known[i].name);
        for (size_t at = 0; at < len; at++) {
            char kept = text[at];
            text[at] = '_';
            cr_expect_eq(http1_field_id(slice_of(text, len)), FIELD_OTHER, "%.*s", (int)len, text);
            text[at] = kept;
        }
    }
}

Test(http1_fields, own_fields_have_a_common_beginning)
{
    cr_expect_eq(http1_field_id(SLICE("postern-x")), FIELD_POSTERN);
    cr_expect_eq(http1_field_id(SLICE("POSTERN-ATTEMPT")), FIELD_POSTERN);
    cr_expect_eq(http1_field_id(SLICE("Postern-")), FIELD_OTHER, "the beginning alone is no name");
    cr_expect_eq(http1_field_id(SLICE("Postern")), FIELD_OTHER);
    cr_expect_eq(http1_field_id(SLICE("Posterns-X")), FIELD_OTHER);
    cr_expect_eq(http1_field_id(SLICE("X-Postern-Id")), FIELD_OTHER);
    cr_expect_eq(http1_field_id(SLICE("")), FIELD_OTHER);
}

#define FIELD(text, content)                                                                       \
    {                                                                                              \
        .name = SLICE(text), .value = SLICE(content)                                               \
    }

static enum http_fault mark(struct http_field *fields, size_t count, bool *ret_close,
                            bool *ret_keep)
{
    for (size_t i = 0; i < count; i++)
        fields[i].id = http1_field_id(fields[i].name);
    struct http_head head = {.fields = fields, .field_count = count};
    return http1_mark_hop_by_hop(&head, ret_close, ret_keep);
}

Test(http1_fields, hop_by_hop)
{
    static const char *const own[] = {
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    };
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        struct http_field field = {.name = slice_str(known[i].name), .value = SLICE("x")};
        bool expected = false;
        for (size_t at = 0; at < sizeof own / sizeof own[0]; at++)
            expected |= strcmp(own[at], known[i].name) == 0;
        bool close;
        bool keep;
        cr_assert_eq(mark(&field, 1, &close, &keep), HTTP_FAULT_NONE);
        cr_expect_eq(field.hop_by_hop, expected, "%s", known[i].name);
    }
}

Test(http1_fields, named_in_connection)
{
    struct http_field fields[] = {
        FIELD("X-Before", "1"),
        FIELD("Connection", "x-before,,X-AFTER \t, Host, Content-Length"),
        FIELD("x-after", "2"),
        FIELD("Host", "a"),
        FIELD("Content-Length", "5"),
        FIELD("Content-Type", "b"),
        FIELD("connection", "Content-Type, Keep-Alive"),
        FIELD("X-Afterwards", "3"),
        FIELD("X-After", "4"),
    };
    static const bool expected[] = {true, true, true, false, false, true, true, false, true};
    bool close;
    bool keep;
    cr_assert_eq(mark(fields, 9, &close, &keep), HTTP_FAULT_NONE);
    for (size_t i = 0; i < 9; i++)
        cr_expect_eq(fields[i].hop_by_hop, expected[i], "field %zu", i);
    cr_expect(!close && keep);
}

Test(http1_fields, connection_options_are_bounded)
{
    char list[2 * 33];
    for (size_t count = 31; count <= 33; count++) {
        for (size_t i = 0; i < count; i++)
            memcpy(list + 2 * i, "a,", 2);
        struct http_field field = {.name = SLICE("Connection"),
                                   .value = slice_of(list, 2 * count - 1)};
        bool close;
        bool keep;
        enum http_fault fault = mark(&field, 1, &close, &keep);
        cr_expect_eq(fault, count <= 32 ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX, "%zu options",
                     count);
    }
}

Test(http1_fields, look_ups)
{
    struct http_field fields[] = {FIELD("Host", "a"), FIELD("X-A", "1"), FIELD("x-a", "2")};
    fields[0].id = FIELD_HOST;
    struct http_head head = {.fields = fields, .field_count = 3};
    cr_expect_eq(http_field_by_id(&head, FIELD_HOST), &fields[0]);
    cr_expect_null(http_field_by_id(&head, FIELD_DATE));
    bool repeated;
    cr_expect_eq(http_field_by_name(&head, SLICE("X-a"), &repeated), &fields[1]);
    cr_expect(repeated);
    cr_expect_eq(http_field_by_name(&head, SLICE("HOST"), &repeated), &fields[0]);
    cr_expect(!repeated);
    cr_expect_null(http_field_by_name(&head, SLICE("X"), &repeated));
    cr_expect(!repeated);
    cr_expect_eq(http_field_by_name(&head, SLICE("x-a"), NULL), &fields[1]);
    head.field_count = 0;
    cr_expect_null(http_field_by_name(&head, SLICE("x-a"), NULL));
}
