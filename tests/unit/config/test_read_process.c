/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_process: workers, listeners, trusted proxies, the admin's address, log
 * format, names. */
#include "parsing.h"
#include "readers.h"

static uint32_t workers(const char *text)
{
    char top[64];
    snprintf(top, sizeof(top), "workers: %s\n", text);
    struct parsed parsed = parse_with(top, "", "");
    cr_assert_eq(parsed.status, STATUS_OK, "%s", parsed.report);
    uint32_t count = parsed.config->workers;
    parsed_done(&parsed);
    return count;
}

Test(read_process, workers)
{
    cr_assert_geq(workers("auto"), 1);
    cr_assert_eq(workers("1"), 1);
    cr_assert_eq(workers("32"), 32);
    struct parsed parsed = parse_with("workers: 256\njournal: {buffer: 1GiB}\n", "", "");
    assert_clean(parsed);
    parsed_done(&parsed);
    const char *const wrong[] = {"0", "257", "-1", "many", "1.5", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char top[64];
        snprintf(top, sizeof(top), "workers: %s\n", wrong[i]);
        expect_error(top, "", "", "workers must be auto or a number from 1 to 256");
    }
    expect_error("workers: [1]\n", "", "", "workers must be one value, not a list");
}

static struct parsed parse_listen(const char *listen)
{
    char text[1024];
    int len = snprintf(text, sizeof(text),
                       "upstreams: {a: {endpoints: http://h}}\n"
                       "routes: [{name: r, upstream: a, match: {path: /}}]\n"
                       "listen: %s\n",
                       listen);
    cr_assert_lt(len, (int)sizeof(text));
    return parse(slice_of(text, (size_t)len));
}

static void expect_listeners(const char *listen, size_t count)
{
    struct parsed parsed = parse_listen(listen);
    assert_clean(parsed);
    cr_assert_eq(parsed.config->listen_count, count);
    parsed_done(&parsed);
}

static void expect_listen_error(const char *listen, const char *words)
{
    struct parsed parsed = parse_listen(listen);
    assert_one_error(parsed, words);
    parsed_done(&parsed);
}

Test(read_process, listeners)
{
    expect_listeners("[{address: 0.0.0.0:8080}]", 1);
    expect_listeners("[{address: 127.0.0.1:1}, {address: \"[::1]:1\"}]", 2);
    expect_listeners("[{address: 127.0.0.1:0}, {address: 127.0.0.1:0}]", 2);
    struct parsed parsed = parse_listen("[{address: \"[::1]:8080\"}]");
    char text[ADDRESS_TEXT_SIZE];
    address_format(&parsed.config->listen[0].address, text);
    cr_assert_str_eq(text, "[::1]:8080");
    parsed_done(&parsed);
}

Test(read_process, listeners_at_and_above_their_most)
{
    char listen[1024];
    for (unsigned count = 16; count <= 17; count++) {
        size_t len = 0;
        for (unsigned i = 0; i < count; i++)
            len += (size_t)snprintf(listen + len, sizeof(listen) - len, "%s{address: 127.0.0.1:%u}",
                                    i ? ", " : "[", 1000 + i);
        snprintf(listen + len, sizeof(listen) - len, "]");
        if (count == 16)
            expect_listeners(listen, 16);
        else
            expect_listen_error(listen, "listen must be a list of 1 to 16 listeners");
    }
}

Test(read_process, listeners_that_are_refused)
{
    expect_listen_error("[]", "listen must be a list of 1 to 16");
    expect_listen_error("127.0.0.1:1", "listen must be a list of 1 to 16");
    expect_listen_error("{address: 127.0.0.1:1}", "listen must be a list of 1 to 16");
    expect_listen_error("[127.0.0.1:1]", "a listener must be a map");
    expect_listen_error("[{}]", "address is missing");
    expect_listen_error("[{address: localhost:80}]", "\"localhost:80\" is not an address and port");
    expect_listen_error("[{address: 127.0.0.1}]", "is not an address and port");
    expect_listen_error("[{address: 127.0.0.1:65536}]", "is not an address and port");
    expect_listen_error("[{address: \":80\"}]", "did you mean \"0.0.0.0:80\"?");
    expect_listen_error("[{address: }]", "address has no value");
    expect_listen_error("[{address: 127.0.0.1:1, tls: true}]", "tls must be a map of settings");
    expect_listen_error("[{address: 127.0.0.1:1}, {address: 127.0.0.1:1}]",
                        "the same address twice");
}

Test(read_process, a_missing_address_twice_is_told_twice)
{
    struct parsed parsed = parse_listen("[{}, {}]");
    cr_assert_eq(times(&parsed, "address is missing"), 2);
    cr_assert_eq(times(&parsed, "error:"), 2);
    parsed_done(&parsed);
}

Test(read_process, trusted_proxies)
{
    struct parsed parsed =
        parse_with("trusted_proxies: [10.0.0.0/8, \"::1\", \"2001:db8::/32\"]\n", "", "");
    struct ip ip;
    assert_clean(parsed);
    const struct config *config = parsed.config;
    cr_assert_eq(config->trusted_proxy_count, 3);
    cr_assert_eq(ip_parse(SLICE("10.200.0.1"), &ip), STATUS_OK);
    cr_assert(networks_hold(config->trusted_proxies, 3, &ip));
    cr_assert_eq(ip_parse(SLICE("11.0.0.1"), &ip), STATUS_OK);
    cr_assert_not(networks_hold(config->trusted_proxies, 3, &ip));
    parsed_done(&parsed);
    expect_clean("trusted_proxies: 127.0.0.1\n", "", "");
}

Test(read_process, trusted_proxies_that_are_refused)
{
    expect_error("trusted_proxies: [proxy.local]\n", "", "",
                 "f.yaml:9:19: error: \"proxy.local\" is not an address or network");
    expect_error("trusted_proxies: [10.0.0.1/8]\n", "", "", "no bits set below the prefix");
    expect_error("trusted_proxies: [10.0.0.0/33]\n", "", "", "is not an address or network");
    expect_error("trusted_proxies: [\"10.0.0.1:80\"]\n", "", "", "is not an address or network");
    expect_error("trusted_proxies: []\n", "", "",
                 "trusted_proxies must have 1 to 256 items, not 0");
    expect_error("trusted_proxies: {a: b}\n", "", "",
                 "trusted_proxies must be one value, not a map");
    expect_error("trusted_proxies:\n", "", "", "trusted_proxies has no value");
    expect_warning("trusted_proxies: 0.0.0.0/0\n", "", "", "everyone is a trusted proxy");
    expect_warning("trusted_proxies: [\"::/0\"]\n", "", "", "everyone is a trusted proxy");
}

Test(read_process, trusted_proxies_at_and_above_their_most)
{
    char top[8192];
    for (unsigned count = 256; count <= 257; count++) {
        size_t len = 0;
        for (unsigned i = 0; i < count; i++)
            len += (size_t)snprintf(top + len, sizeof(top) - len, "%s10.0.%u.%u",
                                    i ? ", " : "trusted_proxies: [", i / 256, i % 256);
        snprintf(top + len, sizeof(top) - len, "]\n");
        if (count == 256)
            expect_clean(top, "", "");
        else
            expect_error(top, "", "", "trusted_proxies must have 1 to 256 items, not 257");
    }
}

Test(read_process, admin_access)
{
    expect_clean("admin: {address: \"[::1]:9901\"}\n", "", "");
    expect_clean("admin: {address: 127.8.8.8:9901}\n", "", "");
    expect_clean("admin: {address: 0.0.0.0:9901, enabled: false}\n", "", "");
    expect_error("admin: {address: 0.0.0.0:9901}\n", "", "",
                 "f.yaml:9:18: error: without admin.token the admin listener may only be on");
    expect_error("admin: {address: \"[::]:9901\"}\n", "", "", "without admin.token");
    expect_error("admin: {address: everywhere}\n", "", "", "is not an address and port");
    expect_error("admin: {address: 0.0.0.0:9901, token: env:POSTERN_NOT_SET}\n", "", "",
                 "POSTERN_NOT_SET is not set");
}

Test(read_process, log_formats)
{
    const struct {
        const char *top;
        bool is_auto;
        enum log_format format;
    } cases[] = {{"", true, LOG_FORMAT_JSON},
                 {"log: {format: auto}\n", true, LOG_FORMAT_JSON},
                 {"log: {format: json}\n", false, LOG_FORMAT_JSON},
                 {"log: {format: text}\n", false, LOG_FORMAT_TEXT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed parsed = parse_with(cases[i].top, "", "");
        assert_clean(parsed);
        cr_assert_eq(parsed.config->log_format_auto, cases[i].is_auto);
        cr_assert_eq(parsed.config->log_format, cases[i].format);
        parsed_done(&parsed);
    }
    expect_error("log: {format: xml}\n", "", "", "log.format must be auto | json | text");
}

Test(read_process, names)
{
    char longest[65];
    memset(longest, 'a', 65);
    cr_assert_null(check_name(slice_of(longest, 1)));
    cr_assert_null(check_name(slice_of(longest, 64)));
    cr_assert_not_null(check_name(slice_of(longest, 65)));
    cr_assert_not_null(check_name(SLICE("")));
    cr_assert_null(check_name(SLICE("Az09._-")));
    const char *const wrong[] = {"a b", "a{", "a:b", "a/b", "\xc3\xa4", "a*"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_not_null(check_name(slice_str(wrong[i])), "%s", wrong[i]);
}

Test(read_process, file_paths)
{
    char longest[4096];
    memset(longest, 'a', sizeof(longest));
    cr_assert_null(check_file_path(slice_of(longest, 4095)));
    cr_assert_not_null(check_file_path(slice_of(longest, 4096)));
    cr_assert_not_null(check_file_path(SLICE("")));
    expect_error("journal: {sqlite: {path: ''}}\n", "", "", "journal.sqlite.path must be a file");
}
