/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of gateway/explain_verdict: what each verdict comes to on each kind of route. */
#include "explaining.h"

#define ID "019aa4c9-7c00-7000-8000-000000000001" /* of NOW_MS - 4000 */
#define NOTE_OF_A "Fca978112ca1bbdcafac231b39a23dc4d\n"
#define NOTE_OF_B "F3e23e8160039594a33894f6564e1b134\n"

#define ROUTE(name, more)                                                                          \
    "- {name: " name ", upstream: a, match: {path: /" name "}, key: {header: X-Id}" more "}\n"
#define ROUTES                                                                                     \
    ROUTE("proxy", "")                                                                             \
    ROUTE("queue", ", mode: queue")                                                                \
    ROUTE("watch", ", mode: observe, fingerprint: payload")                                        \
    ROUTE("quick", ", in_flight: conflict, duplicate: 208")                                        \
    ROUTE("closed", ", on_store_error: reject")                                                    \
    ROUTE("again", ", duplicate: replay")                                                          \
    ROUTE("line", ", mode: queue, duplicate: replay")                                              \
    ROUTE("empty", ", mode: queue, accept: 204")                                                   \
    ROUTE("strict", ", fingerprint: payload")                                                      \
    ROUTE("lax", ", fingerprint: payload, on_mismatch: duplicate")

static struct dedup_first first;

static void set_up(void)
{
    open_config(ROUTES);
    cr_assert(uuid_parse(SLICE(ID), &first.event_id));
    first.status = 201;
    first.accepted_at_ms = NOW_MS - 1500;
}

TestSuite(explain_verdict, .init = set_up, .fini = close_config);

static void ask(const char *route, enum verdict verdict, const char *note)
{
    explain_at(route, "POST / HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\na", NOW_MS);
    hear(verdict, first, note);
}

Test(explain_verdict, first)
{
    ask("proxy", VERDICT_FIRST, "");
    assert_ends(EXPLAIN_FORWARD, OUTCOME_NONE, 0);
    assert_tells("\"store\":{\"verdict\":\"first\",\"event_id\":null,\"status\":null,"
                 "\"accepted_at\":null,\"age_ms\":null,\"differs\":false},\"would\":\"forward\","
                 "\"outcome\":null,\"status\":null}");
    ask("queue", VERDICT_FIRST, "");
    assert_ends(EXPLAIN_ENQUEUE, OUTCOME_ACCEPTED, 202);
    ask("empty", VERDICT_FIRST, "");
    assert_ends(EXPLAIN_ENQUEUE, OUTCOME_ACCEPTED, 204);
    ask("watch", VERDICT_FIRST, "");
    assert_ends(EXPLAIN_FORWARD, OUTCOME_NONE, 0);
}

Test(explain_verdict, duplicate)
{
    ask("proxy", VERDICT_DUPLICATE, "");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 200);
    assert_tells("\"store\":{\"verdict\":\"duplicate\",\"event_id\":\"" ID "\",\"status\":201,"
                 "\"accepted_at\":\"2025-11-21T04:39:58.500Z\",\"age_ms\":1500,"
                 "\"differs\":false},\"would\":\"answer\",\"outcome\":\"duplicate\","
                 "\"status\":200}");
    ask("quick", VERDICT_DUPLICATE, "");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 208);
    ask("empty", VERDICT_DUPLICATE, "");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 204);
    ask("watch", VERDICT_DUPLICATE, "");
    assert_ends(EXPLAIN_FORWARD, OUTCOME_DUPLICATE, 0);
}

Test(explain_verdict, a_duplicate_that_gets_the_first_response)
{
    ask("again", VERDICT_DUPLICATE, "F\nR203 2\r\nA: b\r\n\r\nok");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 200);
    ask("again", VERDICT_DUPLICATE, "F\nR203 2\nA: b\r\n\r\nok");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 203);
    ask("again", VERDICT_DUPLICATE, "");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 200);
    ask("line", VERDICT_DUPLICATE, "");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 202);
}

Test(explain_verdict, in_flight)
{
    ask("proxy", VERDICT_IN_FLIGHT, "");
    assert_ends(EXPLAIN_WAIT, OUTCOME_IN_FLIGHT, 409);
    assert_tells("\"verdict\":\"in_flight\",\"event_id\":\"" ID "\",\"status\":null,"
                 "\"accepted_at\":null,\"age_ms\":");
    assert_tells("\"would\":\"wait\"");
    ask("quick", VERDICT_IN_FLIGHT, "");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_IN_FLIGHT, 409);
    ask("watch", VERDICT_IN_FLIGHT, "");
    assert_ends(EXPLAIN_FORWARD, OUTCOME_IN_FLIGHT, 0);
}

Test(explain_verdict, the_store_cannot_say)
{
    ask("proxy", VERDICT_UNKNOWN, "");
    assert_ends(EXPLAIN_FORWARD, OUTCOME_BYPASSED_STORE, 0);
    assert_tells("\"verdict\":\"unknown\",\"event_id\":null");
    ask("queue", VERDICT_UNKNOWN, "");
    assert_ends(EXPLAIN_ENQUEUE, OUTCOME_BYPASSED_STORE, 202);
    ask("closed", VERDICT_UNKNOWN, "");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_UNKNOWN_STORE, 503);
}

Test(explain_verdict, another_body)
{
    static const enum verdict verdicts[] = {VERDICT_DUPLICATE, VERDICT_IN_FLIGHT};
    for (size_t i = 0; i < 2; i++) {
        ask("strict", verdicts[i], NOTE_OF_B);
        assert_ends(EXPLAIN_ANSWER, OUTCOME_REJECTED_MISMATCH, 422);
        assert_tells("\"differs\":true");
        ask("watch", verdicts[i], NOTE_OF_B);
        assert_ends(EXPLAIN_FORWARD, OUTCOME_REJECTED_MISMATCH, 0);
    }
    ask("lax", VERDICT_DUPLICATE, NOTE_OF_B);
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 200);
    assert_tells("\"differs\":true");
}

Test(explain_verdict, the_same_body)
{
    ask("strict", VERDICT_DUPLICATE, NOTE_OF_A);
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 200);
    assert_tells("\"differs\":false");
    ask("strict", VERDICT_DUPLICATE, "no note");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_DUPLICATE, 200);
}

/* What the store says is told, and never when it would have to be from the future. */
Test(explain_verdict, a_clock_that_is_behind)
{
    first.accepted_at_ms = NOW_MS + 1;
    ask("proxy", VERDICT_DUPLICATE, "");
    assert_tells("\"age_ms\":0");
}

Test(explain_verdict, a_request_without_a_key_has_nothing_to_ask)
{
    struct dedup_op op;
    explain_at("proxy", "POST / HTTP/1.1\r\nHost: a\r\n\r\na", NOW_MS);
    cr_assert(!explain_prepare(&told, &first_note, &op));
}

Test(explain_verdict, which_routes_keep_notes)
{
    struct dedup_op op;
    explain_at("strict", "POST / HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\na", NOW_MS);
    cr_assert(explain_prepare(&told, &first_note, &op));
    cr_assert(op.noted && op.ret_note == &first_note && slice_eq(op.route, SLICE("strict")));
    explain_at("proxy", "POST / HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\na", NOW_MS);
    cr_assert(explain_prepare(&told, &first_note, &op));
    cr_assert(!op.noted);
}
