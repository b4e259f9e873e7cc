/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/forwarded: taking lists apart from the right, nodes, and single entries of
 * RFC 7239, with what attackers put left of them. */
#include "forwarded.h"

#include <criterion/criterion.h>
#include <stdio.h>

static bool is_text(struct slice slice, const char *text)
{
    return slice_eq(slice, slice_str(text));
}

/* ---- lists ---- */

typedef bool take_last(struct slice *list, struct slice *ret_entry);

static void check_list(take_last *take, const char *text, const char *const *entries)
{
    struct slice list = slice_str(text), entry;
    for (; *entries; entries++) {
        cr_expect(take(&list, &entry), "%s", text);
        cr_expect(is_text(entry, *entries), "%s: %.*s, expected %s", text, (int)entry.len,
                  entry.data, *entries);
    }
    cr_expect_not(take(&list, &entry), "%s", text);
}

#define LIST(take, text, ...) check_list(take, text, (const char *const[]){__VA_ARGS__, NULL})

Test(forwarded, lists_from_the_right)
{
    LIST(list_take_last, "a", "a");
    LIST(list_take_last, "a, b ,\tc", "c", "b", "a");
    LIST(list_take_last, ",a", "a");
    LIST(list_take_last, "a,", "", "a");
    LIST(list_take_last, ",,", "", "");
    LIST(list_take_last, "\"a, b\"", "b\"", "\"a");
    struct slice none = SLICE(""), entry;
    cr_assert_not(list_take_last(&none, &entry));
    cr_assert_not(forwarded_take_last(&none, &entry));
}

Test(forwarded, commas_in_strings_separate_nothing)
{
    LIST(forwarded_take_last, "for=a, for=b", "for=b", "for=a");
    LIST(forwarded_take_last, "for=\"a, b\", for=c", "for=c", "for=\"a, b\"");
    LIST(forwarded_take_last, "x=\"\\\",\\\"\", for=c", "for=c", "x=\"\\\",\\\"\"");
    LIST(forwarded_take_last, "x=\"a,\\\\\", for=c", "for=c", "x=\"a,\\\\\"");
    LIST(forwarded_take_last, "x=\",\";y=\",\", z", "z", "x=\",\";y=\",\"");
    LIST(forwarded_take_last, "x=\"\\\\\\\",\"", "x=\"\\\\\\\",\"");
    LIST(forwarded_take_last, "for=a,", "", "for=a");
}

/* What a client left open, proxies have appended to. */
Test(forwarded, an_open_quote_swallows_nothing_to_its_right)
{
    LIST(forwarded_take_last, "for=\"6.6.6.6, for=b", "for=b", "for=\"6.6.6.6");
    LIST(forwarded_take_last, "for=6;by=\", for=b, for=\"[::1]\"", "for=\"[::1]\"", "for=b",
         "for=6;by=\"");
    LIST(forwarded_take_last, "\", for=6.6.6.6, x=\", for=b", "for=b", "\", for=6.6.6.6, x=\"");
    LIST(forwarded_take_last, "\\, for=b", "for=b", "\\");
}

/* ---- nodes ---- */

Test(forwarded, nodes)
{
    static const char *const good[] = {
        "192.0.2.7",    "192.0.2.7:0",        "192.0.2.7:99999",   "192.0.2.7:_x",
        "[::c000:207]", "[::c000:207]:1",     "[::c000:207]:_a-b", "::c000:207",
        "::1:80",       "[::ffff:192.0.2.7]",
    };
    static const char *const bad[] = {
        "",
        "[",
        "]",
        "[]",
        "[]:80",
        "[:]",
        "[192.0.2.7]",
        "192.0.2.7:",
        "192.0.2.7:100000",
        "192.0.2.7:8o",
        "192.0.2.7:_",
        "192.0.2.7:_é",
        "[::1]:",
        "[::1]:_",
        "[::1]8",
        "[::1",
        "unknown",
        "_SEVKISEK",
        "unknown:80",
        "x[::1]",
        "192.0.2.7:80:80",
        " 192.0.2.7",
    };
    struct ip ip;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect_eq(node_parse(slice_str(good[i]), &ip), STATUS_OK, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(node_parse(slice_str(bad[i]), &ip), STATUS_INVALID, "%s", bad[i]);
    cr_expect_eq(node_parse(SLICE("192.0.2.7:_a\0"), &ip), STATUS_INVALID);
}

/* ---- entries ---- */

Test(forwarded, entries)
{
    static const struct {
        const char *text, *address;
        enum told_scheme scheme;
    } cases[] = {
        {"for=192.0.2.60", "192.0.2.60", SCHEME_UNTOLD},
        {"For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17", SCHEME_UNTOLD},
        {"for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60", SCHEME_HTTP},
        {"proto=https;for=192.0.2.60", "192.0.2.60", SCHEME_HTTPS},
        {"PROTO=\"HTTPS\";FOR=192.0.2.60", "192.0.2.60", SCHEME_HTTPS},
        {"for=192.0.2.60;proto=wss", "192.0.2.60", SCHEME_UNTOLD},
        {"for=\"192.0.2.60:80\"", "192.0.2.60", SCHEME_UNTOLD},
        {"for=\"192.0.\\2.60\"", "192.0.2.60", SCHEME_UNTOLD},
        {";;for=192.0.2.60;;", "192.0.2.60", SCHEME_UNTOLD},
        {"for=192.0.2.60 ; proto=https ;", "192.0.2.60", SCHEME_HTTPS},
        {"for=[2001:db8::17]:80;proto=http", "2001:db8::17", SCHEME_HTTP},
        {"for=192.0.2.60;host=\"a;b=\\\"c\\\"\";x=\"\"", "192.0.2.60", SCHEME_UNTOLD},
        {"for=192.0.2.60;host=\"a value of more than sixty-four bytes, which is no address and no "
         "scheme\";proto=https",
         "192.0.2.60", SCHEME_HTTPS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct forwarded_entry entry;
        struct ip ip;
        cr_assert_eq(ip_parse(slice_str(cases[i].address), &ip), STATUS_OK);
        cr_assert_eq(forwarded_parse(slice_str(cases[i].text), &entry), STATUS_OK, "%s",
                     cases[i].text);
        cr_expect(memcmp(&entry.ip, &ip, sizeof ip) == 0, "%s", cases[i].text);
        cr_expect_eq(entry.scheme, cases[i].scheme, "%s", cases[i].text);
    }
}

Test(forwarded, what_is_no_entry)
{
    static const char *const cases[] = {
        "",
        ";",
        "for",
        "for=",
        "=192.0.2.60",
        "for =192.0.2.60",
        "for= 192.0.2.60",
        "for=192.0.2.60 proto=http",
        "for=192.0.2.60;for=192.0.2.61",
        "for=192.0.2.60;FOR=192.0.2.60",
        "for=unknown",
        "for=\"_gazonk\"",
        "for=\"\"",
        "for=\"192.0.2.60",
        "for=\"192.0.2.60\\",
        "for=\"192.0.2.60\"x",
        "for=192.0.2.60;proto",
        "for=192.0.2.60;\"proto\"=http",
        "for=192.0.2.60;proto=ht@tp",
        "proto=https",
        "192.0.2.60",
        "for=192.0.2.60;;x",
        "for=\"[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:_a_port_of_many_letters_1\"",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct forwarded_entry entry = {.scheme = SCHEME_HTTP};
        cr_expect_eq(forwarded_parse(slice_str(cases[i]), &entry), STATUS_INVALID, "%s", cases[i]);
        cr_expect_eq(entry.scheme, SCHEME_HTTP, "untouched");
    }
    struct forwarded_entry entry;
    cr_expect_eq(forwarded_parse(SLICE("for=192.0.2.60\0"), &entry), STATUS_INVALID);
}

/* A value of the most bytes that are kept is whole, one more is cut and means nothing. */
Test(forwarded, the_longest_value)
{
    static const char head[] = "for=\"[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:_";
    char text[128];
    struct forwarded_entry entry;
    size_t value = sizeof head - 1 - 5;
    snprintf(text, sizeof text, "%s%.*s\"", head, (int)(64 - value),
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    cr_assert_eq(forwarded_parse(slice_str(text), &entry), STATUS_OK);
    snprintf(text, sizeof text, "%s%.*s\"", head, (int)(65 - value),
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    cr_assert_eq(forwarded_parse(slice_str(text), &entry), STATUS_INVALID);
}
