/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain over the API, over a fake store: what it takes, what it refuses, and the store's answer,
 * now or later. What is told of requests is tests/unit/gateway's.
 */
#include "api_asker.h"
#include <postern/gateway/explain.h>

#define PATH "/api/v1/explain"

static const struct json_path no_paths[1];
static struct route_opts mine[] = {
    {.name = {"pay", 3},
     .match.path = {"/pay", 4},
     .keys = {{.kind = KEY_HEADER, .name = {"X-Id", 4}}},
     .key_count = 1,
     .duplicate_status = 200,
     .body_bytes = 16},
    {.name = {"a b", 3},
     .match.path = {"/*", 2},
     .keys = {{.kind = KEY_JSON, .paths = no_paths, .path_count = 1}},
     .key_count = 1,
     .body_bytes = 16},
};

/* ---- a store that answers what it is told to ---- */

static struct {
    struct admin_store door;
    struct loop_hook hook;
    struct dedup_op *pending;
    enum verdict verdict;
    bool is_slow;
    unsigned asked;
} store;

static void fill(struct dedup_op *op)
{
    op->verdict = store.verdict;
    if (op->verdict == VERDICT_DUPLICATE)
        op->first = (struct dedup_first){
            .event_id = fake_uuid(FAKE_ID), .status = 201, .accepted_at_ms = ASKER_NOW - 42};
}

static void on_hook(struct loop_hook *hook)
{
    (void)hook;
    fill(store.pending);
    store.pending->answered(store.pending);
}

static enum op_status peek(struct admin_store *door, struct dedup_op *op)
{
    cr_assert_eq(door, &store.door);
    store.asked++;
    if (!store.is_slow) {
        fill(op);
        return OP_READY;
    }
    store.pending = op;
    store.hook.run = on_hook;
    loop_defer(&loop, &store.hook);
    return OP_PENDING;
}

static void set_up(void)
{
    asker_set_up();
    config.routes = mine;
    config.http = HTTP_LIMITS_DEFAULT;
    config.body_bytes = 16;
    store.door.peek = peek;
    store.verdict = VERDICT_FIRST;
    opts.store = &store.door;
    buf_init(&call.request_body, 1u << 17);
}

static void tear_down(void)
{
    buf_done(&call.request_body);
    config.routes = routes;
    asker_tear_down();
}

TestSuite(api_explain, .init = set_up, .fini = tear_down);

static unsigned explain(const char *request, const char *query)
{
    buf_clear(&call.request_body);
    cr_assert_eq(buf_append(&call.request_body, slice_str(request)), STATUS_OK);
    return ask("POST", PATH, query);
}

#define PAY "POST /pay HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\n"

Test(api_explain, the_store_is_asked)
{
    cr_expect_eq(explain(PAY, ""), 200);
    cr_expect(said("{\"route\":\"pay\",\"matched\":\"pay\","), "%s", text());
    cr_expect(said("\"store\":{\"verdict\":\"first\""));
    cr_expect(said("\"would\":\"forward\""));
    cr_expect_eq(store.asked, 1);
}

Test(api_explain, a_store_that_answers_later)
{
    store.is_slow = true;
    store.verdict = VERDICT_DUPLICATE;
    cr_expect_eq(explain(PAY, ""), 200);
    cr_expect(said("\"verdict\":\"duplicate\",\"event_id\":\"" FAKE_ID "\",\"status\":201,"), "%s",
              text());
    cr_expect(said("\"age_ms\":42"));
    cr_expect(said("\"would\":\"answer\",\"outcome\":\"duplicate\",\"status\":200}\n"));
}

Test(api_explain, a_store_that_cannot_say)
{
    store.verdict = VERDICT_UNKNOWN;
    cr_expect_eq(explain(PAY, ""), 200);
    cr_expect(said("\"verdict\":\"unknown\""));
    cr_expect(said("\"outcome\":\"bypassed_store\""));
}

Test(api_explain, without_a_store_the_rest_is_told)
{
    opts.store = NULL;
    cr_expect_eq(explain(PAY, ""), 200);
    cr_expect(said("\"store\":null,\"would\":null,\"outcome\":null,\"status\":null"), "%s", text());
}

Test(api_explain, without_a_key_the_store_is_not_asked)
{
    cr_expect_eq(explain("POST /pay HTTP/1.1\r\nHost: a\r\n\r\n", ""), 200);
    cr_expect(said("\"store\":null,\"would\":\"forward\",\"outcome\":\"bypassed_no_key\""));
    cr_expect_eq(store.asked, 0);
}

Test(api_explain, a_route_by_its_name)
{
    cr_expect_eq(explain(PAY, "route=a%20b"), 200);
    cr_expect(said("{\"route\":\"a b\",\"matched\":\"pay\","), "%s", text());
    cr_expect_eq(explain(PAY, "route=none"), 404);
    cr_expect(said("problem:no-route"));
    cr_expect_eq(explain(PAY, "state=dead"), 400);
    cr_expect(said("problem:bad-parameter"));
}

Test(api_explain, no_route_is_an_explanation)
{
    config.route_count = 1;
    cr_expect_eq(explain("POST /none HTTP/1.1\r\nHost: a\r\n\r\n", ""), 200);
    cr_expect(said("\"outcome\":\"rejected_no_route\",\"status\":404"));
    config.route_count = 2;
}

Test(api_explain, what_is_no_request)
{
    cr_expect_eq(explain("", ""), 400);
    cr_expect(said("\"type\":\"urn:postern:problem:not-a-request\""));
    cr_expect(said("there is nothing.\""), "%s", text());
    cr_expect_eq(explain("POST /pay HTTP/1.1\r\n\r\n", ""), 400);
    cr_expect(said(" The gateway would answer 400."), "%s", text());
    cr_expect_eq(explain("POST /pay HTTP/1.1\r\nHost: a\r\n\r\n12345678901234567", ""), 400);
    cr_expect(said("its body is larger than may be"), "%s", text());
    cr_expect_eq(explain("\xff\x00\x01", ""), 400);
    cr_expect_eq(store.asked, 0);
}

Test(api_explain, it_is_a_post_for_those_who_may)
{
    cr_expect_eq(ask("GET", PATH, ""), 405);
    cr_expect(slice_eq(call.page.allow, SLICE("POST")));
    add_field("Sec-Fetch-Site", "cross-site");
    cr_expect_eq(explain(PAY, ""), 403);
    head.field_count = 0;
    config.admin_token = SLICE("s3cret");
    cr_expect_eq(explain(PAY, ""), 401);
    cr_expect_eq(store.asked, 0);
    config.admin_token = SLICE("");
}

/* ---- whose body is kept ---- */

static size_t body_max(const char *path)
{
    head.path = slice_str(path);
    return api_body_max(&call);
}

Test(api_explain, only_its_own_body_is_kept_and_of_nobody_else)
{
    size_t most = explain_wire_max(&config.http, 16);
    cr_expect_eq(body_max(PATH), most);
    cr_expect_eq(body_max(PATH "/"), 0);
    cr_expect_eq(body_max("/metrics"), 0);
    cr_expect_eq(body_max("/api/v1/replay"), 0);
    config.admin_token = SLICE("s3cret");
    cr_expect_eq(body_max(PATH), 0);
    add_field("Authorization", "Bearer s3cret");
    cr_expect_eq(body_max(PATH), most);
    config.admin_token = SLICE("");
}
