/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/key_body and of what rules make of it: packed bodies, forms, and what
 * headers that lie do. */
#include "key_request.h"
#include "packed.h"

#include <criterion/criterion.h>

#define FORM "application/x-www-form-urlencoded"

TestSuite(key_body, .init = set_up, .fini = tear_down);

static struct request typed(const char *type, const char *body)
{
    return (struct request){.headers = {{"content-type", slice_str(type)}},
                            .body = slice_str(body)};
}

static struct request coded(const char *coding, struct slice body, struct buf *decoded)
{
    return (struct request){
        .headers = {{"Content-Encoding", slice_str(coding)}}, .body = body, .decoded = decoded};
}

/* ---- forms ---- */

Test(key_body, forms_have_fields)
{
    struct key_rule rule = pathed(KEY_JSON, "nothing id");
    struct request form = typed(FORM, "a=1&id=x+y");
    struct request other = typed(FORM, "id=x%20y&a=2");
    struct request spelled = typed("Application/X-WWW-Form-URLEncoded ; charset=utf-8", "id=x+y");
    struct request different = typed(FORM, "id=x%2By");
    struct event_key key = expect_key(rule, &form);
    cr_assert(same(key, expect_key(rule, &other)));
    cr_assert(same(key, expect_key(rule, &spelled)));
    cr_assert_not(same(key, expect_key(rule, &different)));
}

/* A form's values are strings: the same id in both kinds of body is the same event. */
Test(key_body, a_form_s_value_is_a_string)
{
    struct key_rule rule = pathed(KEY_JSON, "id");
    struct request form = typed(FORM, "id=5");
    cr_assert(same(expect_key(rule, &form), body_key(rule, "{\"id\":\"5\"}")));
    cr_assert_not(same(expect_key(rule, &form), body_key(rule, "{\"id\":5}")));
}

Test(key_body, fields_of_a_form_go_together)
{
    struct key_rule rule = pathed(KEY_FIELDS, "a b");
    struct request one = typed(FORM, "a=x&b=yz");
    struct request two = typed(FORM, "a=xy&b=z");
    struct request half = typed(FORM, "a=xy&b=");
    struct request none = typed(FORM, "a=&b=");
    struct request less = typed(FORM, "a=x");
    cr_assert_not(same(expect_key(rule, &one), expect_key(rule, &two)));
    (void)expect_key(rule, &half);
    expect_miss(rule, &none, KEY_MISS_EMPTY);
    expect_miss(rule, &less, KEY_MISS_ABSENT);
}

Test(key_body, form_misses_have_reasons)
{
    struct key_rule rule = pathed(KEY_JSON, "id other");
    const struct {
        const char *body;
        enum key_miss miss;
    } misses[] = {{"id=1&id=2&other=3", KEY_MISS_REPEATED},
                  {"id=%zz&other=3", KEY_MISS_ENCODING},
                  {"id=", KEY_MISS_EMPTY},
                  {"x=1", KEY_MISS_ABSENT}};
    for (size_t i = 0; i < COUNT_OF(misses); i++) {
        struct request request = typed(FORM, misses[i].body);
        expect_miss(rule, &request, misses[i].miss);
    }
    struct request led_on = typed(FORM, "id=&other=3");
    (void)expect_key(rule, &led_on);
}

Test(key_body, json_under_any_name_is_json)
{
    struct key_rule rule = pathed(KEY_JSON, "id");
    struct event_key key = body_key(rule, "{\"id\":\"1\"}");
    const char *const types[] = {FORM, "text/plain", "application/json", "a/b", ""};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct request request = typed(types[i], " \r\n\t{\"id\":\"1\"}");
        cr_assert(same(key, expect_key(rule, &request)), "%s", types[i]);
    }
    struct request twice = {
        .headers = {{"Content-Type", SLICE(FORM)}, {"Content-Type", SLICE(FORM)}},
        .body = SLICE("id=1")};
    expect_miss(rule, &twice, KEY_MISS_NOT_JSON);
    struct request text = typed("text/plain", "id=1");
    expect_miss(rule, &text, KEY_MISS_NOT_JSON);
}

Test(key_body, a_form_has_no_canonical_form)
{
    struct key_rule rule = {.kind = KEY_PAYLOAD, .canonical = true};
    struct request form = typed(FORM, "id=1");
    expect_miss(rule, &form, KEY_MISS_NOT_JSON);
}

/* ---- packed bodies ---- */

Test(key_body, a_packed_body_is_the_event_it_holds)
{
    const struct key_rule rules[] = {
        pathed(KEY_JSON, "id"), pathed(KEY_FIELDS, "id"), {.kind = KEY_PAYLOAD, .canonical = true}};
    struct packed packed = pack(SLICE("{ \"id\": \"\\u0041\" }"));
    const char *const codings[] = {"gzip", "GZIP", "x-gzip"};
    struct buf decoded;
    buf_init(&decoded, 1000);
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        for (size_t j = 0; j < COUNT_OF(codings); j++) {
            struct request request = coded(codings[j], packed.bytes, &decoded);
            cr_assert(same(expect_key(rules[i], &request), body_key(rules[i], "{\"id\":\"A\"}")));
        }
    buf_done(&decoded);
    free(packed.room);
}

Test(key_body, a_plain_payload_is_the_octets_that_came)
{
    struct key_rule rule = {.kind = KEY_PAYLOAD};
    struct packed packed = pack(SLICE("{}"));
    struct request request = coded("gzip", packed.bytes, NULL);
    struct request bare = {.body = packed.bytes};
    cr_assert(same(expect_key(rule, &request), expect_key(rule, &bare)));
    cr_assert_not(same(expect_key(rule, &request), body_key(rule, "{}")));
    free(packed.room);
}

Test(key_body, a_packed_form)
{
    struct key_rule rule = pathed(KEY_JSON, "id");
    struct packed packed = pack(SLICE("id=1"));
    struct buf decoded;
    buf_init(&decoded, 1000);
    struct request request = coded("gzip", packed.bytes, &decoded);
    request.headers[1] = (struct header){"Content-Type", SLICE(FORM)};
    struct request plain = typed(FORM, "id=1");
    cr_assert(same(expect_key(rule, &request), expect_key(rule, &plain)));
    buf_done(&decoded);
    free(packed.room);
}

Test(key_body, what_can_not_be_unpacked)
{
    struct key_rule rule = pathed(KEY_JSON, "id");
    struct packed packed = pack(SLICE("{\"id\":\"A\"}"));
    struct packed nothing = pack(SLICE(""));
    struct buf decoded;
    buf_init(&decoded, 9);
    struct request too_long = coded("gzip", packed.bytes, &decoded);
    struct request nowhere = coded("gzip", packed.bytes, NULL);
    struct request plain = coded("gzip", SLICE("{\"id\":\"A\"}"), &decoded);
    struct request empty = coded("gzip", nothing.bytes, &decoded);
    expect_miss(rule, &too_long, KEY_MISS_TOO_LONG);
    expect_miss(rule, &nowhere, KEY_MISS_ENCODING);
    expect_miss(rule, &plain, KEY_MISS_ENCODING);
    expect_miss(rule, &empty, KEY_MISS_EMPTY);
    buf_done(&decoded);
    free(packed.room);
    free(nothing.room);
}

Test(key_body, codings_that_are_not_known_leave_it_as_it_is)
{
    struct key_rule rule = pathed(KEY_JSON, "id");
    struct event_key key = body_key(rule, "{\"id\":\"A\"}");
    const char *const codings[] = {"", "identity", "Identity", "utf-8", "br", "gzip, gzip"};
    for (size_t i = 0; i < COUNT_OF(codings); i++) {
        struct request request = coded(codings[i], SLICE("{\"id\":\"A\"}"), NULL);
        cr_assert(same(key, expect_key(rule, &request)), "%s", codings[i]);
    }
    struct request form = coded("br", SLICE("id=1"), NULL);
    form.headers[1] = (struct header){"Content-Type", SLICE(FORM)};
    expect_miss(rule, &form, KEY_MISS_NOT_JSON);
}

/* The first rule unpacks it, the second uses what it got. */
Test(key_body, is_read_once_for_all_rules)
{
    const struct key_rule rules[] = {pathed(KEY_JSON, "none"), pathed(KEY_JSON, "id")};
    struct packed packed = pack(SLICE("{\"id\":\"A\"}"));
    struct buf decoded;
    buf_init(&decoded, 1000);
    struct request request = coded("gzip", packed.bytes, &decoded);
    struct key_result result = make(rules, 2, &request);
    cr_assert(result.found && result.rule == 1);
    cr_assert(slice_eq(result.values[0], SLICE("A")));
    buf_done(&decoded);
    free(packed.room);
}
