/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/handshake: each kind as its sender documents it, what comes near it and is
 * none, hostile challenges, limits. */
#include <postern/policy/handshake.h>

#include "samples.h"

#include <criterion/criterion.h>

#define SECRET TEXT("the secret token")

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 65536, 1u << 20);
}

static void tear_down(void)
{
    arena_done(&arena);
}

TestSuite(handshake, .init = set_up, .fini = tear_down);

static const struct handshake_opts META = {HANDSHAKE_META, TEXT("meatyhamhock")};

static bool find(enum handshake_kind kind, const char *method, struct slice query,
                 struct slice body, struct handshake_answer *ret_answer)
{
    struct handshake_opts opts = {.kind = kind, .token = META.token};
    struct handshake_input input = {
        .method = slice_str(method), .query = query, .body = body, .secret = SECRET};
    return handshake_find(&opts, &input, &arena, ret_answer);
}

static void expect(struct handshake_answer answer, uint16_t status, const char *type,
                   const char *body)
{
    cr_assert_eq(answer.status, status);
    cr_assert(slice_eq(answer.content_type, slice_str(type)));
    cr_assert(slice_eq(answer.body, slice_str(body)), "%.*s", (int)answer.body.len,
              answer.body.data);
}

static void post(enum handshake_kind kind, const char *body, uint16_t status, const char *type,
                 const char *answer_body)
{
    struct handshake_answer answer;
    cr_assert(find(kind, "POST", SLICE(""), slice_str(body), &answer), "%s", body);
    expect(answer, status, type, answer_body);
    cr_assert_not(find(kind, "PUT", SLICE(""), slice_str(body), &answer));
    cr_assert_not(find(kind, "GET", SLICE(""), slice_str(body), &answer));
}

static void get(enum handshake_kind kind, const char *query, const char *answer_body)
{
    struct handshake_answer answer;
    cr_assert(find(kind, "GET", slice_str(query), SLICE(""), &answer), "%s", query);
    expect(answer, 200, "text/plain; charset=utf-8", answer_body);
    cr_assert_not(find(kind, "POST", slice_str(query), SLICE(""), &answer));
    cr_assert_not(find(kind, "HEAD", slice_str(query), SLICE(""), &answer));
}

static void no_post(enum handshake_kind kind, const struct slice *bodies, size_t count)
{
    struct handshake_answer answer;
    for (size_t i = 0; i < count; i++) {
        char *copy = exact_copy(bodies[i]);
        cr_assert_not(find(kind, "POST", SLICE(""), slice_of(copy, bodies[i].len), &answer),
                      "number %zu", i);
        free(copy);
    }
}

static void no_get(enum handshake_kind kind, const struct slice *queries, size_t count)
{
    struct handshake_answer answer;
    for (size_t i = 0; i < count; i++) {
        char *copy = exact_copy(queries[i]);
        cr_assert_not(find(kind, "GET", slice_of(copy, queries[i].len), SLICE(""), &answer),
                      "number %zu", i);
        free(copy);
    }
}

/* ---- Slack ---- */

/* The example of docs.slack.dev/reference/events/url_verification. */
Test(handshake, slack)
{
    post(HANDSHAKE_SLACK,
         "{\"token\": \"Jhj5dZrVaK7ZwHHjRyZWjbDl\","
         "\"challenge\": \"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P\","
         "\"type\": \"url_verification\"}",
         200, "text/plain; charset=utf-8", "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
    post(HANDSHAKE_SLACK, "{\"type\":\"url\\u005fverification\",\"challenge\":\"\\u0061b\"}", 200,
         "text/plain; charset=utf-8", "ab");
}

Test(handshake, slack_wants_all_of_it)
{
    static const struct slice bodies[] = {
        TEXT(""),
        TEXT("{}"),
        TEXT("[]"),
        TEXT("\"url_verification\""),
        TEXT("{\"type\":\"url_verification\"}"),
        TEXT("{\"challenge\":\"a\"}"),
        TEXT("{\"type\":\"event_callback\",\"challenge\":\"a\"}"),
        TEXT("{\"type\":\"URL_VERIFICATION\",\"challenge\":\"a\"}"),
        TEXT("{\"event\":{\"type\":\"url_verification\",\"challenge\":\"a\"}}"),
        TEXT("{\"type\":[\"url_verification\"],\"challenge\":\"a\"}"),
        TEXT("{\"type\":\"url_verification\",\"challenge\":1}"),
        TEXT("{\"type\":\"url_verification\",\"challenge\":null}"),
        TEXT("{\"type\":\"url_verification\",\"challenge\":\"\"}"),
        TEXT("{\"type\":\"url_verification\",\"challenge\":{\"a\":1}}"),
        TEXT("{\"type\":\"url_verification\",\"challenge\":\"a\",\"challenge\":\"b\"}"),
        TEXT("{\"type\":\"url_verification\",\"type\":\"x\",\"challenge\":\"a\"}"),
        TEXT("{\"type\":\"url_verification\",\"challenge\":\"a\"} x"),
        TEXT("{\"type\":\"url_verification\",\"challenge\":\"a\""),
        TEXT("\xef\xbb\xbf{\"type\":\"url_verification\",\"challenge\":\"a\"}"),
        TEXT("type=url_verification&challenge=a"),
    };
    no_post(HANDSHAKE_SLACK, bodies, COUNT_OF(bodies));
}

/* ---- what is echoed ---- */

/* Each octet in a challenge, as a JSON escape: only what no browser runs comes back. */
Test(handshake, only_harmless_characters_are_echoed)
{
    static const char digits[] = "0123456789abcdef";
    char body[] = "{\"type\":\"url_verification\",\"challenge\":\"a\\u00XXb\"}";
    char *hex = strstr(body, "XX");
    for (unsigned c = 0; c < 256; c++) {
        struct handshake_answer answer;
        hex[0] = digits[c >> 4];
        hex[1] = digits[c & 0xf];
        bool expected = c > ' ' && c <= '~' && !strchr("<>&\"'`\\", (int)c);
        cr_assert_eq(find(HANDSHAKE_SLACK, "POST", SLICE(""), slice_str(body), &answer), expected,
                     "octet %u", c);
    }
}

/* {"type":"url_verification","challenge":"…"} with `count` times `unit`. */
static struct slice long_challenge(struct slice unit, size_t count)
{
    struct slice head = SLICE("{\"type\":\"url_verification\",\"challenge\":\"");
    size_t len = head.len + unit.len * count + 2;
    char *body = arena_alloc(&arena, len);
    cr_assert_not_null(body);
    memcpy(body, head.data, head.len);
    for (size_t i = 0; i < count; i++)
        memcpy(body + head.len + i * unit.len, unit.data, unit.len);
    memcpy(body + len - 2, "\"}", 2);
    return slice_of(body, len);
}

Test(handshake, a_challenge_has_a_limit)
{
    struct slice units[] = {SLICE("a"), SLICE("\\u0061")};
    struct handshake_answer answer;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        cr_assert(find(HANDSHAKE_SLACK, "POST", SLICE(""),
                       long_challenge(units[i], HANDSHAKE_MAX_BYTES), &answer));
        cr_assert_eq(answer.body.len, HANDSHAKE_MAX_BYTES);
        cr_assert_not(find(HANDSHAKE_SLACK, "POST", SLICE(""),
                           long_challenge(units[i], HANDSHAKE_MAX_BYTES + 1), &answer));
    }
    static char query[10 + HANDSHAKE_MAX_BYTES + 1];
    memset(query, 'a', sizeof query);
    memcpy(query, "challenge=", 10);
    cr_assert(
        find(HANDSHAKE_DROPBOX, "GET", slice_of(query, sizeof query - 1), SLICE(""), &answer));
    cr_assert_eq(answer.body.len, HANDSHAKE_MAX_BYTES);
    cr_assert_not(
        find(HANDSHAKE_DROPBOX, "GET", slice_of(query, sizeof query), SLICE(""), &answer));
}

/* ---- Meta ---- */

/* The example of developers.facebook.com/docs/graph-api/webhooks/getting-started. */
Test(handshake, meta)
{
    get(HANDSHAKE_META, "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock",
        "1158201444");
    get(HANDSHAKE_META, "hub%2Emode=subscribe&hub.verify_token=meaty%68amhock&x&hub.challenge=%31",
        "1");
}

Test(handshake, a_wrong_token_is_refused)
{
    static const struct slice tokens[] = {
        TEXT(""),
        TEXT("&hub.verify_token="),
        TEXT("&hub.verify_token=meatyhamhoc"),
        TEXT("&hub.verify_token=meatyhamhockk"),
        TEXT("&hub.verify_token=meatyhamhockmeatyhamhock"),
        TEXT("&hub.verify_token=Meatyhamhock"),
        TEXT("&hub.verify_token=meatyhamhocK"),
        TEXT("&hub.verify_token=%"),
        TEXT("&hub.verify_token=meatyhamhock&hub.verify_token=meatyhamhock"),
    };
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        char query[128] = "hub.mode=subscribe&hub.challenge=1";
        struct handshake_answer answer;
        strcat(query, tokens[i].data);
        cr_assert(find(HANDSHAKE_META, "GET", slice_str(query), SLICE(""), &answer), "%s", query);
        cr_assert_eq(answer.status, 403, "%s", query);
        cr_assert(slice_eq(answer.content_type, SLICE("application/problem+json")));
        cr_assert(slice_starts(answer.body, SLICE("{\"type\":\"urn:postern:problem:")));
        cr_assert_eq(answer.body.data[answer.body.len - 1], '}');
    }
}

Test(handshake, a_token_with_spaces_is_compared_decoded)
{
    struct handshake_opts opts = {HANDSHAKE_META, TEXT("a b+c")};
    struct handshake_input input = {
        .method = SLICE("GET"),
        .query = SLICE("hub.mode=subscribe&hub.challenge=1&hub.verify_token=a+b%2Bc")};
    struct handshake_answer answer;
    cr_assert(handshake_find(&opts, &input, &arena, &answer));
    cr_assert_eq(answer.status, 200);
}

Test(handshake, meta_wants_a_mode_and_a_challenge)
{
    static const struct slice queries[] = {
        TEXT(""),
        TEXT("hub.mode=subscribe&hub.verify_token=meatyhamhock"),
        TEXT("hub.challenge=1&hub.verify_token=meatyhamhock"),
        TEXT("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=meatyhamhock"),
        TEXT("hub.mode=subscribe&hub.mode=subscribe&hub.challenge=1&hub.verify_token=meatyhamhock"),
        TEXT("hub.mode=subscribe&hub.challenge=1&hub.challenge=2&hub.verify_token=meatyhamhock"),
        TEXT("hub.mode=subscribe&hub.challenge=&hub.verify_token=meatyhamhock"),
        TEXT("hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token=meatyhamhock"),
        TEXT("hub.mode=subscribe&hub.challenge=a+b&hub.verify_token=meatyhamhock"),
        TEXT("hub.mode=subscribe&hub.challenge=%&hub.verify_token=meatyhamhock"),
        TEXT("hub.mode=subscribe&hub.challenge=%0d%0aX:1&hub.verify_token=meatyhamhock"),
    };
    no_get(HANDSHAKE_META, queries, COUNT_OF(queries));
}

/* ---- Zoom ---- */

/* The example of developers.zoom.us/docs/api/webhooks; the proof was made with
 * python3: hmac.new(b"the secret token", b"qgg8vlvZRS6UYooatFL8Aw", "sha256").hexdigest() */
#define ZOOM_PROOF "04107fe77a2b61ff00a48b5aeeb98929f78d5c819105f572c24753afac974ba0"

Test(handshake, zoom)
{
    post(HANDSHAKE_ZOOM,
         "{\"payload\":{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\"},"
         "\"event_ts\":1654503849680,\"event\":\"endpoint.url_validation\"}",
         200, "application/json",
         "{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\",\"encryptedToken\":\"" ZOOM_PROOF "\"}");
}

Test(handshake, zoom_wants_all_of_it_and_a_secret)
{
    static const struct slice bodies[] = {
        TEXT(""),
        TEXT("{\"event\":\"endpoint.url_validation\"}"),
        TEXT("{\"event\":\"endpoint.url_validation\",\"payload\":\"a\"}"),
        TEXT("{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":\"\"}}"),
        TEXT("{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":\"a\\\"b\"}}"),
        TEXT("{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":1}}"),
        TEXT("{\"event\":\"endpoint.url_validation\",\"plainToken\":\"a\"}"),
        TEXT("{\"event\":\"meeting.started\",\"payload\":{\"plainToken\":\"a\"}}"),
    };
    no_post(HANDSHAKE_ZOOM, bodies, COUNT_OF(bodies));
    struct handshake_opts opts = {.kind = HANDSHAKE_ZOOM};
    struct handshake_input input = {.method = SLICE("POST"),
                                    .body = SLICE("{\"event\":\"endpoint.url_validation\","
                                                  "\"payload\":{\"plainToken\":\"a\"}}")};
    struct handshake_answer answer;
    cr_assert_not(handshake_find(&opts, &input, &arena, &answer));
}

/* ---- Dropbox ---- */

Test(handshake, dropbox)
{
    get(HANDSHAKE_DROPBOX, "challenge=abc123", "abc123");
    get(HANDSHAKE_DROPBOX, "a=1&challenge=a-b_c%2Ed", "a-b_c.d");
    static const struct slice queries[] = {
        TEXT(""),
        TEXT("challenge"),
        TEXT("challenge="),
        TEXT("Challenge=a"),
        TEXT("challenge=a&challenge=a"),
        TEXT("challenge=%3Cb%3E"),
        TEXT("challenge=\xff"),
        TEXT("challenge=a%00"),
        TEXT("challenge=%zz"),
    };
    no_get(HANDSHAKE_DROPBOX, queries, COUNT_OF(queries));
}

/* ---- Discord ---- */

Test(handshake, discord_has_two_kinds_of_ping)
{
    post(HANDSHAKE_DISCORD, "{\"type\":1}", 200, "application/json", "{\"type\":1}");
    post(HANDSHAKE_DISCORD,
         "{\"application_id\":\"1\",\"id\":\"2\",\"token\":\"t\",\"type\":1,\"version\":1}", 200,
         "application/json", "{\"type\":1}");
    post(HANDSHAKE_DISCORD, "{\"version\":1,\"application_id\":\"1234560123453231555\",\"type\":0}",
         204, "application/json", "");
}

/* An event's type is 1 as well: it must never be swallowed. */
Test(handshake, a_discord_event_is_none)
{
    static const struct slice bodies[] = {
        TEXT("{\"version\":1,\"application_id\":\"1\",\"type\":1,"
             "\"event\":{\"type\":\"ENTITLEMENT_CREATE\",\"timestamp\":\"t\"}}"),
        TEXT("{\"type\":1,\"event\":null}"),
        TEXT("{\"type\":0,\"event\":{}}"),
        TEXT("{\"type\":2}"),
        TEXT("{\"type\":10}"),
        TEXT("{\"type\":1.0}"),
        TEXT("{\"type\":\"1\"}"),
        TEXT("{\"type\":true}"),
        TEXT("{\"type\":null}"),
        TEXT("{\"type\":1,\"type\":1}"),
        TEXT("{}"),
        TEXT("1"),
        TEXT(""),
    };
    no_post(HANDSHAKE_DISCORD, bodies, COUNT_OF(bodies));
}

/* ---- all kinds ---- */

Test(handshake, a_kind_does_not_know_the_others)
{
    static const struct slice bodies[] = {
        TEXT("{\"type\":\"url_verification\",\"challenge\":\"a\"}"),
        TEXT("{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":\"a\"}}"),
        TEXT("{\"type\":1}"),
    };
    static const enum handshake_kind kinds[] = {HANDSHAKE_SLACK, HANDSHAKE_ZOOM, HANDSHAKE_DISCORD};
    struct handshake_answer answer;
    for (unsigned kind = 0; kind < HANDSHAKE_KINDS; kind++)
        for (size_t i = 0; i < COUNT_OF(bodies); i++)
            cr_assert_eq(
                find((enum handshake_kind)kind, "POST", SLICE("challenge=a"), bodies[i], &answer),
                kind == kinds[i]);
}

Test(handshake, out_of_memory_it_is_none)
{
    struct arena none;
    arena_init(&none, 16, 0);
    static const struct handshake_input inputs[] = {
        {.method = TEXT("POST"),
         .body = TEXT("{\"type\":\"url_verification\",\"challenge\":\"\\u0061\"}")},
        {.method = TEXT("POST"),
         .body = TEXT("{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":\"a\"}}"),
         .secret = SECRET},
        {.method = TEXT("GET"), .query = TEXT("challenge=%61")},
        {.method = TEXT("GET"),
         .query = TEXT("hub.mode=subscribe&hub.challenge=1&hub.verify_token=%6deatyhamhock")},
    };
    static const enum handshake_kind kinds[] = {HANDSHAKE_SLACK, HANDSHAKE_ZOOM, HANDSHAKE_DROPBOX,
                                                HANDSHAKE_META};
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        struct handshake_opts opts = {.kind = kinds[i], .token = META.token};
        struct handshake_answer answer;
        cr_assert_not(handshake_find(&opts, &inputs[i], &none, &answer), "number %zu", i);
        cr_assert(handshake_find(&opts, &inputs[i], &arena, &answer), "number %zu", i);
    }
    arena_done(&none);
}

Test(handshake, who_signs_and_what_they_are_called)
{
    static const char *const words[] = {"none", "slack", "meta", "zoom", "dropbox", "discord"};
    for (unsigned kind = 0; kind < HANDSHAKE_KINDS; kind++) {
        cr_assert_str_eq(handshake_text((enum handshake_kind)kind), words[kind]);
        cr_assert_eq(handshake_is_unsigned((enum handshake_kind)kind),
                     kind == HANDSHAKE_META || kind == HANDSHAKE_DROPBOX);
    }
}
