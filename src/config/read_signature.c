/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of who may send: a route's signature, with its secrets, and its handshake. Whether what
 * was read makes a signature that can be checked is check_signature.c's to say. No secret is ever
 * part of a message, nor is a line quoted where one may stand.
 *
 *   signature: {scheme: github, secret: env:GITHUB_SECRET}
 *   signature: {scheme: hmac, secret: file:/s, header: X-Signature, prefix: "sha256=",
 *               timestamp_header: X-Time, parts: [timestamp, {text: "."}, body]}
 */
#include "readers.h"
#include "text.h"
#include "url.h"

#define MAX_AFFIX_BYTES 64u /* of a prefix, or of a text that is signed */

static const char *scheme_text(unsigned value)
{
    return verify_scheme_text((enum verify_scheme)value);
}

SETTING_READER(read_scheme)
{
    enum verify_scheme *scheme = target;
    unsigned value;
    if (build_read_named(build, setting, node, VERIFY_SCHEMES, scheme_text, &value))
        *scheme = (enum verify_scheme)value;
}

/* ---- secrets ---- */

/* Keys that are for everyone to see. */
static bool is_public(enum verify_scheme scheme, struct slice text)
{
    return scheme == VERIFY_DISCORD || scheme == VERIFY_SENDGRID ||
           slice_starts(text, SLICE("whpk_"));
}

/* Copies the secret of `node` to stay with the config, which wipes it. False: reported. */
static bool keep_secret(struct build *build, const struct setting *setting, struct node *node,
                        bool is_secret, struct slice *ret_secret)
{
    bool is_told = node->kind != NODE_SCALAR || !secret_is_reference(node->text);
    struct slice secret;
    if (is_told)
        report_conceal(build->report, node->at.line, node->end_line);
    if (!build_is_value(build, setting, node) || !secret_read(build, node, &secret))
        return false;
    if (secret.len == 0) {
        build_refuse(build, node, "%s is empty", setting->path);
        return false;
    }
    if (is_told && is_secret) {
        report_finding(build->report, SEVERITY_WARNING, node->at,
                       "%s stands in the file, for all who can read it", setting->path);
        report_hint(build->report, "better give it as env:NAME or file:PATH");
    }
    *ret_secret = build_copy(build, secret);
    return true;
}

/* A map or list where one value is expected may have the secret in it. */
static void refuse_secrets(struct build *build, const struct setting *setting, struct node *node,
                           size_t count)
{
    report_conceal(build->report, node->at.line, node->end_line);
    if (setting->max == 1)
        build_refuse(build, node, "%s must be one value", setting->path);
    else
        build_refuse(build, node, "%s must have 1 to %u items, not %zu", setting->path,
                     VERIFY_MAX_SECRETS, count);
    if (setting->max == 1 && node->kind == NODE_LIST)
        report_hint(build->report, "several are given as signature.secrets");
}

SETTING_READER(read_verify_secrets)
{
    struct verify_opts *verify = target;
    size_t count = node_item_count(node);
    if (count == 0 || count > setting->max || (setting->max == 1 && node->kind != NODE_SCALAR)) {
        refuse_secrets(build, setting, node, count);
        return;
    }
    struct slice *secrets = build_alloc(build, count * sizeof(*secrets));
    if (!secrets)
        return;
    verify->secrets = secrets;
    verify->secret_count = 0;
    for (struct node *item = node_first_item(node); item; item = node_next_item(node, item)) {
        bool is_secret = !is_public(verify->scheme, item->text);
        if (item->kind != NODE_BROKEN &&
            keep_secret(build, setting, item, is_secret, &secrets[verify->secret_count]))
            verify->secret_count++;
        node->refused |= item->refused;
    }
}

/* ---- what is signed ---- */

const char *check_affix(struct slice text)
{
    return text.len <= MAX_AFFIX_BYTES ? NULL : "at most 64 characters";
}

static const char *check_public_url(const struct url *url)
{
    if (!slice_eq(url->scheme, SLICE("https")) && !slice_eq(url->scheme, SLICE("http")))
        return "its scheme is not https:// or http://";
    if (url->has_user)
        return "a user is not allowed in it";
    if (url->rest.len > 0 && !slice_eq(url->rest, SLICE("/")))
        return "no path may follow the host: requests have their own";
    return NULL;
}

SETTING_READER(read_public_url)
{
    struct slice *public_url = target;
    struct url url;
    if (!build_is_value(build, setting, node))
        return;
    const char *problem = url_parse(node->text, &url);
    if (!problem)
        problem = check_public_url(&url);
    if (problem) {
        build_refuse(build, node, "%s can't be used: %s", setting->path, problem);
        report_hint(build->report, "write %s", setting->form);
        return;
    }
    *public_url = build_copy(build, slice_of(node->text.data, node->text.len - url.rest.len));
}

/* A character that neither hex nor Base64 has, and no time stamp. */
static bool is_separator(char c)
{
    bool is_letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
    bool is_digit = c >= '0' && c <= '9';
    return c >= ' ' && c <= '~' && !is_letter && !is_digit && !strchr("+/=-_", c);
}

SETTING_READER(read_separator)
{
    char *separator = target;
    if (!build_is_value(build, setting, node))
        return;
    if (node->text.len == 1 && is_separator(node->text.data[0]))
        *separator = node->text.data[0];
    else
        build_refuse(build, node, "%s must be one character that no signature holds, as \",\"",
                     setting->path);
}

static const struct {
    const char *word;
    enum verify_part_kind kind;
} PART_WORDS[] = {
    {"body", VERIFY_PART_BODY}, {"timestamp", VERIFY_PART_TIME}, {"method", VERIFY_PART_METHOD},
    {"path", VERIFY_PART_PATH}, {"url", VERIFY_PART_URL},
};

static void refuse_part(struct build *build, struct node *node)
{
    build_refuse(build, node, "this is not a part of what is signed");
    report_hint(build->report, "body, timestamp, method, path, url, {header: X-Id}, {text: \".\"}");
}

static bool read_part_map(struct build *build, struct node *node, struct verify_part *part)
{
    struct node *child = node->kind == NODE_MAP && node->count == 1 ? node->first : NULL;
    if (child && slice_eq(child->key, SLICE("header"))) {
        part->kind = VERIFY_PART_HEADER;
        return child->kind != NODE_BROKEN && header_name_read(build, child, &part->text);
    }
    if (!child || !slice_eq(child->key, SLICE("text")) || child->kind != NODE_SCALAR ||
        node_is_empty(child) || child->text.len == 0 || check_affix(child->text)) {
        refuse_part(build, node);
        return false;
    }
    part->kind = VERIFY_PART_TEXT;
    part->text = build_copy(build, child->text);
    return true;
}

static bool read_part(struct build *build, struct node *node, struct verify_part *part)
{
    if (node->kind == NODE_BROKEN)
        return false;
    if (node->kind != NODE_SCALAR)
        return read_part_map(build, node, part);
    for (size_t i = 0; i < sizeof(PART_WORDS) / sizeof(PART_WORDS[0]); i++)
        if (slice_eq(node->text, slice_str(PART_WORDS[i].word))) {
            part->kind = PART_WORDS[i].kind;
            return true;
        }
    refuse_part(build, node);
    return false;
}

SETTING_READER(read_parts)
{
    struct verify_hmac *hmac = target;
    size_t count = node_item_count(node);
    hmac->part_count = 0;
    if (count == 0 || count > VERIFY_MAX_PARTS) {
        build_refuse(build, node, "%s must have 1 to %u items, not %zu", setting->path,
                     VERIFY_MAX_PARTS, count);
        return;
    }
    for (struct node *item = node_first_item(node); item; item = node_next_item(node, item)) {
        struct verify_part part = {.text = {.len = 0}};
        if (read_part(build, item, &part))
            hmac->parts[hmac->part_count++] = part;
        node->refused |= item->refused;
    }
}

/* ---- handshakes ---- */

static const char *kind_text(unsigned value)
{
    return handshake_text((enum handshake_kind)value);
}

SETTING_READER(read_handshake)
{
    enum handshake_kind *kind = target;
    unsigned value;
    if (build_read_named(build, setting, node, HANDSHAKE_KINDS, kind_text, &value))
        *kind = (enum handshake_kind)value;
}

SETTING_READER(read_handshake_token)
{
    struct slice *token = target;
    struct slice secret;
    if (keep_secret(build, setting, node, true, &secret))
        *token = secret;
}
