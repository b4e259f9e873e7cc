/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets as the file gives them, prepared once: one function for each kind, for the table of
 * schemes (verify_row.open_secret). Private to policy/. */
#ifndef POSTERN_POLICY_VERIFY_SECRET_H
#define POSTERN_POLICY_VERIFY_SECRET_H

#include "verifier.h"

/* The text is the key of a MAC with the scheme's digest. */
enum status verify_open_mac(struct verifier *verifier, struct slice text,
                            struct verify_secret *secret, const char **ret_problem);

/* Standard Webhooks: "whsec_" and the Base64 of a key, or "whpk_" and that of an Ed25519 one. */
enum status verify_open_webhook(struct verifier *verifier, struct slice text,
                                struct verify_secret *secret, const char **ret_problem);

/* GitLab: as above with "whsec_", else a token that is sent as it is. */
enum status verify_open_gitlab(struct verifier *verifier, struct slice text,
                               struct verify_secret *secret, const char **ret_problem);

/* Discord: an Ed25519 key in hexadecimal. */
enum status verify_open_discord(struct verifier *verifier, struct slice text,
                                struct verify_secret *secret, const char **ret_problem);

/* SendGrid: a P-256 key, Base64 of its SubjectPublicKeyInfo. */
enum status verify_open_sendgrid(struct verifier *verifier, struct slice text,
                                 struct verify_secret *secret, const char **ret_problem);

/* A text that stands in a header field as it is. */
enum status verify_open_plain(struct verifier *verifier, struct slice text,
                              struct verify_secret *secret, const char **ret_problem);

/* "user:password". */
enum status verify_open_basic(struct verifier *verifier, struct slice text,
                              struct verify_secret *secret, const char **ret_problem);

/* Frees and wipes it. */
void verify_secret_done(struct verify_secret *secret);

#endif
