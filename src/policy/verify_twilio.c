/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twilio signs the URL it was given, and behind it the name and value of each field of a form,
 * sorted; of any other body it puts the SHA-256 into the URL ("bodySHA256"). Its libraries try the
 * URL with its port and without, because Twilio isn't sure itself; so does this.
 *
 * Nothing stands between the parts, so that bytes may be moved from one to the next (the end of a
 * value to the name behind it) without the signature changing: that is the sender's scheme.
 */
#include "form.h"
#include "hex.h"
#include "verify_checks.h"
#include "verify_match.h"
#include "verify_request.h"

#include <stdlib.h>

/* Twilio's forms have some 30 fields in 2 KiB. What is beyond these is not sorted for strangers. */
#define TWILIO_MAX_FORM_BYTES 65536u
#define TWILIO_MAX_FIELDS 512u
#define URL_PARTS 3u

struct field {
    struct slice name, value;
};

struct form {
    struct field *fields;
    size_t count;
};

/* ---- the form ---- */

/* Decodes what is at `raw` in place. */
static bool decode(char *raw, size_t len, struct slice *ret_text)
{
    char *end = raw;
    for (size_t i = 0; i < len; i++) {
        char c = raw[i] == '+' ? ' ' : raw[i];
        if (raw[i] == '%') {
            int byte = percent_byte(slice_of(raw + i, len - i));
            if (byte < 0)
                return false;
            c = (char)byte;
            i += 2;
        }
        *end++ = c;
    }
    *ret_text = slice_of(raw, (size_t)(end - raw));
    return true;
}

static int compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_fields(const void *left, const void *right)
{
    const struct field *a = left, *b = right;
    int order = compare(a->name, b->name);
    return order != 0 ? order : compare(a->value, b->value);
}

/* Twilio's libraries make a set of the values that share a name. */
static size_t drop_repeated(struct field *fields, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare_fields(&fields[kept - 1], &fields[i]) != 0)
            fields[kept++] = fields[i];
    return kept;
}

static size_t count_fields(struct slice body)
{
    size_t count = body.len > 0;
    for (size_t i = 0; i < body.len; i++)
        count += body.data[i] == '&';
    return count;
}

/* Fields of `raw`, which is decoded in place. */
static bool split(char *raw, size_t len, struct form *form)
{
    struct slice rest = slice_of(raw, len), name, value;
    while (query_next(&rest, &name, &value)) {
        struct field *field = &form->fields[form->count++];
        if (!decode(raw + (name.data - raw), name.len, &field->name) ||
            !decode(raw + (value.data - raw), value.len, &field->value))
            return false;
    }
    return true;
}

static enum verify_result read_form(const struct verify_call *call, struct form *form)
{
    struct slice body = call->input->body;
    size_t most = count_fields(body);
    if (body.len > TWILIO_MAX_FORM_BYTES || most > TWILIO_MAX_FIELDS)
        return VERIFY_MALFORMED;
    char *raw = arena_alloc(call->arena, body.len);
    form->fields = arena_alloc(call->arena, most * sizeof *form->fields);
    if (!raw || !form->fields)
        return VERIFY_UNAVAILABLE;
    memcpy(raw, body.data, body.len);
    if (!split(raw, body.len, form))
        return VERIFY_MALFORMED;
    qsort(form->fields, form->count, sizeof *form->fields, compare_fields);
    form->count = drop_repeated(form->fields, form->count);
    return VERIFY_OK;
}

/* ---- any other body ---- */

static enum verify_result match_body(const struct verify_call *call, struct slice hex)
{
    uint8_t claimed[SHA256_BYTES], digest[SHA256_BYTES];
    size_t len = 0;
    if (!verify_decode(VERIFY_HEX, hex, sizeof claimed, claimed, &len) || len != sizeof claimed)
        return VERIFY_MALFORMED;
    if (digest_sha256(call->verifier->digester, call->input->body, digest) != STATUS_OK)
        return VERIFY_UNAVAILABLE;
    return mac_equal(claimed, digest, sizeof digest) ? VERIFY_OK : VERIFY_MISMATCH;
}

static struct slice query_of(struct slice target)
{
    const char *mark = target.len > 0 ? memchr(target.data, '?', target.len) : NULL;
    return mark ? slice_skip(target, (size_t)(mark - target.data) + 1) : (struct slice){0};
}

/* What covers the body. A digest in the URL does so whatever Content-Type says: else one could
 * leave the body away and call the rest a form. */
static enum verify_result read_body(const struct verify_call *call, struct form *form)
{
    struct slice hex;
    enum key_miss miss = query_find(query_of(call->input->target), SLICE("bodySHA256"),
                                    QUERY_PLUS_STAYS, call->arena, &hex);
    if (miss == KEY_MISS_NONE)
        return match_body(call, hex);
    if (miss != KEY_MISS_ABSENT)
        return verify_of_miss(miss);
    if (call->input->body.len == 0)
        return VERIFY_OK;
    return verify_is_form(call->input) ? read_form(call, form) : VERIFY_MISSING;
}

/* ---- the check ---- */

static enum verify_result read_signature(const struct verify_call *call,
                                         struct verify_candidates *candidates)
{
    struct slice text;
    enum verify_result result = verify_field(call->input, call->verifier->hmac->header, &text);
    if (result != VERIFY_OK)
        return result;
    candidates->count = 0;
    candidates->malformed = false;
    candidates->bytes = mac_bytes(MAC_SHA1);
    verify_offer(candidates, VERIFY_BASE64, text);
    return verify_offered(candidates);
}

/* With the port and without, both always. */
static enum verify_result match_urls(struct verify_call *call, struct slice *parts, size_t count,
                                     const struct verify_candidates *candidates)
{
    enum verify_result with_port = verify_match_macs(call, parts, count, candidates);
    size_t secret = call->secret;
    parts[1] = (struct slice){0};
    enum verify_result without = verify_match_macs(call, parts, count, candidates);
    if (with_port == VERIFY_MISMATCH)
        return without;
    call->secret = secret;
    return with_port;
}

static enum verify_result match(struct verify_call *call, const struct form *form,
                                const struct verify_candidates *candidates)
{
    const struct verify_url *url = &call->verifier->url;
    size_t count = URL_PARTS + 2 * form->count;
    struct slice *parts = arena_alloc(call->arena, count * sizeof *parts);
    if (!parts)
        return VERIFY_UNAVAILABLE;
    parts[0] = url->base;
    parts[1] = url->port;
    parts[2] = call->input->target;
    for (size_t i = 0; i < form->count; i++) {
        parts[URL_PARTS + 2 * i] = form->fields[i].name;
        parts[URL_PARTS + 2 * i + 1] = form->fields[i].value;
    }
    return match_urls(call, parts, count, candidates);
}

enum verify_result verify_check_twilio(struct verify_call *call)
{
    struct verify_candidates candidates;
    struct form form = {0};
    enum verify_result result = read_signature(call, &candidates);
    if (result != VERIFY_OK)
        return result;
    enum verify_result body = read_body(call, &form);
    if (body != VERIFY_OK && body != VERIFY_MISMATCH)
        return body;
    result = match(call, &form, &candidates);
    return result == VERIFY_OK ? body : result;
}
