/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of admin/guard: tokens, browsers' cross-site requests, hosts that could be rebound. */
#include "guard.h"

#include <criterion/criterion.h>

static struct http_field fields[2];
static struct http_head head = {.fields = fields, .host = {"127.0.0.1:9901", 14}};

static const struct http_head *with(const char *name, const char *value)
{
    fields[0] = (struct http_field){.name = slice_str(name), .value = slice_str(value)};
    head.field_count = 1;
    return &head;
}

Test(guard, tokens)
{
    struct slice secret = SLICE("s3cret");
    cr_expect(guard_has_token(&head, SLICE("")));
    cr_expect(!guard_has_token(&head, secret));
    cr_expect(guard_has_token(with("authorization", "bearer s3cret"), secret));
    cr_expect(guard_has_token(with("Authorization", "Bearer  s3cret"), secret));
    cr_expect(!guard_has_token(with("Authorization", "Bearer s3cre"), secret));
    cr_expect(!guard_has_token(with("Authorization", "Bearer s3cret1"), secret));
    cr_expect(!guard_has_token(with("Authorization", "Bearer"), secret));
    cr_expect(!guard_has_token(with("Authorization", "Basic s3cret"), secret));
}

Test(guard, programs_are_not_foreign)
{
    cr_expect(!guard_is_foreign(&head));
    cr_expect(!guard_is_foreign(with("Sec-Fetch-Site", "none")));
    cr_expect(!guard_is_foreign(with("Sec-Fetch-Site", "same-origin")));
    cr_expect(!guard_is_foreign(with("Origin", "http://127.0.0.1:9901")));
    cr_expect(!guard_is_foreign(with("Origin", "https://127.0.0.1:9901")));
}

Test(guard, pages_of_others_are)
{
    cr_expect(guard_is_foreign(with("Sec-Fetch-Site", "cross-site")));
    cr_expect(guard_is_foreign(with("Sec-Fetch-Site", "same-site")));
    cr_expect(guard_is_foreign(with("Sec-Fetch-Site", "")));
    cr_expect(guard_is_foreign(with("Origin", "null")));
    cr_expect(guard_is_foreign(with("Origin", "http://127.0.0.1")));
    cr_expect(guard_is_foreign(with("Origin", "http://127.0.0.1:9902")));
    cr_expect(guard_is_foreign(with("Origin", "https://evil.example")));
    (void)with("Sec-Fetch-Site", "same-origin");
    fields[1] = (struct http_field){.name = SLICE("Origin"), .value = SLICE("http://evil")};
    head.field_count = 2;
    cr_expect(guard_is_foreign(&head));
}

Test(guard, hosts_no_name_server_decides_on)
{
    static const char *const local[] = {"127.0.0.1", "127.0.0.1:9901", "localhost",  "LocalHost:1",
                                        "[::1]",     "[::1]:9901",     "10.0.0.1:1", ""};
    static const char *const foreign[] = {"evil.example",   "evil.example:9901",
                                          "localhost.evil", "127.0.0.1.evil.example",
                                          "a:80",           "1e100.net"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        cr_expect(guard_is_local_host(slice_str(local[i])), "%s", local[i]);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        cr_expect(!guard_is_local_host(slice_str(foreign[i])), "%s", foreign[i]);
}
