/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens and closes verifiers, and hands each request to its scheme. Fails closed: what is not sure
 * to check at all is not opened, and the text that says why never quotes a secret.
 */
#include <postern/policy/verify.h>

#include "verify_schemes.h"
#include "verify_secret.h"

#include <stdio.h>
#include <stdlib.h>

#define ERROR_BYTES 256

static enum status refuse(char ret_error[static ERROR_BYTES], const char *problem)
{
    snprintf(ret_error, ERROR_BYTES, "%s", problem);
    return STATUS_INVALID;
}

/* ---- the generic scheme ---- */

static bool has_part(const struct verify_hmac *hmac, enum verify_part_kind kind)
{
    for (size_t i = 0; i < hmac->part_count; i++)
        if (hmac->parts[i].kind == kind)
            return true;
    return false;
}

static bool lacks_text(const struct verify_hmac *hmac)
{
    for (size_t i = 0; i < hmac->part_count; i++) {
        enum verify_part_kind kind = hmac->parts[i].kind;
        if ((kind == VERIFY_PART_TEXT || kind == VERIFY_PART_HEADER) &&
            hmac->parts[i].text.len == 0)
            return true;
    }
    return false;
}

/* The time may be signed as a header, too. */
static bool signs_time(const struct verify_hmac *hmac)
{
    if (has_part(hmac, VERIFY_PART_TIME))
        return true;
    for (size_t i = 0; i < hmac->part_count; i++)
        if (hmac->parts[i].kind == VERIFY_PART_HEADER &&
            slice_ieq(hmac->parts[i].text, hmac->time_header))
            return true;
    return false;
}

static const char *problem_of_time(const struct verify_hmac *hmac)
{
    bool has_header = hmac->time_header.len > 0, has_prefix = hmac->time_prefix.len > 0;
    if (has_header && has_prefix)
        return "the time stamp is in a header or in the list, not in both";
    if (has_prefix && hmac->separator == 0)
        return "a time stamp that has a prefix stands in a list: its separator is missing";
    if (!has_header && !has_prefix && has_part(hmac, VERIFY_PART_TIME))
        return "the time stamp is signed, but where it stands is not said";
    if ((has_header || has_prefix) && !signs_time(hmac))
        return "the time stamp is not among the signed parts: anybody could renew it";
    return NULL;
}

static const char *problem_of_hmac(const struct verify_hmac *hmac)
{
    if (hmac->header.len == 0)
        return "the header of the signature is missing";
    if (hmac->part_count == 0 || hmac->part_count > VERIFY_MAX_PARTS)
        return "1 to 8 parts are signed";
    if (!has_part(hmac, VERIFY_PART_BODY))
        return "the body is not among the signed parts";
    if (lacks_text(hmac))
        return "a signed header has no name, or a signed text is empty";
    return problem_of_time(hmac);
}

/* ---- the public URL ---- */

static bool needs_url(const struct verifier *verifier)
{
    return verifier->row->needs_url || has_part(verifier->hmac, VERIFY_PART_URL);
}

static bool is_authority_byte(char c)
{
    return c > ' ' && c < 0x7f && !strchr("/?#\\\"<>", c);
}

/* Where the port begins, with its colon: behind an address in brackets, or user and password. */
static size_t port_of(struct slice authority)
{
    for (size_t i = authority.len; i > 0; i--) {
        char c = authority.data[i - 1];
        if (c == ':')
            return i - 1;
        if (c < '0' || c > '9')
            break;
    }
    return authority.len;
}

/* Cuts the URL in two; false: it is not a scheme and an authority. */
static bool cut_url(struct slice text, struct verify_url *ret_url)
{
    struct slice scheme = SLICE("https://"), port = SLICE(":443");
    if (!slice_starts(text, scheme)) {
        scheme = SLICE("http://");
        port = SLICE(":80");
    }
    struct slice authority = slice_skip(text, scheme.len);
    size_t host_len = port_of(authority);
    if (!slice_starts(text, scheme) || host_len == 0 || host_len + 1 == authority.len)
        return false;
    for (size_t i = 0; i < authority.len; i++)
        if (!is_authority_byte(authority.data[i]))
            return false;
    ret_url->base = slice_of(text.data, scheme.len + host_len);
    ret_url->port = host_len < authority.len ? slice_skip(authority, host_len) : port;
    return true;
}

/* ---- opening ---- */

/* What the options themselves lack, before any secret is read; NULL: nothing. */
static const char *problem_of_opts(struct verifier *verifier)
{
    const struct verify_opts *opts = verifier->opts;
    if (!verifier->row->check)
        return "there is no scheme to verify with";
    if (opts->secret_count == 0 || opts->secret_count > VERIFY_MAX_SECRETS)
        return "1 to 8 secrets are needed";
    if (opts->scheme == VERIFY_HEADER && opts->hmac.header.len == 0)
        return "the header that holds the secret is not named";
    const char *problem = opts->scheme == VERIFY_HMAC ? problem_of_hmac(&opts->hmac) : NULL;
    if (problem || !needs_url(verifier))
        return problem;
    if (opts->public_url.len == 0)
        return "the public URL is missing, which this scheme signs";
    return cut_url(opts->public_url, &verifier->url)
               ? NULL
               : "the public URL has to be http:// or https:// and a host, without a path";
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.data[i]) || text.data[i] == '\0')
            return false;
    return true;
}

static enum status open_secret(struct verifier *verifier, size_t i,
                               char ret_error[static ERROR_BYTES])
{
    struct slice text = verifier->opts->secrets[i];
    const char *problem = "is empty";
    enum status status = STATUS_INVALID;
    if (!is_blank(text))
        status = verifier->row->open_secret(verifier, text, &verifier->secrets[i], &problem);
    if (status == STATUS_INVALID)
        snprintf(ret_error, ERROR_BYTES, "secret %zu %s", i + 1, problem);
    else if (status == STATUS_UNAVAILABLE)
        snprintf(ret_error, ERROR_BYTES, "OpenSSL lacks an algorithm that secret %zu needs", i + 1);
    return status;
}

static enum status fill(struct verifier *verifier, char ret_error[static ERROR_BYTES])
{
    const char *problem = problem_of_opts(verifier);
    if (problem)
        return refuse(ret_error, problem);
    enum status status = digester_open(&verifier->digester);
    if (status == STATUS_UNAVAILABLE)
        snprintf(ret_error, ERROR_BYTES, "OpenSSL lacks SHA-256");
    for (size_t i = 0; status == STATUS_OK && i < verifier->opts->secret_count; i++) {
        verifier->secret_count++;
        status = open_secret(verifier, i, ret_error);
    }
    return status;
}

enum status verifier_open(const struct verify_opts *opts, struct verifier **ret_verifier,
                          char ret_error[static ERROR_BYTES])
{
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (!verifier) {
        snprintf(ret_error, ERROR_BYTES, "no memory");
        return STATUS_NO_MEMORY;
    }
    verifier->opts = opts;
    verifier->row = verify_row(opts->scheme);
    bool is_own = opts->scheme == VERIFY_HMAC || opts->scheme == VERIFY_HEADER;
    verifier->hmac = is_own ? &opts->hmac : &verifier->row->hmac;
    enum status status = fill(verifier, ret_error);
    if (status == STATUS_NO_MEMORY)
        snprintf(ret_error, ERROR_BYTES, "no memory");
    if (status == STATUS_OK)
        *ret_verifier = verifier;
    else
        verifier_close(verifier);
    return status;
}

void verifier_close(struct verifier *verifier)
{
    if (!verifier)
        return;
    for (size_t i = 0; i < verifier->secret_count; i++)
        verify_secret_done(&verifier->secrets[i]);
    digester_close(verifier->digester);
    free(verifier);
}

bool verifier_is_costly(const struct verifier *verifier)
{
    return verifier->is_costly;
}

/* ---- checking ---- */

enum verify_result verifier_check(struct verifier *verifier, const struct verify_input *input,
                                  struct arena *arena, size_t *ret_secret)
{
    struct verify_call call = {.verifier = verifier, .input = input, .arena = arena};
    enum verify_result result = verifier->row->check(&call);
    if (result == VERIFY_OK)
        *ret_secret = call.secret;
    return result;
}

/* ---- words ---- */

const char *verify_scheme_text(enum verify_scheme scheme)
{
    return verify_row(scheme)->word;
}

const char *verify_result_text(enum verify_result result)
{
    static const char *const words[VERIFY_RESULTS] = {
        [VERIFY_OK] = "ok",
        [VERIFY_MISSING] = "missing",
        [VERIFY_REPEATED] = "repeated",
        [VERIFY_MALFORMED] = "malformed",
        [VERIFY_MISMATCH] = "mismatch",
        [VERIFY_TOO_OLD] = "too_old",
        [VERIFY_TOO_NEW] = "too_new",
        [VERIFY_UNAVAILABLE] = "unavailable",
    };
    return (unsigned)result < VERIFY_RESULTS ? words[result] : "unknown";
}

bool verify_scheme_needs_url(enum verify_scheme scheme)
{
    return verify_row(scheme)->needs_url;
}

bool verify_scheme_has_time(enum verify_scheme scheme)
{
    const struct verify_row *row = verify_row(scheme);
    return row->has_time || row->hmac.time_header.len > 0 || row->hmac.time_prefix.len > 0;
}
