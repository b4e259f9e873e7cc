/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each sender signs, and where it puts that: data where struct verify_hmac can say it, a
 * function of its own where not. Sources: RELIABILITY section 5, docs/presets.md; the senders' own
 * vectors are in tests/unit/policy/test_verify_vectors.c.
 */
#include "verify_schemes.h"

#include "verify_checks.h"
#include "verify_secret.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .data = (literal), .len = sizeof(literal) - 1                                              \
    }
#define SIGNED_TEXT(literal)                                                                       \
    {                                                                                              \
        .kind = VERIFY_PART_TEXT, .text = TEXT(literal)                                            \
    }
#define SIGNED_BODY                                                                                \
    {                                                                                              \
        .kind = VERIFY_PART_BODY                                                                   \
    }
#define SIGNED_TIME                                                                                \
    {                                                                                              \
        .kind = VERIFY_PART_TIME                                                                   \
    }
#define SIGNED_URL                                                                                 \
    {                                                                                              \
        .kind = VERIFY_PART_URL                                                                    \
    }

static const struct verify_row ROWS[VERIFY_SCHEMES] = {
    [VERIFY_NONE] = {.word = "none"},
    [VERIFY_HMAC] = {"hmac", verify_open_mac, verify_check_hmac, .needs_url = false},
    [VERIFY_STANDARD_WEBHOOKS] = {"standard-webhooks", verify_open_webhook, verify_check_webhook,
                                  .has_time = true},
    /* The old X-Hub-Signature (SHA-1) that comes along is not looked at. */
    [VERIFY_GITHUB] = {"github", verify_open_mac, verify_check_hmac,
                       .hmac = {.header = TEXT("X-Hub-Signature-256"),
                                .prefix = TEXT("sha256="),
                                .parts = {SIGNED_BODY},
                                .part_count = 1}},
    [VERIFY_GITLAB] = {"gitlab", verify_open_gitlab, verify_check_gitlab, .has_time = true},
    /* The whole text of a Stripe secret is the key, its "whsec_" too. */
    [VERIFY_STRIPE] = {"stripe", verify_open_mac, verify_check_hmac,
                       .hmac = {.header = TEXT("Stripe-Signature"),
                                .prefix = TEXT("v1="),
                                .separator = ',',
                                .time_prefix = TEXT("t="),
                                .parts = {SIGNED_TIME, SIGNED_TEXT("."), SIGNED_BODY},
                                .part_count = 3}},
    [VERIFY_SLACK] = {"slack", verify_open_mac, verify_check_hmac,
                      .hmac = {.header = TEXT("X-Slack-Signature"),
                               .prefix = TEXT("v0="),
                               .time_header = TEXT("X-Slack-Request-Timestamp"),
                               .parts = {SIGNED_TEXT("v0:"), SIGNED_TIME, SIGNED_TEXT(":"),
                                         SIGNED_BODY},
                               .part_count = 4}},
    [VERIFY_SHOPIFY] = {"shopify", verify_open_mac, verify_check_hmac,
                        .hmac = {.header = TEXT("X-Shopify-Hmac-SHA256"),
                                 .encoding = VERIFY_BASE64,
                                 .parts = {SIGNED_BODY},
                                 .part_count = 1}},
    [VERIFY_TWILIO] = {"twilio", verify_open_mac, verify_check_twilio, .needs_url = true,
                       .hmac = {.header = TEXT("X-Twilio-Signature"), .digest = VERIFY_SHA1}},
    [VERIFY_META] = {"meta", verify_open_mac, verify_check_hmac,
                     .hmac = {.header = TEXT("X-Hub-Signature-256"),
                              .prefix = TEXT("sha256="),
                              .parts = {SIGNED_BODY},
                              .part_count = 1}},
    [VERIFY_LINEAR] = {"linear", verify_open_mac, verify_check_linear, .has_time = true,
                       .hmac = {.header = TEXT("Linear-Signature"),
                                .parts = {SIGNED_BODY},
                                .part_count = 1}},
    [VERIFY_SQUARE] = {"square", verify_open_mac, verify_check_hmac, .needs_url = true,
                       .hmac = {.header = TEXT("X-Square-HmacSha256-Signature"),
                                .encoding = VERIFY_BASE64,
                                .parts = {SIGNED_URL, SIGNED_BODY},
                                .part_count = 2}},
    [VERIFY_PADDLE] = {"paddle", verify_open_mac, verify_check_hmac,
                       .hmac = {.header = TEXT("Paddle-Signature"),
                                .prefix = TEXT("h1="),
                                .separator = ';',
                                .time_prefix = TEXT("ts="),
                                .parts = {SIGNED_TIME, SIGNED_TEXT(":"), SIGNED_BODY},
                                .part_count = 3}},
    [VERIFY_PAGERDUTY] = {"pagerduty", verify_open_mac, verify_check_hmac,
                          .hmac = {.header = TEXT("X-PagerDuty-Signature"),
                                   .prefix = TEXT("v1="),
                                   .separator = ',',
                                   .parts = {SIGNED_BODY},
                                   .part_count = 1}},
    [VERIFY_ZOOM] = {"zoom", verify_open_mac, verify_check_hmac,
                     .hmac = {.header = TEXT("X-Zm-Signature"),
                              .prefix = TEXT("v0="),
                              .time_header = TEXT("X-Zm-Request-Timestamp"),
                              .parts = {SIGNED_TEXT("v0:"), SIGNED_TIME, SIGNED_TEXT(":"),
                                        SIGNED_BODY},
                              .part_count = 4}},
    [VERIFY_DISCORD] = {"discord", verify_open_discord, verify_check_discord, .has_time = true},
    [VERIFY_SENDGRID] = {"sendgrid", verify_open_sendgrid, verify_check_sendgrid, .has_time = true},
    [VERIFY_DROPBOX] = {"dropbox", verify_open_mac, verify_check_hmac,
                        .hmac = {.header = TEXT("X-Dropbox-Signature"),
                                 .parts = {SIGNED_BODY},
                                 .part_count = 1}},
    [VERIFY_INTERCOM] = {"intercom", verify_open_mac, verify_check_hmac,
                         .hmac = {.header = TEXT("X-Hub-Signature"),
                                  .digest = VERIFY_SHA1,
                                  .prefix = TEXT("sha1="),
                                  .parts = {SIGNED_BODY},
                                  .part_count = 1}},
    /* SHA-256 is the digest that an empty description says. */
    [VERIFY_MAILGUN] = {"mailgun", verify_open_mac, verify_check_mailgun, .has_time = true},
    [VERIFY_BEARER] = {"bearer", verify_open_plain, verify_check_bearer, .needs_url = false},
    [VERIFY_BASIC] = {"basic", verify_open_basic, verify_check_basic, .needs_url = false},
    [VERIFY_HEADER] = {"header", verify_open_plain, verify_check_header, .needs_url = false},
};

const struct verify_row *verify_row(enum verify_scheme scheme)
{
    return &ROWS[(unsigned)scheme < VERIFY_SCHEMES ? scheme : VERIFY_NONE];
}
