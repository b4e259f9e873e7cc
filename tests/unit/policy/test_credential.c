/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/credential: names that open doors, and those that only look like it. */
#include <postern/policy/credential.h>

#include <criterion/criterion.h>

static bool is_one(const char *name)
{
    return credential_is_field(slice_str(name));
}

Test(credential, by_the_end_of_the_name_in_any_case)
{
    static const char *const names[] = {"Authorization",
                                        "Proxy-Authorization",
                                        "X-Gitlab-Token",
                                        "X-Telegram-Bot-Api-Secret-Token",
                                        "COOKIE",
                                        "Set-Cookie",
                                        "x-client-secret",
                                        "X-Password",
                                        "X-Api-Key",
                                        "apikey",
                                        "Ocp-Apim-Subscription-Key"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_expect(is_one(names[i]), "%s", names[i]);
}

Test(credential, signatures_and_the_rest_stay_readable)
{
    static const char *const names[] = {"",        "X-Hub-Signature-256", "Content-Type", "Key",
                                        "Cookies", "X-Token-Kind",        "webhook-id",   "oken"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_expect(!is_one(names[i]), "%s", names[i]);
}
