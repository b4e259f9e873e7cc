/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept beside a claim, for the copies that come later: the fingerprint of the body it was
 * made for, and (duplicate: replay) the first response. The dedup store and the journal keep it as
 * one opaque note (dedup.h); here it is written and read:
 *
 *   F<32 hex>\n                        fingerprint: 128 bits of the body's SHA-256; or "F\n"
 *   R<status> <length of the body>\n   only when a response is kept
 *   Name: value\r\n …                  chosen fields, at most REPLY_MAX_FIELDS
 *   \r\n
 *   body                               the rest: exactly that long
 *
 * A status has three digits; hexadecimal digits are small; numbers have no zeros in front.
 *
 * Text, so that an operator can read it in the journal; strict, so that anything else is "no note".
 */
#ifndef POSTERN_POLICY_REPLY_H
#define POSTERN_POLICY_REPLY_H

#include <postern/base/buf.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <postern/policy/digest.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_BYTES 16u
#define REPLY_MAX_FIELDS 32u
/* Length of a note without a response: 'F', 32 digits, '\n'. */
#define NOTE_HEAD_LEN 34u

struct fingerprint {
    bool there;
    uint8_t bytes[FINGERPRINT_BYTES];
};

struct reply_field {
    struct slice name, value;
};

/* A response; everything borrowed. */
struct reply {
    uint16_t status; /* 0: none is kept */
    struct reply_field fields[REPLY_MAX_FIELDS];
    size_t field_count;
    struct slice body;
};

struct note {
    struct fingerprint fingerprint;
    struct reply reply;
};

/* The fingerprint of a body. STATUS_UNAVAILABLE when OpenSSL fails. */
NODISCARD enum status fingerprint_make(struct digester *digester, struct slice body,
                                       struct fingerprint *ret_fingerprint);

/* True when both are there and differ. */
bool fingerprint_differs(const struct fingerprint *one, const struct fingerprint *other);

/* Appends the note's text, so that note_read gives the same note again. STATUS_INVALID: a field's
 * value has a CR, LF or NUL, its name is no token (RFC 9110 5.6.2), there are too many of them, or
 * the status hasn't three digits; STATUS_FULL, STATUS_NO_MEMORY. On failure nothing is appended. */
NODISCARD enum status note_write(const struct note *note, struct buf *buf);

/* Reads one; slices lie in `text`. False: it isn't one (an empty text among them), whatever octets
 * it has; *ret_note is untouched. */
bool note_read(struct slice text, struct note *ret_note);

#endif
