/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/remote: the listener's address and token, from options and configurations. */
#include "console.h"
#include "remote.h"

#define CONFIG                                                                                     \
    "listen: [{address: 127.0.0.1:1}]\n"                                                           \
    "upstreams: {a: {endpoints: http://h}}\n"                                                      \
    "routes: [{name: events, upstream: a, match: {path: /}}]\n"

static struct remote remote;
static char *said;
static size_t said_bytes;

static int init(const char *config, const char *admin, const char *token)
{
    static const struct command command = {.name = "test"};
    static struct cli_host host;
    const struct remote_opts opts = {.config = config, .admin = admin, .token = token};
    free(said);
    host.err = open_memstream(&said, &said_bytes);
    int status = remote_init(&remote, &command, &host, &opts);
    fclose(host.err);
    return status;
}

static void tear_down(void)
{
    free(said);
    file_remove();
}

TestSuite(remote, .fini = tear_down);

static void expect_address(const char *name, unsigned port, const char *authority)
{
    cr_expect_str_eq(remote.name, name);
    cr_expect_eq(remote.port, port);
    cr_expect_str_eq(remote.authority, authority);
    cr_expect_str_empty(said);
}

Test(remote, urls)
{
    cr_assert_eq(init(NULL, NULL, NULL), CLI_OK);
    expect_address("127.0.0.1", 9901, "127.0.0.1:9901");
    cr_assert_eq(init(NULL, "http://[::1]:80/", NULL), CLI_OK);
    expect_address("::1", 80, "[::1]:80");
    cr_assert_eq(init(NULL, "gateway.example:65535", NULL), CLI_OK);
    expect_address("gateway.example", 65535, "gateway.example:65535");
    cr_expect_str_empty(remote.token);
}

Test(remote, urls_that_are_none)
{
    static const char *const urls[] = {"",
                                       "http://",
                                       "http://a",
                                       "http://:80",
                                       "http://a:",
                                       "http://a:0",
                                       "http://a:65536",
                                       "http://a:999999",
                                       "http://a:1/x",
                                       "http://a:+1",
                                       "http://[]:1",
                                       "ftp://a:21",
                                       "http://a@b:1",
                                       "http://a\r\nb:1",
                                       "http://a b:1"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        cr_expect_eq(init(NULL, urls[i], NULL), CLI_USAGE, "%s", urls[i]);
        assert_holds(said, "write it as http://HOST:PORT");
    }
    cr_expect_eq(init(NULL, "https://a:1", NULL), CLI_USAGE);
    assert_holds(said, "plain HTTP");
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    memcpy(longest + sizeof longest - 3, ":1", 3);
    cr_expect_eq(init(NULL, longest, NULL), CLI_USAGE);
}

Test(remote, tokens)
{
    setenv("POSTERN_TEST_TOKEN", "s3cret", 1);
    cr_assert_eq(init(NULL, NULL, "env:POSTERN_TEST_TOKEN"), CLI_OK);
    cr_expect_str_eq(remote.token, "s3cret");
    remote_done(&remote);
    cr_expect_str_empty(remote.token);
    file_make("from-a-file\r\n");
    char reference[64];
    snprintf(reference, sizeof reference, "file:%s", file_path);
    cr_assert_eq(init(NULL, NULL, reference), CLI_OK);
    cr_expect_str_eq(remote.token, "from-a-file");
}

Test(remote, tokens_that_are_none)
{
    cr_expect_eq(init(NULL, NULL, "s3cret"), CLI_USAGE);
    assert_holds(said, "write it as env:NAME or file:PATH");
    cr_expect_null(strstr(said, "s3cret"));
    cr_expect_eq(init(NULL, NULL, "env:POSTERN_TEST_NOTHING"), CLI_FAILED);
    assert_holds(said, "no such variable");
    setenv("POSTERN_TEST_TOKEN", "a\r\nEvil: 1", 1);
    cr_expect_eq(init(NULL, NULL, "env:POSTERN_TEST_TOKEN"), CLI_FAILED);
    assert_holds(said, "there is no token in it");
    setenv("POSTERN_TEST_TOKEN", "\n", 1);
    cr_expect_eq(init(NULL, NULL, "env:POSTERN_TEST_TOKEN"), CLI_FAILED);
    cr_expect_eq(init(NULL, NULL, "file:/nonexistent"), CLI_FAILED);
    assert_holds(said, "/nonexistent: No such file");
    cr_expect_eq(init(NULL, NULL, "file:/tmp"), CLI_FAILED);
}

Test(remote, a_token_as_large_as_there_is_room_and_one_larger)
{
    static char text[REMOTE_TOKEN_SIZE + 1];
    memset(text, 't', sizeof text - 1);
    setenv("POSTERN_TEST_TOKEN", text, 1);
    cr_expect_eq(init(NULL, NULL, "env:POSTERN_TEST_TOKEN"), CLI_FAILED);
    text[REMOTE_TOKEN_SIZE - 1] = '\0';
    setenv("POSTERN_TEST_TOKEN", text, 1);
    cr_expect_eq(init(NULL, NULL, "env:POSTERN_TEST_TOKEN"), CLI_OK);
    cr_expect_eq(strlen(remote.token), REMOTE_TOKEN_SIZE - 1);
}

Test(remote, a_configuration_tells_both)
{
    file_make(CONFIG "admin: {address: \"127.0.0.1:4711\", token: env:CONFIG_TOKEN}\n");
    setenv("CONFIG_TOKEN", "a-token-of-the-config", 1);
    cr_assert_eq(init(file_path, NULL, NULL), CLI_OK, "%s", said);
    expect_address("127.0.0.1", 4711, "127.0.0.1:4711");
    cr_expect_str_eq(remote.token, "a-token-of-the-config");
    setenv("POSTERN_TEST_TOKEN", "another", 1);
    cr_assert_eq(init(file_path, NULL, "env:POSTERN_TEST_TOKEN"), CLI_OK);
    cr_expect_str_eq(remote.token, "another");
    cr_expect_eq(init(file_path, "http://127.0.0.1:1", NULL), CLI_USAGE);
    assert_holds(said, "not both");
}

Test(remote, a_configuration_without_a_listener_or_that_is_bad)
{
    file_make(CONFIG "admin: {enabled: false}\n");
    cr_expect_eq(init(file_path, NULL, NULL), CLI_FAILED, "%s", said);
    assert_holds(said, "it has no admin listener");
    cr_expect_eq(init("/nonexistent", NULL, NULL), CLI_BAD_CONFIG);
}

/* ---- targets ---- */

Test(remote, targets_are_encoded)
{
    struct buf target;
    buf_init(&target, 256);
    remote_add_path(&target, "events");
    remote_add_path(&target, "a/../b?c");
    remote_add_parameter(&target, "from", "2026-11-21T00:00:00+02:00");
    remote_add_parameter(&target, "route", "a&b=c \xc3\xa9");
    cr_expect(slice_eq(buf_slice(&target),
                       SLICE("/api/v1/events/a%2F..%2Fb%3Fc?from=2026-11-21T00%3A00%3A00%2B02%3A00&"
                             "route=a%26b%3Dc%20%C3%A9")));
    buf_done(&target);
}

Test(remote, a_target_without_room_is_not_asked_for)
{
    struct buf target;
    struct remote_answer answer = {.is_uncertain = true};
    buf_init(&target, 20);
    remote_add_path(&target, "events");
    remote_add_path(&target, "much-too-long");
    remote_add_parameter(&target, "a", "b");
    cr_expect_eq(buf_len(&target), 0);
    cr_assert_eq(init(NULL, NULL, NULL), CLI_OK);
    free(said);
    struct cli_host host = {.err = open_memstream(&said, &said_bytes)};
    remote.host = &host;
    cr_expect_eq(remote_call(&remote, "GET", &target, &answer), CLI_FAILED);
    fclose(host.err);
    assert_holds(said, "the request can't be made");
    cr_expect(!answer.is_uncertain);
}
