/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/check_door: handshakes and what they need, fingerprints, replays and rates
 * that do nothing, shared rates without Redis. */
#include "parsing.h"

#include <stdlib.h>

static void set_up(void)
{
    setenv("POSTERN_TEST_SECRET", "hush-hush-hush-hush", 1);
}

TestSuite(check_door, .init = set_up);

#define TOKEN "    handshake_token: env:POSTERN_TEST_SECRET\n"

Test(check_door, handshakes)
{
    expect_error("", "", "    handshake: meta\n", "f.yaml:9:16: error: handshake_token is missing");
    expect_clean("", "", "    handshake: meta\n" TOKEN);
    expect_warning("", "", TOKEN, "handshake_token does nothing without handshake: meta");
    expect_warning("", "", "    handshake: slack\n" TOKEN, "handshake_token does nothing without");
    expect_error("", "", "    handshake: metta\n" TOKEN, "there is no handshake \"metta\"");
    expect_error("", "", "    handshake: meta\n    handshake_token: ''\n", "is empty");
}

/* The address could never be entered at the sender's. */
Test(check_door, a_handshake_that_no_method_lets_in)
{
#define ROUTE(methods)                                                                             \
    "listen: [{address: 127.0.0.1:8080}]\n"                                                        \
    "upstreams: {app: {endpoints: [\"http://127.0.0.1:9000\"]}}\n"                                 \
    "routes:\n"                                                                                    \
    "  - name: r\n"                                                                                \
    "    match: {path: /r, methods: " methods "}\n"                                                \
    "    upstream: app\n"
    static const struct {
        const char *text, *words;
    } rows[] = {
        {ROUTE("[POST]") "    handshake: meta\n" TOKEN,
         "f.yaml:5:32: warning: handshake: meta comes as GET, which match.methods leaves out"},
        {ROUTE("POST") "    handshake: dropbox\n", "handshake: dropbox comes as GET, which"},
        {ROUTE("[GET, PUT]") "    handshake: slack\n", "handshake: slack comes as POST, which"},
        {ROUTE("[GET, POST]") "    handshake: meta\n" TOKEN, NULL},
        {ROUTE("POST") "    handshake: discord\n", NULL},
        {ROUTE("[GET]"), NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct parsed parsed = parse(slice_str(rows[i].text));
        if (rows[i].words)
            assert_one_warning(parsed, rows[i].words);
        else
            assert_clean(parsed);
        parsed_done(&parsed);
    }
}

Test(check_door, zoom_answers_with_the_secret)
{
    expect_error("", "", "    handshake: zoom\n",
                 "handshake: zoom answers with signature.secret, and there is no signature");
    expect_clean("", "",
                 "    handshake: zoom\n"
                 "    signature: {scheme: zoom, secret: env:POSTERN_TEST_SECRET}\n");
    expect_error("", "",
                 "    handshake: zoom\n"
                 "    signature: {scheme: zoom, secret: env:POSTERN_TEST_NONE}\n",
                 "POSTERN_TEST_NONE is not set");
}

Test(check_door, fingerprints)
{
    struct parsed parsed = parse_with("", "",
                                      "    key: {header: X}\n    fingerprint: payload\n"
                                      "    on_mismatch: duplicate\n");
    assert_clean(parsed);
    const struct route_opts *route = &parsed.config->routes[0];
    cr_assert(route->fingerprint && route->on_mismatch == MISMATCH_DUPLICATE);
    parsed_done(&parsed);
    parsed = parse_with("", "", "");
    cr_assert(!parsed.config->routes[0].fingerprint);
    cr_assert_eq(parsed.config->routes[0].on_mismatch, MISMATCH_CONFLICT);
    parsed_done(&parsed);
    expect_warning("", "", "    fingerprint: payload\n",
                   "f.yaml:9:18: warning: with a payload key the fingerprint says nothing new");
    expect_warning("", "", "    key: {payload: {canonical: true}}\n    fingerprint: payload\n",
                   "the same event spelled differently is a mismatch");
    expect_clean("", "", "    key: [{header: X}, payload]\n    fingerprint: payload\n");
    expect_warning("", "", "    key: {header: X}\n    on_mismatch: new\n",
                   "f.yaml:10:18: warning: on_mismatch does nothing without fingerprint: payload");
    expect_error("", "", "    fingerprint: header\n", "fingerprint must be off | payload");
    expect_error("", "", "    key: pay\n    fingerprint: payload\n", "is not a kind of key");
}

#define REPLAY "    duplicate: replay\n"

Test(check_door, replays)
{
    expect_clean("", "", REPLAY);
    expect_clean("", "", REPLAY "    mode: queue\n");
    expect_warning("", "", REPLAY "    mode: observe\n",
                   "f.yaml:9:16: warning: duplicate: replay does nothing with mode: observe");
    expect_warning("", "", "    replay: {body: 1KiB}\n",
                   "replay.body does nothing without duplicate: replay");
    expect_warning("", "", "    duplicate: 204\n    replay: {headers: [ETag]}\n",
                   "replay.headers does nothing without duplicate: replay");
    expect_clean("", "", REPLAY "    replay: {headers: [ETag]}\n");
    expect_error("", "", REPLAY "    replay: {headers: [Date]}\n", "Date can't be replayed");
}

Test(check_door, replayed_bodies_and_the_buffer_they_go_through)
{
    expect_clean("", "", REPLAY "    replay: {body: 256KiB}\n");
    expect_warning("", "", REPLAY "    replay: {body: 262145B}\n",
                   "replay.body is larger than the file's limits.response_buffer");
    expect_warning("limits: {response_buffer: 4KiB}\n", "", REPLAY,
                   "f.yaml:6:5: warning: replay.body is larger");
    expect_clean("limits: {response_buffer: 1MiB}\n", "", REPLAY "    replay: {body: 1MiB}\n");
    expect_error("", "", REPLAY "    replay: {body: 1048577B}\n", "replay.body must be from 1B to");
    expect_error("", "", REPLAY "    replay: {body: 0B}\n", "replay.body must be from 1B to 1MiB");
}

Test(check_door, rates_that_do_nothing)
{
    expect_warning("", "", "    limits: {burst: 5}\n",
                   "limits.burst does nothing without limits.rate");
    expect_warning("", "", "    limits: {per: route}\n", "limits.per does nothing without");
    expect_warning("", "", "    limits: {duplicates_burst: 5}\n",
                   "limits.duplicates_burst does nothing without limits.rate");
    expect_error("", "", "    limits: {duplicates: 5/s}\n",
                 "limits.duplicates needs a limits.rate");
    expect_error("", "", "    limits: {rate: x, burst: 5}\n", "limits.rate must be a whole number");
}

#define SHARED "    limits: {rate: 5/s, shared: true}\n"

Test(check_door, shared_rates_need_redis)
{
    struct parsed parsed = parse_with("dedup: {redis: {url: \"redis://h\"}}\n", "", SHARED);
    assert_clean(parsed);
    cr_assert(parsed.config->routes[0].rate.shared);
    parsed_done(&parsed);
    expect_error("", "", SHARED, "f.yaml:9:33: error: limits.shared needs dedup.store: redis");
    expect_error("dedup: {store: memory}\n", "", SHARED, "limits.shared needs dedup.store: redis");
    expect_clean("", "", "    limits: {rate: 5/s, shared: false}\n");
    expect_error("dedup: {store: rediss}\n", "", SHARED, "dedup.store must be redis | memory");
}
