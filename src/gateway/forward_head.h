/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request towards the upstream, the same for an event that is forwarded while its
 * sender waits and for a queued one at any attempt.
 */
#ifndef POSTERN_SRC_GATEWAY_FORWARD_HEAD_H
#define POSTERN_SRC_GATEWAY_FORWARD_HEAD_H

#include <postern/base/buf.h>
#include <postern/base/uuid.h>
#include <postern/net/http1.h>
#include <postern/policy/outcome.h>
#include <postern/policy/sign.h>

/* All borrowed. */
struct forward {
    const struct http_head *request;
    struct slice body;
    struct slice client; /* numeric address of the peer, not of whom it speaks for */
    bool secure;         /* the client came by TLS, to us or to a trusted proxy */
    bool trusted;        /* the peer is a trusted proxy: what its forwarding fields say is kept */
    bool from_journal;   /* credentials may be masked */
    struct uuid event_id;
    uint32_t attempt;
    enum outcome marked;   /* observe: what it would have been, or OUTCOME_NONE */
    struct signer *signer; /* NULL: not signed */
    uint64_t wall_ms;      /* of this attempt, for the signature */
};

/* Appends the head, all but its Host field and empty line. STATUS_FULL or STATUS_NO_MEMORY; what
 * was appended then is of no use. */
NODISCARD enum status write_forward_head(struct buf *buf, const struct forward *forward);

#endif
