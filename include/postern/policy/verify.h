/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sent it: a webhook's signature, checked on the octets as they came, before a key is made or a
 * store is asked. A scheme is a row of a table (src/policy/verify_schemes.c): where the signature
 * stands, what is signed, with what; the few senders that fit no row have code of their own. Pure:
 * time and memory come from the caller. Sources: RELIABILITY section 5 and docs/presets.md.
 *
 * Comparisons take the same time whatever differs. A field that decides (signature, time stamp, id)
 * and stands there twice is refused: two readers could take different ones.
 */
#ifndef POSTERN_POLICY_VERIFY_H
#define POSTERN_POLICY_VERIFY_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERIFY_MAX_SECRETS 8u
#define VERIFY_MAX_PARTS 8u
#define VERIFY_MAX_CANDIDATES                                                                      \
    16u /* signatures of one list that are tried; more are not looked at */
#define VERIFY_MAX_KEY_CANDIDATES                                                                  \
    4u /* of those that take public-key arithmetic: a stranger's list costs that for each */

enum verify_scheme {
    VERIFY_NONE,              /* the route does not verify */
    VERIFY_HMAC,              /* `verify_opts.hmac` says how */
    VERIFY_STANDARD_WEBHOOKS, /* v1 with whsec_ secrets, v1a with whpk_ ones; svix-* names too */
    VERIFY_GITHUB,
    VERIFY_GITLAB, /* X-Gitlab-Token; with a whsec_ secret: Standard Webhooks */
    VERIFY_STRIPE,
    VERIFY_SLACK,
    VERIFY_SHOPIFY,
    VERIFY_TWILIO, /* needs `public_url` */
    VERIFY_META,
    VERIFY_LINEAR,
    VERIFY_SQUARE, /* needs `public_url` */
    VERIFY_PADDLE,
    VERIFY_PAGERDUTY,
    VERIFY_ZOOM,
    VERIFY_DISCORD,  /* Ed25519; the secrets are public keys, hex */
    VERIFY_SENDGRID, /* ECDSA P-256; the secrets are public keys, Base64 of SubjectPublicKeyInfo */
    VERIFY_DROPBOX,
    VERIFY_INTERCOM,
    VERIFY_MAILGUN,
    VERIFY_BEARER, /* Authorization: Bearer <secret> */
    VERIFY_BASIC,  /* Authorization: Basic; the secrets are "user:password" */
    VERIFY_HEADER, /* a header whose value is the secret: `hmac.header` names it */
    VERIFY_SCHEMES
};

enum verify_digest { VERIFY_SHA256, VERIFY_SHA1, VERIFY_SHA512 };
enum verify_encoding { VERIFY_HEX, VERIFY_BASE64 };

/* One part of what is signed. */
enum verify_part_kind {
    VERIFY_PART_TEXT,   /* `text` as it stands */
    VERIFY_PART_BODY,   /* the body as it came */
    VERIFY_PART_HEADER, /* the value of the header `text` */
    VERIFY_PART_TIME,   /* the time stamp as it came; where no text separates it from what follows,
                           only one that can't be cut elsewhere */
    VERIFY_PART_METHOD,
    VERIFY_PART_PATH, /* path and query as they came */
    VERIFY_PART_URL,  /* `public_url`, path and query */
};

struct verify_part {
    enum verify_part_kind kind;
    struct slice text;
};

/* The generic scheme, and the row of each sender that fits it. */
struct verify_hmac {
    struct slice header; /* where the signature stands */
    enum verify_digest digest;
    enum verify_encoding encoding;
    /* In front of the signature: "sha256=". In a list (`separator` is not 0) elements without it
     * are passed over: "v1=" of "t=1,v1=…,v0=…". */
    struct slice prefix;
    char separator; /* between the elements of a list; 0: one signature */
    /* Where the time stamp (Unix seconds, or milliseconds when it has 13 digits) is: a header's
     * name, or, with a list, the element that begins with time_prefix ("t="). Both empty: none, and
     * the tolerance can't be checked. */
    struct slice time_header, time_prefix;
    struct verify_part parts[VERIFY_MAX_PARTS];
    size_t part_count; /* at least 1, the body among them */
};

/* How a route verifies; immutable, borrowed by its verifiers. */
struct verify_opts {
    enum verify_scheme scheme;
    const struct slice *secrets; /* as the file gives them, never empty; 1 … VERIFY_MAX_SECRETS */
    size_t secret_count;
    uint64_t tolerance_ms;   /* both ways; 0: the age is not checked */
    struct verify_hmac hmac; /* VERIFY_HMAC; VERIFY_HEADER: `header` alone */
    struct slice public_url; /* "https://hooks.example.com": scheme and authority as the sender
                                knows them; where they are signed */
    uint16_t status;         /* of the answer to a failure; 401 by default */
};

/* The request, borrowed. */
struct verify_input {
    struct slice method;
    struct slice target; /* path and query, as it came */
    struct slice body;
    uint64_t now_ms;     /* wall clock */
    const void *headers; /* handed back to `header` */
    /* As in struct key_input: returns how many there are; *ret_value is the first. */
    size_t (*header)(const void *headers, struct slice name, struct slice *ret_value);
};

/* How it ended: the reason in metrics and log. */
enum verify_result {
    VERIFY_OK,
    VERIFY_MISSING,     /* a field that is needed isn't there, or is empty */
    VERIFY_REPEATED,    /* it is there more than once */
    VERIFY_MALFORMED,   /* it can't be read: encoding, length, time stamp, body */
    VERIFY_MISMATCH,    /* no signature fits any secret */
    VERIFY_TOO_OLD,     /* beyond the tolerance, the signature is right */
    VERIFY_TOO_NEW,     /* from the future, beyond the tolerance, the signature is right */
    VERIFY_UNAVAILABLE, /* no memory, OpenSSL failed, or too many are waiting: not the sender's
                           fault, 503 */
    VERIFY_RESULTS
};

struct verifier;

/* Prepares checking: keys are read and MAC contexts keyed once. `opts` is borrowed. One per thread
 * (verifier_check keeps state), but see verifier_is_costly. STATUS_INVALID: a secret is empty or
 * not what the scheme needs, the public URL is missing or no URL, or a generic scheme could not
 * check (no header, no body among the parts, a time stamp that nobody signs); `ret_error` says
 * which and why, without quoting a secret. STATUS_UNAVAILABLE: OpenSSL lacks an algorithm.
 * STATUS_NO_MEMORY. `ret_error` is written on failure only. */
NODISCARD enum status verifier_open(const struct verify_opts *opts, struct verifier **ret_verifier,
                                    char ret_error[static 256]);

/* Frees it, its keys wiped; NULL is fine. */
void verifier_close(struct verifier *verifier);

/* True for signatures that take public-key arithmetic (openssl speed on one core of an AMD EPYC:
 * some 50 microseconds for P-256, 80 for Ed25519): such checks belong off the loop. Then
 * verifier_check may be called from several threads at once. */
bool verifier_is_costly(const struct verifier *verifier);

/* Checks one request; `arena` takes what has to be put together (Twilio's sorted fields).
 * *ret_secret: the index of the secret that fits, set with VERIFY_OK only. */
enum verify_result verifier_check(struct verifier *verifier, const struct verify_input *input,
                                  struct arena *arena, size_t *ret_secret);

/* "standard-webhooks", "github", …: the word in the file. Static storage. */
const char *verify_scheme_text(enum verify_scheme scheme);

/* "missing", "mismatch", …: metric label; static storage. */
const char *verify_result_text(enum verify_result result);

/* True when the scheme signs the URL, and so needs `public_url`. */
bool verify_scheme_needs_url(enum verify_scheme scheme);

/* True when the scheme signs a time stamp, so that the tolerance means something; GitLab does with
 * a signing token. What VERIFY_HMAC signs is in its options. */
bool verify_scheme_has_time(enum verify_scheme scheme);

#endif
