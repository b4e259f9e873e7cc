/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of credentials, by their ends. A name too many costs an operator a glance at the
 * sender; one too few leaks a secret.
 */
#include <postern/policy/credential.h>

static const char *const ENDINGS[] = {
    "token",    "secret",  "cookie", "authorization",
    "password", "api-key", "apikey", "subscription-key",
};
#define ENDING_COUNT (sizeof(ENDINGS) / sizeof(ENDINGS[0]))

static bool ends_with(struct slice name, struct slice end)
{
    return name.len >= end.len && slice_ieq(slice_skip(name, name.len - end.len), end);
}

bool credential_is_field(struct slice name)
{
    for (size_t i = 0; i < ENDING_COUNT; i++)
        if (ends_with(name, slice_str(ENDINGS[i])))
            return true;
    return false;
}
