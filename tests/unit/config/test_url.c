/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/url: each part there and missing, what is refused, percent-encoding. */
#include "url.h"

#include <criterion/criterion.h>

static struct url cut(const char *text)
{
    struct url url;
    const char *problem = url_parse(slice_str(text), &url);
    cr_assert_null(problem, "%s: %s", text, problem);
    return url;
}

static bool is(struct slice slice, const char *text)
{
    return slice_eq(slice, slice_str(text));
}

Test(url, the_least)
{
    struct url url = cut("http://a");
    cr_assert(is(url.scheme, "http") && is(url.host, "a") && is(url.authority, "a"));
    cr_assert(!url.has_user && !url.has_password && url.port == 0 && url.rest.len == 0);
}

Test(url, everything)
{
    struct url url = cut("redis://me:pa%20ss@redis.local:6380/3?x=y");
    cr_assert(is(url.scheme, "redis") && is(url.user, "me") && is(url.password, "pa%20ss"));
    cr_assert(url.has_user && url.has_password && is(url.host, "redis.local"));
    cr_assert(url.port == 6380 && is(url.authority, "redis.local:6380") && is(url.rest, "/3?x=y"));
}

Test(url, user_without_password_and_password_without_user)
{
    struct url url = cut("redis://me@h");
    cr_assert(url.has_user && !url.has_password && is(url.user, "me"));
    url = cut("redis://:secret@h");
    cr_assert(url.has_user && url.has_password && is(url.user, "") && is(url.password, "secret"));
}

Test(url, the_last_at_sign_ends_the_user)
{
    struct url url = cut("redis://me:p@ss:w@h:1");
    cr_assert(is(url.password, "p@ss:w") && is(url.host, "h") && url.port == 1);
}

Test(url, ipv6_goes_in_brackets)
{
    struct url url = cut("http://[::1]:8000/");
    cr_assert(is(url.host, "::1") && url.port == 8000 && is(url.authority, "[::1]:8000"));
    cr_assert(is(cut("http://[::1]").host, "::1"));
}

Test(url, ports_at_their_limits)
{
    cr_assert_eq(cut("http://a:1").port, 1);
    cr_assert_eq(cut("http://a:65535").port, 65535);
}

Test(url, what_is_refused)
{
    const char *const wrong[] = {"",
                                 "a",
                                 "a:80",
                                 "http:/a",
                                 "://a",
                                 "http://",
                                 "http://:80",
                                 "http:///x",
                                 "http://a:",
                                 "http://a:0",
                                 "http://a:65536",
                                 "http://a:x",
                                 "http://a b",
                                 "http://a:-1",
                                 "http://::1",
                                 "http://[::1",
                                 "http://[]",
                                 "http://[::1]x",
                                 "http://a%41",
                                 "http://a\\b",
                                 "http://\xc3\xa4",
                                 "http://a:080"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct url url = {.port = 7};
        cr_assert_not_null(url_parse(slice_str(wrong[i]), &url), "%s", wrong[i]);
        cr_assert_eq(url.port, 7, "untouched");
    }
    struct url url;
    cr_assert_not_null(url_parse(slice_of(NULL, 0), &url));
}

Test(url, the_host_at_its_longest)
{
    char text[7 + 254 + 1] = "http://";
    memset(text + 7, 'a', 254);
    struct url url;
    cr_assert_null(url_parse(slice_of(text, 7 + 253), &url));
    cr_assert_not_null(url_parse(slice_of(text, 7 + 254), &url));
}

static void decodes(const char *text, const char *expected)
{
    struct arena arena;
    arena_init(&arena, 256, 4096);
    struct slice decoded = SLICE("untouched");
    enum status status = url_decode(slice_str(text), &arena, &decoded);
    cr_assert_eq(status, expected ? STATUS_OK : STATUS_INVALID, "%s", text);
    cr_assert(slice_eq(decoded, expected ? slice_str(expected) : SLICE("untouched")), "%s", text);
    arena_done(&arena);
}

Test(url, percent_decoding)
{
    decodes("", "");
    decodes("plain", "plain");
    decodes("a%40b%2Fc%2f", "a@b/c/");
    decodes("%41", "A");
    decodes("a+b", "a+b");
    decodes("%", NULL);
    decodes("%4", NULL);
    decodes("a%zz", NULL);
    decodes("%4g", NULL);
    decodes("%00", NULL);
}

Test(url, decoding_needs_memory)
{
    struct arena arena;
    struct slice decoded;
    arena_init(&arena, 16, 16);
    cr_assert_eq(url_decode(SLICE("more than sixteen bytes"), &arena, &decoded), STATUS_NO_MEMORY);
    arena_done(&arena);
}
