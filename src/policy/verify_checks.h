/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways of checking, for the table of schemes (verify_row.check). Each reads what it needs off
 * the request, matches it against the secrets (call->secret is the one that fits) and judges the
 * time last, when the signature is known to be right. Private to policy/.
 */
#ifndef POSTERN_POLICY_VERIFY_CHECKS_H
#define POSTERN_POLICY_VERIFY_CHECKS_H

#include "verifier.h"

/* What struct verify_hmac describes. */
enum verify_result verify_check_hmac(struct verify_call *call);

/* As above, and the time stamp "webhookTimestamp" in the JSON body (Linear). */
enum verify_result verify_check_linear(struct verify_call *call);

/* Standard Webhooks, v1 and v1a, under webhook-* and svix-* names. */
enum verify_result verify_check_webhook(struct verify_call *call);

/* GitLab: its token, or Standard Webhooks. */
enum verify_result verify_check_gitlab(struct verify_call *call);

/* Twilio: the URL and the fields of a form, or the URL with the digest of any other body. */
enum verify_result verify_check_twilio(struct verify_call *call);

/* Mailgun: a signature of a time and a token, all three in the body. The event isn't signed. */
enum verify_result verify_check_mailgun(struct verify_call *call);

/* Discord: Ed25519 of time stamp and body. */
enum verify_result verify_check_discord(struct verify_call *call);

/* SendGrid: ECDSA of time stamp and body. */
enum verify_result verify_check_sendgrid(struct verify_call *call);

/* Authorization: Bearer. */
enum verify_result verify_check_bearer(struct verify_call *call);

/* Authorization: Basic. */
enum verify_result verify_check_basic(struct verify_call *call);

/* The header that the options name. */
enum verify_result verify_check_header(struct verify_call *call);

#endif
