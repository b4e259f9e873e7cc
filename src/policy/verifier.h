/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of verify share. verify.c opens a verifier and asks its scheme; verify_schemes.c
 * has the table of schemes; verify_secret.c reads secrets; verify_request.c reads fields and times
 * off a request; verify_match.c compares. The others hold one way of checking each.
 */
#ifndef POSTERN_POLICY_VERIFIER_H
#define POSTERN_POLICY_VERIFIER_H

#include <postern/policy/digest.h>
#include <postern/policy/verify.h>

#include "mac.h"
#include "pubkey.h"

/* One secret, prepared: exactly one of the three. */
struct verify_secret {
    struct mac *mac;
    struct pubkey *pubkey;
    bool is_plain;                /* sent as it is, and known here by its digest */
    uint8_t digest[SHA256_BYTES]; /* so that neither content nor length shows in the time taken */
};

/* `public_url` cut in two, for senders that sign it with the port or without. */
struct verify_url {
    struct slice base; /* "https://hooks.example.com" */
    struct slice port; /* ":443": as it is given, or what the scheme implies */
};

struct verifier {
    const struct verify_opts *opts;
    const struct verify_row *row;
    const struct verify_hmac *hmac; /* the row's own, or the options' */
    struct verify_url url;
    struct digester *digester;
    bool is_costly;
    size_t secret_count;
    struct verify_secret secrets[VERIFY_MAX_SECRETS];
};

/* One check under way. */
struct verify_call {
    struct verifier *verifier;
    const struct verify_input *input;
    struct arena *arena;
    size_t secret; /* the one that fits */
};

/* One scheme. */
struct verify_row {
    const char *word;
    /* Prepares a secret. STATUS_INVALID: *ret_problem says why ("is not hexadecimal"). */
    enum status (*open_secret)(struct verifier *verifier, struct slice text,
                               struct verify_secret *secret, const char **ret_problem);
    enum verify_result (*check)(struct verify_call *call);
    bool needs_url;
    bool has_time;           /* read by `check`; else `hmac` says whether */
    struct verify_hmac hmac; /* of schemes that fit it; VERIFY_HMAC, VERIFY_HEADER: the options' */
};

#endif
