/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that are sent as they are: bearer tokens, user and password (RFC 6750, RFC 7617), and a
 * header that is named in the file. They say who sent it, not that it is what was sent. */
#include "base64.h"
#include "verify_checks.h"
#include "verify_match.h"
#include "verify_request.h"

/* What follows the name of a scheme (in any case) and at least one space. */
static enum verify_result read_credentials(const struct verify_call *call, struct slice scheme,
                                           struct slice *ret_credentials)
{
    struct slice value;
    enum verify_result result = verify_field(call->input, SLICE("Authorization"), &value);
    if (result != VERIFY_OK)
        return result;
    if (value.len < scheme.len || !slice_ieq(slice_of(value.data, scheme.len), scheme))
        return VERIFY_MALFORMED;
    struct slice rest = slice_skip(value, scheme.len);
    *ret_credentials = slice_trim(rest);
    if (ret_credentials->len == 0)
        return VERIFY_MISSING;
    return rest.data[0] == ' ' ? VERIFY_OK : VERIFY_MALFORMED;
}

enum verify_result verify_check_bearer(struct verify_call *call)
{
    struct slice token;
    enum verify_result result = read_credentials(call, SLICE("Bearer"), &token);
    return result == VERIFY_OK ? verify_match_plain(call, token) : result;
}

enum verify_result verify_check_basic(struct verify_call *call)
{
    struct slice text;
    size_t len = 0;
    enum verify_result result = read_credentials(call, SLICE("Basic"), &text);
    if (result != VERIFY_OK)
        return result;
    uint8_t *pair = arena_alloc(call->arena, text.len);
    if (!pair)
        return VERIFY_UNAVAILABLE;
    if (!base64_decode(text, text.len, pair, &len))
        return VERIFY_MALFORMED;
    result = verify_match_plain(call, slice_of(pair, len));
    explicit_bzero(pair, len);
    return result;
}

enum verify_result verify_check_header(struct verify_call *call)
{
    struct slice value;
    enum verify_result result = verify_field(call->input, call->verifier->hmac->header, &value);
    return result == VERIFY_OK ? verify_match_plain(call, value) : result;
}
