/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: which texts are one, how they are written, and what counts as loopback.
 */
#include "address_impl.h"

#include <criterion/criterion.h>
#include <netinet/in.h>

static struct address parsed(const char *text)
{
    struct address address;
    cr_assert_eq(address_parse(slice_str(text), &address), STATUS_OK, "%s", text);
    return address;
}

Test(address, round_trips)
{
    static const char *const texts[] = {
        "1.2.3.4:80",    "0.0.0.0:0",       "255.255.255.255:65535",
        "[::1]:80",      "[::]:8443",       "[2001:db8::1:0:0:7]:65535",
        "127.0.0.1:443", "[fe80::aa]:9901",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address address = parsed(texts[i]);
        char text[ADDRESS_TEXT_SIZE];
        address_format(&address, text);
        cr_assert_str_eq(text, texts[i]);
    }
}

Test(address, longest_text_fits)
{
    const char *text = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535";
    struct address address = parsed(text);
    char written[ADDRESS_TEXT_SIZE];
    address_format(&address, written);
    cr_assert_str_eq(written, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

Test(address, host_alone_has_no_brackets)
{
    struct address ipv6 = parsed("[2001:db8::1]:80");
    struct address ipv4 = parsed("10.0.0.5:80");
    char text[ADDRESS_TEXT_SIZE];
    address_format_host(&ipv6, text);
    cr_assert_str_eq(text, "2001:db8::1");
    address_format_host(&ipv4, text);
    cr_assert_str_eq(text, "10.0.0.5");
}

Test(address, refuses_what_is_not_numeric_with_a_port)
{
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3:80",
        "1.2.3.4:x",
        "1.2.3.4:-1",
        "1.2.3.4:65536",
        "1.2.3.4:000080",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[1.2.3.4]:80",
        "localhost:80",
        "[]:80",
        "[::1]]:80",
        "1.2.3.4:+80",
        " 1.2.3.4:80",
        "1.2.3.4:80 ",
        "[fe80::1%lo]:80",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address untouched = {.storage = {0xaa}};
        cr_assert_eq(address_parse(slice_str(texts[i]), &untouched), STATUS_INVALID, "%s",
                     texts[i]);
        cr_assert_eq(untouched.storage[0], 0xaa);
    }
    struct address address;
    cr_assert_eq(address_parse(SLICE("1.2.3.4\0:80"), &address), STATUS_INVALID);
}

Test(address, loopback)
{
    struct address yes[] = {parsed("127.0.0.1:1"), parsed("127.255.0.9:1"), parsed("[::1]:1"),
                            parsed("[::ffff:127.0.0.1]:1")};
    struct address no[] = {parsed("126.0.0.1:1"), parsed("128.0.0.1:1"),
                           parsed("0.0.0.0:1"),   parsed("[::]:1"),
                           parsed("[::2]:1"),     parsed("[::ffff:10.0.0.1]:1"),
                           parsed("[7f00::1]:1")};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        cr_assert(address_is_loopback(&yes[i]), "yes %zu", i);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        cr_assert_not(address_is_loopback(&no[i]), "no %zu", i);
}

Test(address, mapped_ipv4_from_the_kernel_becomes_ipv4)
{
    struct address mapped = parsed("[::ffff:10.1.2.3]:77");
    struct address plain;
    char text[ADDRESS_TEXT_SIZE];
    cr_assert(address_from_sockaddr(address_sockaddr(&mapped), &plain));
    address_format(&plain, text);
    cr_assert_str_eq(text, "10.1.2.3:77");
    cr_assert_eq(address_sockaddr_len(&plain), sizeof(struct sockaddr_in));
}

Test(address, other_families_are_refused)
{
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct address address;
    cr_assert_not(address_from_sockaddr(&other, &address));
}

Test(address, port_of_either_family_can_be_set)
{
    struct address addresses[] = {parsed("1.2.3.4:1"), parsed("[::1]:1")};
    static const char *const texts[] = {"1.2.3.4:65535", "[::1]:65535"};
    for (size_t i = 0; i < 2; i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_set_port(&addresses[i], 65535);
        address_format(&addresses[i], text);
        cr_assert_str_eq(text, texts[i]);
    }
}
