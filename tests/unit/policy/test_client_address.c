/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of policy/client_address: addresses, networks, and the walk over X-Forwarded-For from
 * the peer to the client. The grammar of Forwarded is test_forwarded.c; random chains against an
 * oracle are test_client_address_property.c.
 */
#include "forwarding_lines.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct ip ip_of(const char *text)
{
    struct ip ip;
    cr_assert_eq(ip_parse(slice_str(text), &ip), STATUS_OK, "%s", text);
    return ip;
}

static struct network network_of(const char *text)
{
    struct network network;
    cr_assert_eq(network_parse(slice_str(text), &network), STATUS_OK, "%s", text);
    return network;
}

/* ---- addresses ---- */

Test(client_address, addresses_come_back_in_their_shortest_form)
{
    static const char *const cases[][2] = {
        {"10.0.0.5", "10.0.0.5"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::1", "::1"},
        {"::", "::"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"::ffff:c000:207", "192.0.2.7"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"0000:0000:0000:0000:0000:ffff:255.255.255.255", "255.255.255.255"}, /* 45, the longest */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CLIENT_TEXT_SIZE];
        struct ip ip = ip_of(cases[i][0]);
        size_t len = ip_format(&ip, text);
        cr_expect(slice_eq(slice_of(text, len), slice_str(cases[i][1])), "%s", cases[i][0]);
    }
}

Test(client_address, ipv4_is_told_from_ipv6)
{
    static const struct {
        const char *text;
        bool is_v4;
    } cases[] = {
        {"0.0.0.0", true},
        {"255.255.255.255", true},
        {"::ffff:192.0.2.7", true},
        {"::ffff:0:0", true},
        {"::", false},
        {"::192.0.2.7", false},
        {"::fffe:192.0.2.7", false},
        {"::1:ffff:192.0.2.7", false},
        {"8000::ffff:192.0.2.7", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ip ip = ip_of(cases[i].text);
        cr_expect_eq(ip_is_v4(&ip), cases[i].is_v4, "%s", cases[i].text);
    }
}

Test(client_address, what_is_no_address)
{
    static const char *const cases[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4:80",
        "[::1]",
        "::1%lo",
        "fe80::1%1",
        ":",
        ":::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "g::1",
        "localhost",
        "0x7f.0.0.1",
        "127.1",
        "2130706433",
        "0000:0000:0000:0000:0000:0ffff:255.255.255.255", /* 46, one too many */
        "::ffff:1.2.3.4.",
        "unknown",
        "_hidden",
        "-1.2.3.4",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ip ip = {.bytes = {42}};
        cr_expect_eq(ip_parse(slice_str(cases[i]), &ip), STATUS_INVALID, "%s", cases[i]);
        cr_expect_eq(ip.bytes[0], 42, "untouched");
    }
    struct ip ip;
    cr_assert_eq(ip_parse(SLICE("1.2.3.4\0"), &ip), STATUS_INVALID);
    cr_assert_eq(ip_parse(SLICE("1.2.3.4\0 forged"), &ip), STATUS_INVALID);
}

/* ---- networks ---- */

Test(client_address, networks)
{
    static const struct {
        const char *network, *inside, *outside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"10.0.0.0/8", "::ffff:10.1.2.3", "a00::"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
        {"192.0.2.7/32", "192.0.2.7", "192.0.2.8"},
        {"0.0.0.0/0", "255.0.0.1", "::1"},
        {"128.0.0.0/1", "255.0.0.1", "127.255.255.255"},
        {"2001:db8::/32", "2001:db8:ffff::", "2001:db9::"},
        {"2001:db8::1", "2001:db8::1", "2001:db8::"},
        {"2001:db8::8/127", "2001:db8::9", "2001:db8::a"},
        {"::/0", "ffff::", "10.0.0.1"},
        {"::/95", "::1", "10.0.0.1"},
        {"::ffff:0:0/96", "10.0.0.1", "::fffe:a00:1"},
        {"::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"},
        {"8000::/1", "ffff::", "7fff::"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network network = network_of(cases[i].network);
        struct ip inside = ip_of(cases[i].inside), outside = ip_of(cases[i].outside);
        cr_expect(networks_hold(&network, 1, &inside), "%s", cases[i].network);
        cr_expect_not(networks_hold(&network, 1, &outside), "%s", cases[i].network);
    }
}

Test(client_address, any_of_several_networks_and_none_of_none)
{
    const struct network networks[] = {network_of("10.0.0.0/8"), network_of("2001:db8::/32")};
    struct ip first = ip_of("10.1.1.1"), second = ip_of("2001:db8::1"), other = ip_of("1.1.1.1");
    cr_assert(networks_hold(networks, 2, &first));
    cr_assert(networks_hold(networks, 2, &second));
    cr_assert_not(networks_hold(networks, 2, &other));
    cr_assert_not(networks_hold(networks, 0, &first));
    cr_assert_not(networks_hold(NULL, 0, &first));
}

Test(client_address, what_is_no_network)
{
    static const char *const cases[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "10.0.0.0/ 8",
        "10.0.0.0/8 ",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "::/129",
        "::1/127",
        "2001:db8::/1000",
        "10.0.0.0/+8",
        "10.0.0.0/4294967304",
        "::ffff:10.0.0.1/104",
        "localhost/8",
        "[::1]/128",
        "0.0.0.1/0",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network network = {.bits = 7};
        cr_expect_eq(network_parse(slice_str(cases[i]), &network), STATUS_INVALID, "%s", cases[i]);
        cr_expect_eq(network.bits, 7, "untouched");
    }
}

/* ---- the walk ---- */

/* The client of a request from `peer` with these lines (up to three), trusting 10/8 and fd00::/8.
 */
static struct client_found find(const char *peer, const struct line *lines, size_t count)
{
    const struct network trusted[] = {network_of("10.0.0.0/8"), network_of("fd00::/8")};
    struct lines all = {.lines = lines, .count = count};
    struct forwarded_fields fields = {.headers = &all, .get = get_line};
    return client_find(slice_str(peer), trusted, 2, &fields);
}

static void is_client(struct client_found found, const char *expected)
{
    struct ip ip = ip_of(expected);
    char text[CLIENT_TEXT_SIZE + 1] = {0};
    (void)ip_format(&found.ip, text);
    cr_expect(found.known);
    cr_expect(memcmp(&found.ip, &ip, sizeof ip) == 0, "%s, expected %s", text, expected);
}

static void check_for(const char *value, const char *expected)
{
    const struct line line = {"X-Forwarded-For", value};
    struct client_found found = find("10.0.0.1", &line, 1);
    cr_expect(found.via_proxy);
    is_client(found, expected);
}

Test(client_address, a_peer_nobody_trusts_is_the_client)
{
    const struct line lines[] = {{"X-Forwarded-For", "6.6.6.6"}, {"X-Forwarded-Proto", "https"}};
    struct client_found found = find("192.0.2.7", lines, 2);
    is_client(found, "192.0.2.7");
    cr_assert_not(found.via_proxy);
    cr_assert_not(found.https);
    cr_assert_not(found.https_told);
}

Test(client_address, a_peer_without_an_address_is_unknown)
{
    const struct line line = {"X-Forwarded-For", "6.6.6.6"};
    const struct ip zero = {0};
    struct client_found found = find("unix", &line, 1);
    cr_assert_not(found.known);
    cr_assert_not(found.via_proxy);
    cr_assert(memcmp(&found.ip, &zero, sizeof zero) == 0);
    cr_assert_not(find("", &line, 1).known);
}

Test(client_address, a_trusted_peer_that_says_nothing_is_the_client)
{
    struct client_found found = find("10.0.0.1", NULL, 0);
    is_client(found, "10.0.0.1");
    cr_assert(found.via_proxy);
    cr_assert_not(found.https_told);
}

Test(client_address, the_first_from_the_right_that_is_not_trusted)
{
    check_for("203.0.113.9", "203.0.113.9");
    check_for("6.6.6.6, 203.0.113.9", "203.0.113.9");
    check_for("6.6.6.6,203.0.113.9,10.0.0.2", "203.0.113.9");
    check_for("6.6.6.6\t,  203.0.113.9\t , 10.0.0.2 ,10.0.0.3", "203.0.113.9");
    check_for("10.0.0.3, 10.0.0.2", "10.0.0.3");
    check_for("10.0.0.3, 203.0.113.9, fd00::2", "203.0.113.9");
}

Test(client_address, ports_and_brackets)
{
    check_for("203.0.113.9:4711", "203.0.113.9");
    check_for("203.0.113.9:1", "203.0.113.9");
    check_for("203.0.113.9:65535", "203.0.113.9");
    check_for("2001:db8::1", "2001:db8::1");
    check_for("[2001:db8::1]", "2001:db8::1");
    check_for("[2001:db8::1]:4711", "2001:db8::1");
    check_for("203.0.113.9:_obf.us-c8", "203.0.113.9");
    check_for("[::ffff:10.0.0.2]:80, x", "10.0.0.1");
    check_for("203.0.113.9, [::ffff:10.0.0.2]:80", "203.0.113.9");
}

Test(client_address, what_cannot_be_read_ends_the_walk)
{
    static const char *const bad[] = {
        "unknown",
        "_hidden",
        "\"203.0.113.9\"",
        "203.0.113.9:",
        "203.0.113.9:123456",
        "203.0.113.9:x",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[]",
        "[203.0.113.9]",
        "::1]",
        "fe80::1%eth0",
        "203.0.113.9 1.2.3.4",
        "203.0.113.9:_",
        "203.0.113.9:8_",
        "[::1]:_\x7f",
        "[::1]80",
        "[[::1]]",
        ":80",
        "203.0.113.9:-1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char value[128];
        snprintf(value, sizeof value, "6.6.6.6, %s", bad[i]);
        check_for(value, "10.0.0.1");
        snprintf(value, sizeof value, "6.6.6.6, %s, 10.0.0.2", bad[i]);
        check_for(value, "10.0.0.2");
    }
}

Test(client_address, empty_entries_stand_for_nothing)
{
    check_for("", "10.0.0.1");
    check_for(",", "10.0.0.1");
    check_for(" , ,", "10.0.0.1");
    check_for("203.0.113.9,", "203.0.113.9");
    check_for("203.0.113.9,, ,10.0.0.2, ", "203.0.113.9");
    check_for(",203.0.113.9", "203.0.113.9");
}

Test(client_address, lines_are_one_list)
{
    const struct line lines[] = {
        {"X-Forwarded-For", "6.6.6.6, 203.0.113.9"},
        {"X-Forwarded-For", ""},
        {"X-Forwarded-For", "10.0.0.3, 10.0.0.2"},
    };
    is_client(find("10.0.0.1", lines, 3), "203.0.113.9");
}

/* `count` trusted entries right of an address. */
static void check_chain(unsigned count, const char *expected)
{
    char value[1024];
    size_t len = (size_t)snprintf(value, sizeof value, "203.0.113.9");
    for (unsigned i = count; i > 0; i--)
        len += (size_t)snprintf(value + len, sizeof value - len, ", 10.0.1.%u", i);
    check_for(value, expected);
}

Test(client_address, the_chain_has_a_length)
{
    check_chain(CLIENT_MAX_HOPS - 2, "203.0.113.9");
    check_chain(CLIENT_MAX_HOPS - 1, "203.0.113.9");
    check_chain(CLIENT_MAX_HOPS, "10.0.1.32");
    check_chain(CLIENT_MAX_HOPS + 1, "10.0.1.32");
}

Test(client_address, empty_entries_count_against_that_length)
{
    char value[64] = "203.0.113.9";
    size_t len = strlen(value);
    memset(value + len, ',', CLIENT_MAX_HOPS - 1);
    check_for(value, "203.0.113.9");
    memset(value + len, ',', CLIENT_MAX_HOPS);
    check_for(value, "10.0.0.1");
}

/* ---- both kinds ---- */

Test(client_address, forwarded_is_read_alone)
{
    const struct line line = {"Forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:4711\";proto=https, "
                                           "For=10.0.0.2;proto=http"};
    struct client_found found = find("10.0.0.1", &line, 1);
    is_client(found, "2001:db8::1");
    cr_assert(found.https_told && found.https, "its own entry tells");
}

Test(client_address, forwarded_gives_way_to_x_forwarded_for)
{
    const struct line lines[] = {{"Forwarded", "for=6.6.6.6;proto=https"},
                                 {"X-Forwarded-For", "203.0.113.9"}};
    struct client_found found = find("10.0.0.1", lines, 2);
    is_client(found, "203.0.113.9");
    cr_assert_not(found.https_told);
    const struct line empty[] = {{"Forwarded", "for=6.6.6.6"}, {"X-Forwarded-For", ""}};
    is_client(find("10.0.0.1", empty, 2), "10.0.0.1");
}

Test(client_address, what_is_hidden_in_forwarded_ends_the_walk)
{
    static const char *const bad[] = {"for=unknown", "for=\"_gazonk\"", "proto=https", "for=\"x",
                                      "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct line lines[] = {
            {"Forwarded", "for=6.6.6.6"}, {"Forwarded", bad[i]}, {"Forwarded", "for=10.0.0.2"}};
        struct client_found found = find("10.0.0.1", lines, 3);
        is_client(found, "10.0.0.2");
        cr_assert_not(found.https_told);
    }
}

/* ---- the scheme ---- */

static void check_scheme(const char *proto, const char *chain, bool told, bool https)
{
    const struct line lines[] = {{"X-Forwarded-Proto", proto}, {"X-Forwarded-For", chain}};
    struct client_found found = find("10.0.0.1", lines, chain ? 2 : 1);
    cr_expect_eq(found.https_told, told, "%s of %s", proto, chain ? chain : "none");
    cr_expect_eq(found.https, https, "%s of %s", proto, chain ? chain : "none");
}

Test(client_address, the_scheme_a_trusted_proxy_tells)
{
    check_scheme("https", NULL, true, true);
    check_scheme("HTTPS", "203.0.113.9", true, true);
    check_scheme("http", "203.0.113.9", true, false);
    check_scheme("wss", "203.0.113.9", false, false);
    check_scheme("", "203.0.113.9", false, false);
    check_scheme("https", "203.0.113.9, 10.0.0.2", true, true);
}

Test(client_address, the_scheme_in_a_chain_is_the_clients)
{
    check_scheme("https, http", "203.0.113.9", true, false);
    check_scheme("http, https, http", "203.0.113.9, 10.0.0.2", true, true);
    check_scheme("https, http, http", "6.6.6.6, 203.0.113.9, 10.0.0.2", true, false);
    check_scheme("https, http", "203.0.113.9, 10.0.0.2, 10.0.0.3", true, true);
    check_scheme("https, http", NULL, true, false);
    check_scheme("https,,", "203.0.113.9", true, true);
}

Test(client_address, a_scheme_behind_too_many_commas_is_not_looked_for)
{
    char value[64] = "https";
    memset(value + 5, ',', CLIENT_MAX_HOPS - 1);
    check_scheme(value, NULL, true, true);
    memset(value + 5, ',', CLIENT_MAX_HOPS);
    check_scheme(value, NULL, false, false);
}
