/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/cli_key: requests from the wire and from options, keys and reasons for none. */
#include "console.h"

#define CONFIG                                                                                     \
    "listen: [{address: 127.0.0.1:1}]\n"                                                           \
    "dedup: {redis: {url: \"redis://h\", prefix: hooks}}\n"                                        \
    "limits: {body: 64B}\n"                                                                        \
    "upstreams: {a: {endpoints: http://h}}\n"                                                      \
    "routes:\n"                                                                                    \
    "- {name: pay, upstream: a, match: {path: /pay}, key: [{header: X-Id}, {json: [id, "           \
    "data.id]}]}\n"                                                                                \
    "- {name: any, upstream: a, match: {path: /any}, key: {query: id}, missing: payload}\n"        \
    "- {name: strict, upstream: a, match: {path: /s}, key: {json: id}, missing: reject}\n"         \
    "- {name: form, upstream: a, match: {path: /f}, key: {payload: {exclude: t}}, scope: path}\n"  \
    "- {name: print, upstream: a, match: {path: /p}, key: {header: X-Id}, fingerprint: payload}\n" \
    "- {name: watch, upstream: a, match: {path: /w}, mode: observe, key: {header: X-Id}}\n"        \
    "- {name: box, upstream: a, match: {path: /b}, handshake: dropbox, signature: {scheme: "       \
    "dropbox, secret: env:POSTERN_TEST_SECRET}}\n"

static void make_config(void)
{
    setenv("POSTERN_TEST_SECRET", "dropsecret", 1);
    file_make(CONFIG);
}

TestSuite(cli_key, .init = make_config, .fini = file_remove);

static struct console key_of(const char *route, const char *request)
{
    return run(slice_str(request), ARGUMENTS("key", "-c", file_path, "--route", route));
}

Test(cli_key, from_a_header)
{
    expect(key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nx-id: one\r\n\r\n"), CLI_OK,
           "route   pay\nrule    1 of 2: header\nvalue   \"one\"\nkey     ", NULL);
}

Test(cli_key, from_a_body)
{
    expect(key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{\"id\": 17}"),
           CLI_OK, "rule    2 of 2: json\nvalue   \"17\"\nkey     ", NULL);
}

Test(cli_key, the_redis_key_holds_the_key)
{
    struct console console = key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nX-Id: one\r\n\r\n");
    const char *key = strstr(console.out, "key     ");
    cr_assert_not_null(key);
    char line[96];
    snprintf(line, sizeof(line), "redis   hooks:{pay}:%.32s\n", key + 8);
    assert_holds(console.out, line);
    console_done(&console);
}

/* What is printed for two ways to say the same request has to be the same. */
static void prints_the_same(struct console a, struct console b)
{
    cr_assert_eq(a.status, CLI_OK, "%s", a.err);
    cr_assert_str_eq(a.out, b.out);
    console_done(&a);
    console_done(&b);
}

Test(cli_key, bare_line_feeds_and_chunks_change_nothing)
{
    const char *plain = "POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n{\"id\":1}";
    prints_the_same(key_of("pay", plain), key_of("pay", "POST /pay HTTP/1.1\nHost: a\n"
                                                        "Content-Length: 8\n\n{\"id\":1}"));
    prints_the_same(key_of("pay", plain),
                    key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                  "\r\n3\r\n{\"i\r\n5\r\nd\":1}\r\n0\r\n\r\n"));
}

Test(cli_key, options_say_the_same_as_the_wire)
{
    prints_the_same(key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nX-Id: one\r\n\r\n"),
                    RUN("key", "-c", file_path, "-r", "pay", "-H", "X-ID:  one "));
    prints_the_same(key_of("any", "POST /any?a=b&id=1%30 HTTP/1.1\r\nHost: a\r\n\r\n"),
                    RUN("key", "-c", file_path, "-r", "any", "--path", "/any?a=b&id=10"));
    prints_the_same(
        key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n{\"id\":1}"),
        run(SLICE("{\"id\":1}"), ARGUMENTS("key", "-c", file_path, "-r", "pay", "--body", "-")));
}

/* SHA-256 by the layout in policy/key.h, computed with Python's hashlib. */
Test(cli_key, a_canonical_payload_shows_its_form)
{
    expect(run(SLICE("{\"t\":1,\"b\":1.0,\"a\":\"\\u0041\"}"),
               ARGUMENTS("key", "-c", file_path, "-r", "form", "--body", "-", "--path", "/f?x")),
           CLI_OK, "rule    1 of 1: payload\nvalue   \"{",
           "note: the scope is taken of a POST to the path given\n");
    expect(key_of("form", "POST /f HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n"
                          "{\"t\":1,\"b\":1.0,\"a\":2}"),
           CLI_OK, "form    {\"a\":2,\"b\":1}\nkey     d80a75191284c8023c9d99f8982cccd7\n", NULL);
    expect(key_of("form", "POST /f HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{\"t\":1}"),
           CLI_FAILED, "no key  absent\n", NULL);
}

Test(cli_key, no_key)
{
    expect(key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\n\r\n"), CLI_FAILED,
           "no key  absent\nrule    missing: pass (it would go through undeduplicated)\n", NULL);
    expect(key_of("strict", "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
           CLI_FAILED, "no key  not_json (invalid)\nrule    missing: reject (it would get 400)\n",
           NULL);
    expect(key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\nX-Id: 2\r\n\r\n"), CLI_FAILED,
           "no key  repeated\n", NULL);
}

/* CSI of one character (U+009B), DEL: what a stranger sent must not reach the terminal. */
Test(cli_key, control_characters_are_marked)
{
    expect(key_of("any", "POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
                         "\xc2\x9b\x7f\""),
           CLI_OK, "value   \"\\xc2\\x9b\\x7f\\\"\"\nkey     ", NULL);
    expect(key_of("form", "POST /f HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n"
                          "{\"t\":1,\"b\":\"\xc2\x9b[0m\x7f\"}"),
           CLI_OK, "form    {\"b\":\"\\xc2\\x9b[0m\\x7f\"}\nkey     ", NULL);
}

Test(cli_key, the_body_stands_in_for_a_missing_key)
{
    expect(key_of("any", "POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\"\\\x01x"),
           CLI_OK,
           "rule    missing: payload (its body is the key)\nvalue   \"\\\"\\\\\\x01x\"\nkey     ",
           NULL);
    expect(key_of("any", "POST /any HTTP/1.1\r\nHost: a\r\n\r\n"), CLI_FAILED, "no key  empty",
           NULL);
}

Test(cli_key, a_body_without_its_length_is_guessed)
{
    expect(key_of("pay", "POST /pay HTTP/1.1\nHost: a\n\n{\"id\":1}"), CLI_OK, "value   \"1\"",
           "note: no Content-Length");
}

Test(cli_key, another_route_is_noted)
{
    expect(key_of("pay", "POST /any HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\n"), CLI_OK,
           "value   \"1\"", "note: this request would take the route \"any\"\n");
    expect(key_of("pay", "POST /none HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\n"), CLI_OK,
           "value   \"1\"", "note: no route matches this request");
}

Test(cli_key, what_the_gateway_would_refuse)
{
    const char *const wrong[] = {
        "",
        "nonsense",
        "POST /pay HTTP/1.1\r\n\r\n",
        "POST /pay HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc",
        "POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect(key_of("pay", wrong[i]), CLI_FAILED, NULL,
               "postern key: the request on standard input: ");
}

Test(cli_key, bodies_at_and_above_the_limit)
{
    char request[256];
    for (int len = 64; len <= 65; len++) {
        snprintf(request, sizeof(request),
                 "POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%0*d", len, len, 0);
        struct console console = key_of("any", request);
        cr_assert_eq(console.status, len == 64 ? CLI_OK : CLI_FAILED, "%s", console.err);
        console_done(&console);
        struct console by_option =
            run(slice_str(strstr(request, "\r\n\r\n") + 4),
                ARGUMENTS("key", "-c", file_path, "-r", "any", "--body", "-"));
        cr_assert_eq(by_option.status, len == 64 ? CLI_OK : CLI_FAILED, "%s", by_option.err);
        console_done(&by_option);
    }
}

Test(cli_key, options_that_are_wrong)
{
    expect(RUN("key", "-c", file_path), CLI_USAGE, NULL, "postern key: --route is missing");
    expect(RUN("key", "-r", "pay"), CLI_USAGE, NULL, "postern key: --config is missing");
    expect(RUN("key", "-c", file_path, "-r", "nowhere"), CLI_FAILED, NULL,
           "postern key: nowhere: there is no route of this name\n");
    expect(RUN("key", "-c", file_path, "-r", "pay", "-H", "novalue"), CLI_FAILED, NULL,
           "a header is written \"Name: value\"");
    expect(RUN("key", "-c", file_path, "-r", "pay", "--body", "/nonexistent"), CLI_FAILED, NULL,
           "postern key: /nonexistent: No such file or directory");
    expect(RUN("key", "-c", "/nonexistent", "-r", "pay"), CLI_BAD_CONFIG, NULL, "can't read it");
}

/* ---- the door, and how it ends ---- */

/* HMAC-SHA256 of "{}" by "dropsecret", with Python's hmac. */
#define SIGNATURE "98d36b9a77b584b2335a8fb7b5e735749ab46d3ca0d22fafb5142e3796802420"

Test(cli_key, a_signature)
{
    expect(key_of("box", "POST /b HTTP/1.1\r\nHost: a\r\nX-Dropbox-Signature: " SIGNATURE "\r\n"
                         "Content-Length: 2\r\n\r\n{}"),
           CLI_OK, "route   box\nsigned  dropbox: ok, by secret 1 of 1\nrule    1 of 1: payload\n",
           NULL);
    struct console console =
        key_of("box", "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    assert_holds(console.out, "signed  dropbox: missing\n");
    assert_holds(console.out, "\nwould   answer 401 (rejected_unverified)\n");
    cr_assert_null(strstr(console.out, "dropsecret"));
    console_done(&console);
}

Test(cli_key, a_handshake)
{
    expect(key_of("box", "GET /b?challenge=abc HTTP/1.1\r\nHost: a\r\n\r\n"), CLI_FAILED,
           "shake   dropbox, answered here with 200\n", NULL);
}

Test(cli_key, why_the_rules_before_it_gave_none)
{
    expect(key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n{\"id\":1}"),
           CLI_OK, "miss    1 of 2: header X-Id: absent\nrule    2 of 2: json\n", NULL);
    expect(key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), CLI_FAILED,
           "miss    2 of 2: json: not_json (invalid)\nno key  absent\n", NULL);
}

Test(cli_key, a_body_s_mark)
{
    expect(key_of("print", "POST /p HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\nContent-Length: 1\r\n\r\na"),
           CLI_OK, "body    ca978112ca1bbdcafac231b39a23dc4d\nkey     ", NULL);
}

Test(cli_key, how_a_request_without_a_key_ends)
{
    expect(key_of("pay", "POST /pay HTTP/1.1\r\nHost: a\r\n\r\n"), CLI_FAILED,
           "would   forward (bypassed_no_key)\n", NULL);
    expect(key_of("strict", "POST /s HTTP/1.1\r\nHost: a\r\n\r\n"), CLI_FAILED,
           "would   answer 400 (rejected_no_key)\n", NULL);
    expect(key_of("watch", "POST /w HTTP/1.1\r\nHost: a\r\n\r\n"), CLI_FAILED,
           "no key  absent\nrule    mode: observe (it would go through)\nwould   forward", NULL);
}

Test(cli_key, what_is_behind_the_request)
{
    expect(key_of("pay", "POST /pay HTTP/1.1\nHost: a\nX-Id: 1\nContent-Length: 1\n\nab\n"), CLI_OK,
           "value   \"1\"", "note: 2 bytes behind the request are not part of it\n");
}

Test(cli_key, as_json)
{
    struct console console = run(SLICE("POST /any HTTP/1.1\nHost: a\nX-Id: one\n\n"),
                                 ARGUMENTS("key", "-c", file_path, "-r", "pay", "--json"));
    cr_assert_eq(console.status, CLI_OK, "%s", console.err);
    assert_holds(console.out, "{\"route\":\"pay\",\"matched\":\"any\",\"handshake\":null,");
    assert_holds(console.out, "\"store\":null,\"would\":null,\"outcome\":null,\"status\":null}\n");
    console_done(&console);
    expect(RUN("key", "-c", file_path, "-r", "strict", "--path", "/s", "--json"), CLI_FAILED,
           "{\"route\":\"strict\",\"handshake\":null,", NULL);
}

/* Who answers is asked in test_cli_key_ask.c. */
Test(cli_key, nobody_to_ask)
{
    expect(
        RUN("key", "-c", file_path, "-r", "pay", "-H", "X-Id: 1", "--admin", "http://127.0.0.1:1"),
        CLI_FAILED, NULL, "postern key: 127.0.0.1:1: nobody answers");
    expect(RUN("key", "-c", file_path, "-r", "pay", "-H", "X-Id: 1", "--ask", "--token", "t"),
           CLI_USAGE, NULL, "write it as env:NAME or file:PATH");
}
