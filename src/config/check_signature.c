/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a route's signature can be checked as it stands. Closed when in doubt: what would let
 * everyone in, or check less than it seems to, is an error, and in the end the route's verifier is
 * made once, so that a key it can't use stops the start.
 */
#include "build.h"
#include "text.h"

/* Settings that only some schemes read. */
static const char *const HMAC_SETTINGS[] = {
    "signature.algorithm", "signature.encoding",         "signature.prefix",
    "signature.separator", "signature.timestamp_header", "signature.timestamp_prefix",
    "signature.parts"};
#define HMAC_SETTING_COUNT (sizeof(HMAC_SETTINGS) / sizeof(HMAC_SETTINGS[0]))

/* One route's signature while it is looked at. */
struct signature {
    struct build *build;
    struct node *map; /* the route's */
    const struct verify_opts *verify;
};

static struct mark mark_of(const struct signature *signature, const char *path)
{
    const struct node *node = node_find(signature->map, path);
    return build_mark(node ? node : node_find(signature->map, "signature"), signature->map);
}

static bool has_part(const struct verify_hmac *hmac, enum verify_part_kind kind)
{
    for (size_t i = 0; i < hmac->part_count; i++)
        if (hmac->parts[i].kind == kind)
            return true;
    return false;
}

/* ---- without a scheme ---- */

static void check_secret_alone(const struct signature *signature, const char *path)
{
    const struct node *secret = node_find(signature->map, path);
    if (!secret)
        return;
    report_error(signature->build->report, secret->at,
                 "%s is given, and signature.scheme is none: nothing would be verified", path);
    report_hint(signature->build->report, "leave the secret out, or give the scheme");
}

static void check_none(const struct signature *signature)
{
    struct report *report = signature->build->report;
    const struct node *section = node_find(signature->map, "signature");
    const struct node *scheme = node_find(signature->map, "signature.scheme");
    if (!scheme) {
        report_error(report, section->at, "signature has no scheme: nothing would be verified");
        report_hint(report, "give signature.scheme, or a preset that has one");
        return;
    }
    check_secret_alone(signature, "signature.secret");
    check_secret_alone(signature, "signature.secrets");
    if (scheme->under)
        report_finding(report, SEVERITY_WARNING, scheme->at,
                       "the preset's signature is not verified: anyone may send to this route");
}

/* ---- with one ---- */

static void check_secrets(const struct signature *signature)
{
    struct report *report = signature->build->report;
    const struct node *one = node_find(signature->map, "signature.secret");
    const struct node *several = node_find(signature->map, "signature.secrets");
    if (one && several) {
        report_error(report, one->at, "signature.secret and signature.secrets are both given");
        report_hint(report, "put all into signature.secrets, the new one first");
    } else if (!one && !several) {
        report_error(report, mark_of(signature, "signature.scheme"), "signature.secret is missing");
        report_hint(report, "give it as env:NAME or file:PATH; signature: {scheme: none} takes "
                            "requests without looking at their signature");
    }
}

static void check_url(const struct signature *signature)
{
    const struct verify_opts *verify = signature->verify;
    bool is_signed = verify->scheme == VERIFY_HMAC ? has_part(&verify->hmac, VERIFY_PART_URL)
                                                   : verify_scheme_needs_url(verify->scheme);
    if (!is_signed || verify->public_url.len > 0)
        return;
    report_error(signature->build->report, mark_of(signature, "signature.scheme"),
                 "signature.public_url is missing: the sender signs the URL");
    report_hint(signature->build->report,
                "give scheme and host as the sender knows them: https://hooks.example.com");
}

static void check_header(const struct signature *signature)
{
    enum verify_scheme scheme = signature->verify->scheme;
    bool is_read = scheme == VERIFY_HMAC || scheme == VERIFY_HEADER;
    const struct node *own = build_own(signature->map, "signature.header");
    struct report *report = signature->build->report;
    if (is_read && signature->verify->hmac.header.len == 0) {
        report_error(report, mark_of(signature, "signature.scheme"),
                     "signature.header is missing: scheme %s needs the name of one",
                     verify_scheme_text(scheme));
    } else if (!is_read && own) {
        report_error(report, own->at, "scheme %s reads no signature.header",
                     verify_scheme_text(scheme));
        report_hint(report, "schemes hmac and header do");
    }
}

/* A setting that looks as if it were heeded, and is not, is a hole. */
static void check_unread(const struct signature *signature)
{
    for (size_t i = 0; i < HMAC_SETTING_COUNT; i++) {
        const struct node *own = build_own(signature->map, HMAC_SETTINGS[i]);
        if (own && signature->verify->scheme != VERIFY_HMAC)
            report_error(signature->build->report, own->at, "%s is for scheme hmac, not for %s",
                         HMAC_SETTINGS[i], verify_scheme_text(signature->verify->scheme));
    }
}

static bool signs_header(const struct verify_hmac *hmac, struct slice name)
{
    for (size_t i = 0; i < hmac->part_count; i++)
        if (hmac->parts[i].kind == VERIFY_PART_HEADER && slice_ieq(hmac->parts[i].text, name))
            return true;
    return false;
}

static void check_time(const struct signature *signature)
{
    const struct verify_hmac *hmac = &signature->verify->hmac;
    struct report *report = signature->build->report;
    bool has_header = hmac->time_header.len > 0, has_prefix = hmac->time_prefix.len > 0;
    struct mark parts = mark_of(signature, "signature.parts");
    bool is_signed = has_part(hmac, VERIFY_PART_TIME) || signs_header(hmac, hmac->time_header);
    if (has_header && has_prefix)
        report_error(report, mark_of(signature, "signature.timestamp_prefix"),
                     "signature.timestamp_header and signature.timestamp_prefix are both given");
    else if (has_prefix && hmac->separator == 0)
        report_error(report, mark_of(signature, "signature.timestamp_prefix"),
                     "signature.timestamp_prefix needs a signature.separator: it names an element "
                     "of a list");
    else if (!has_header && !has_prefix && has_part(hmac, VERIFY_PART_TIME))
        report_error(report, parts,
                     "the timestamp is signed, and there is no signature.timestamp_header");
    else if ((has_header || has_prefix) && !is_signed)
        report_error(report, parts,
                     "the timestamp is not among the signed parts: anyone could change it");
    else if (!has_header && !has_prefix && build_own(signature->map, "signature.tolerance"))
        report_finding(report, SEVERITY_WARNING, mark_of(signature, "signature.tolerance"),
                       "signature.tolerance does nothing without a signature.timestamp_header");
}

static void check_hmac(const struct signature *signature)
{
    if (signature->verify->scheme != VERIFY_HMAC)
        return;
    if (!has_part(&signature->verify->hmac, VERIFY_PART_BODY)) {
        report_error(signature->build->report, mark_of(signature, "signature.parts"),
                     "the body is not among the signed parts: anyone could change it");
        return;
    }
    check_time(signature);
}

static void check_tolerance(const struct signature *signature)
{
    enum verify_scheme scheme = signature->verify->scheme;
    const struct node *own = build_own(signature->map, "signature.tolerance");
    if (own && scheme != VERIFY_HMAC && !verify_scheme_has_time(scheme)) {
        report_finding(signature->build->report, SEVERITY_WARNING, own->at,
                       "signature.tolerance does nothing: scheme %s has no signed time stamp",
                       verify_scheme_text(scheme));
        return;
    }
    if (signature->verify->tolerance_ms > 0)
        return;
    report_finding(signature->build->report, SEVERITY_WARNING,
                   mark_of(signature, "signature.tolerance"),
                   "signature.tolerance is 0: a recorded request can be sent again at any time");
}

static void check_verifier(const struct signature *signature)
{
    struct build *build = signature->build;
    struct verifier *verifier = NULL;
    char problem[256] = "";
    const char *path = node_find(signature->map, "signature.secrets") ? "signature.secrets"
                                                                      : "signature.secret";
    enum status status = verifier_open(signature->verify, &verifier, problem);
    build->no_memory |= status == STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        verifier_close(verifier);
    else if (status != STATUS_NO_MEMORY)
        report_error(build->report, mark_of(signature, path), "the signature can't be verified: %s",
                     problem);
}

static void check_scheme(const struct signature *signature)
{
    size_t errors = signature->build->report->errors;
    check_secrets(signature);
    check_url(signature);
    check_header(signature);
    check_unread(signature);
    check_hmac(signature);
    check_tolerance(signature);
    if (signature->build->report->errors == errors)
        check_verifier(signature);
}

void checks_run_signatures(struct build *build)
{
    for (size_t i = 0; i < build->config->route_count; i++) {
        struct signature signature = {.build = build,
                                      .map = build->route_nodes[i],
                                      .verify = &build->config->routes[i].verify};
        const struct node *section = node_find(signature.map, "signature");
        if (!section || build_has_refused(section))
            continue;
        if (signature.verify->scheme == VERIFY_NONE)
            check_none(&signature);
        else
            check_scheme(&signature);
    }
}
