/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern key` with the running gateway asked: its answer beside one's own. With a store that has
 * seen things it is tests/e2e/test_38_explain.py's.
 */
#include "door.h"

#define CONFIG                                                                                     \
    "listen: [{address: 127.0.0.1:1}]\n"                                                           \
    "upstreams: {a: {endpoints: http://h}}\n"                                                      \
    "routes:\n"                                                                                    \
    "- {name: pay, upstream: a, match: {path: /pay}, key: {header: X-Id}}\n"                       \
    "- {name: mine, upstream: a, match: {path: /m}, key: {header: X-Id}}\n"

static struct route_opts routes[] = {
    {.name = {"pay", 3},
     .match.path = {"/pay", 4},
     .keys = {{.kind = KEY_HEADER, .name = {"X-Id", 4}}},
     .key_count = 1,
     .body_bytes = 64},
    {.name = {"other", 5}, .match.path = {"/o", 2}, .key_count = 1, .body_bytes = 64},
};

static struct upstream_opts upstreams[] = {{.name = {"a", 1}}};

static void set_up(void)
{
    file_make(CONFIG);
    door_prepare();
    door_config.http = HTTP_LIMITS_DEFAULT;
    door_config.body_bytes = 64;
    door_config.routes = routes;
    door_config.route_count = 2;
    door_config.upstreams = upstreams;
    door_config.upstream_count = 1;
    door_open();
}

TestSuite(cli_key_ask, .init = set_up, .fini = door_done);

Test(cli_key_ask, its_answer_is_printed)
{
    expect(RUN("key", "-c", file_path, "-r", "pay", "--admin", door_url, "-H", "X-Id: 1"), CLI_OK,
           "rule    1 of 1: header\nvalue   \"1\"\nkey     ", NULL);
    expect(RUN("key", "-c", file_path, "-r", "pay", "--admin", door_url, "-H", "X-Id: 1", "--json"),
           CLI_OK, "{\"route\":\"pay\",\"matched\":null,", NULL);
}

Test(cli_key_ask, without_a_key_it_says_how_that_ends)
{
    expect(RUN("key", "-c", file_path, "-r", "pay", "--admin", door_url, "--path", "/pay"),
           CLI_FAILED, "would   forward (bypassed_no_key)\n", NULL);
}

Test(cli_key_ask, a_gateway_with_another_configuration)
{
    routes[0].keys[0].name = SLICE("X-Other");
    expect(RUN("key", "-c", file_path, "-r", "pay", "--admin", door_url, "-H", "X-Id: 1"), CLI_OK,
           "value   \"1\"", "note: the running gateway makes another key of it");
    routes[0].keys[0].name = SLICE("X-Id");
}

Test(cli_key_ask, a_route_that_it_does_not_have)
{
    expect(RUN("key", "-c", file_path, "-r", "mine", "--admin", door_url, "-H", "X-Id: 1"),
           CLI_FAILED, NULL, "postern key: The configuration has no route of this name");
}
