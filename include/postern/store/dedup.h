/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dedup store: who may process an event. A key is absent -> pending (an owner's token, for
 * `lease_ms`) -> done (the first event's id and status, for `window_ms` counted from its
 * acceptance). Backends: redis, memory; both pass tests/contract/dedup.
 *
 * Failure to reach a store is an answer (VERDICT_UNKNOWN, HOLD_UNKNOWN), never "duplicate" and
 * never a third way out. A store answers each op exactly once; it has no deadline of its own
 * towards the caller but a lost or stalled link answers all its ops. The caller that can't wait
 * leaves, and undoes the answer when it comes late. Ops on one key are carried out in the order
 * they were submitted: a claim that is still on its way never overtakes its own release or settle.
 *
 * One thing a store that can be lost (redis) takes on itself: a settle that it had to answer
 * HOLD_UNKNOWN is a debt, because a key of an accepted event that never becomes done lets the retry
 * through. The store keeps it and settles again, ahead of all claims, when its link is up again
 * (while it stays up: after a second), for what is left of the window, until an answer comes or the
 * window is over. Until then L1, if there is one, answers duplicates of it in the whole process.
 * Debts are bounded (the oldest is dropped and counted) and live in this process alone: they end
 * with it.
 *
 * A note is a few octets that the caller keeps beside a key, pending and done (policy/reply.h: a
 * body's fingerprint, the first response); no store looks into it. A key has at most one. What a
 * settle gives replaces what the claim gave; a settle without a note leaves that as it is. Keys
 * without a note cost nothing for it.
 */
#ifndef POSTERN_STORE_DEDUP_H
#define POSTERN_STORE_DEDUP_H

#include <postern/base/buf.h>
#include <postern/base/event_key.h>
#include <postern/base/list.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <postern/base/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest note, and the longest front of one that note_essential can ask for. */
#define DEDUP_NOTE_MAX ((1u << 20) + (64u << 10))
#define DEDUP_ESSENTIAL_MAX 256u

enum verdict {
    VERDICT_UNKNOWN,   /* the store could not be asked, or answered with an error */
    VERDICT_FIRST,     /* the claim is ours until the lease ends */
    VERDICT_DUPLICATE, /* done before: op->first tells by whom */
    VERDICT_IN_FLIGHT, /* pending under another token: op->first.event_id is that token */
    VERDICT_FULL,      /* memory store at its bound of keys or of notes: refused rather than forget
                          a live key */
};

/* What renew, settle, release and forget found. */
enum hold {
    HOLD_UNKNOWN, /* the store could not be asked: it may or may not have happened. settle: it is
                     a debt of the redis store now, the caller need not try again */
    HOLD_KEPT,    /* was ours (forget: something was there), and is done */
    HOLD_LAPSED,  /* settle: our lease had ended but nobody took the key: it is done now. renew:
                     taken again.  release, forget: nothing there */
    HOLD_LOST,    /* another owner holds or settled the key; nothing was changed */
};

/* The first event of a key that is done. */
struct dedup_first {
    struct uuid event_id;
    uint16_t status;         /* what the upstream answered, or 202 */
    uint64_t accepted_at_ms; /* wall clock */
};

struct dedup_op {
    /* in; borrowed until the answer */
    struct slice route; /* its name, part of a Redis key's text */
    struct event_key key;
    struct uuid token;  /* the claiming event's id: proves that the claim is ours */
    uint32_t lease_ms;  /* claim, renew */
    uint64_t window_ms; /* settle */
    /* The op's route keeps notes: L1 neither answers it nor learns from it, except that debts are
     * told with their notes. */
    bool noted;
    /* claim (and a renew that takes the key again): kept while pending; settle: kept for the
     * window. At most DEDUP_NOTE_MAX */
    struct slice note;
    /* settle: how much of the front of `note` (at most DEDUP_ESSENTIAL_MAX) has to be kept; the
     * rest may be given up where there is no room (memory: dedup.memory.notes; debts). A claim's
     * note is kept whole. A live claim's settle never fails for its note: as much as the claim's
     * note had is sure to have room */
    size_t note_essential;
    struct buf *ret_note; /* claim, peek: cleared; then, with DUPLICATE and IN_FLIGHT, the note of
                             the first, when there is one and it fits. May be NULL */
    struct dedup_first done; /* settle: what duplicates will be told; done.event_id is the token */
    void (*answered)(
        struct dedup_op *op); /* only if the submit said OP_PENDING: once, from the loop */
    /* out */
    enum verdict verdict;     /* claim, peek */
    enum hold hold;           /* the others */
    struct dedup_first first; /* claim, peek: duplicate or in flight */
    bool from_l1;             /* claim, peek: answered without asking the store */
    /* the backend's own while pending */
    struct list link;
    uint64_t since_ms;
    uint64_t ends_at_ms; /* settle: of the window, monotonic */
    uint8_t verb;
};

/* Counters of one store on one loop, for metrics; the owner reads them on its own thread. */
struct dedup_stats {
    uint64_t l1_hits;    /* claims answered from L1 */
    uint64_t errors;     /* answers UNKNOWN */
    uint64_t reconnects; /* times the link came up again */
    uint64_t
        doubtful_released;  /* claims whose answer was lost that were found held, and given back */
    uint64_t debts_dropped; /* settle debts given up at their bound: retries of those events may
                               pass once more */
    uint64_t debts;         /* settles of accepted events that the store may not know of, now */
    bool up;                /* commands can be sent now */
    uint32_t pending;       /* ops not answered yet */
    uint64_t keys;          /* memory: keys held by the whole table; redis: keys in L1 */
};

struct dedup;

struct dedup_backend {
    const char *name;
    /* Each takes the op until its answer. All may answer OP_READY. */
    enum op_status (*claim)(struct dedup *store, struct dedup_op *op);
    enum op_status (*renew)(struct dedup *store, struct dedup_op *op);
    enum op_status (*settle)(struct dedup *store, struct dedup_op *op);
    enum op_status (*release)(struct dedup *store, struct dedup_op *op);
    enum op_status (*forget)(struct dedup *store,
                             struct dedup_op *op); /* deletes whatever is there; token unused */
    enum op_status (*peek)(struct dedup *store, struct dedup_op *op);
    /* Answers everything pending (UNKNOWN), then closes and frees; `closed` runs when done. */
    void (*close)(struct dedup *store, void (*closed)(void *arg), void *arg);
    /* Fills the fields of store->stats that are not kept up to date all the time (`keys`, `debts`,
     * `debts_dropped`). */
    void (*refresh_stats)(struct dedup *store);
};

struct dedup {
    const struct dedup_backend *backend;
    struct dedup_stats stats;
};

/* SET <key> p:<token> NX GET PX <lease>: first, duplicate, in flight, unknown, full. Under the
 * token that holds the key already: first again, and the lease begins again (the answer of the
 * earlier claim may have been lost). */
static inline enum op_status dedup_claim(struct dedup *store, struct dedup_op *op)
{
    return store->backend->claim(store, op);
}

/* Extends our lease by lease_ms from now. */
static inline enum op_status dedup_renew(struct dedup *store, struct dedup_op *op)
{
    return store->backend->renew(store, op);
}

/* Ours (or nobody's) -> done for window_ms. Again after it succeeded: HOLD_KEPT, the window stays.
 * Only for an accepted event: from the submit on, L1 may call others of the key duplicates. */
static inline enum op_status dedup_settle(struct dedup *store, struct dedup_op *op)
{
    return store->backend->settle(store, op);
}

/* Ours -> absent. */
static inline enum op_status dedup_release(struct dedup *store, struct dedup_op *op)
{
    return store->backend->release(store, op);
}

/* What a claim would be told now; changes nothing. VERDICT_FIRST: nothing is there, or a claim
 * under op's own token. Never FULL. */
static inline enum op_status dedup_peek(struct dedup *store, struct dedup_op *op)
{
    return store->backend->peek(store, op);
}

/* Anything -> absent. This store's debts for the key are forgiven, whatever the answer will be; it
 * does not reach other workers' stores. */
static inline enum op_status dedup_forget(struct dedup *store, struct dedup_op *op)
{
    return store->backend->forget(store, op);
}

/* For the backends. Gives a note to `ret_note` (NULL: nobody asks); one that does not fit is not
 * told. */
static inline void dedup_tell_note(struct buf *ret_note, struct slice note)
{
    if (ret_note && buf_append(ret_note, note) != STATUS_OK)
        buf_clear(ret_note);
}

#endif
