/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an exchange ended: one table that gives the word in metrics, logs and journal, the
 * Postern-Outcome header, the book it is counted in (contract C8), the HTTP status, and the
 * problem's type and text. Pure data.
 */
#ifndef POSTERN_POLICY_OUTCOME_H
#define POSTERN_POLICY_OUTCOME_H

#include <postern/base/slice.h>
#include <stdbool.h>
#include <stdint.h>

/* received = the sum of all books, per route. */
enum book {
    BOOK_ACCEPTED,
    BOOK_DUPLICATE,
    BOOK_IN_FLIGHT,
    BOOK_BYPASSED,
    BOOK_REJECTED,
    BOOK_FAILED,
    BOOK_UNKNOWN,
    BOOKS
};

enum outcome {
    OUTCOME_NONE, /* not ended yet */
    /* the upstream answered with success, or the queue has it (then 202 is our own answer) */
    OUTCOME_ACCEPTED,
    OUTCOME_BYPASSED_NO_KEY, /* passed without a key (missing: pass, or an empty body under payload)
                              */
    OUTCOME_BYPASSED_STORE,  /* passed although the dedup store could not be asked (on_store_error:
                                pass) */
    OUTCOME_BYPASSED_HANDSHAKE, /* a sender's way of trying the address: answered here */
    /* known */
    OUTCOME_DUPLICATE,
    OUTCOME_IN_FLIGHT, /* 409: the first one is still at work */
    /* refused at the door */
    OUTCOME_REJECTED_SYNTAX,          /* 400 */
    OUTCOME_REJECTED_HOST,            /* 400 */
    OUTCOME_REJECTED_TARGET,          /* 400 */
    OUTCOME_REJECTED_FRAMING,         /* 400 */
    OUTCOME_REJECTED_CHUNK,           /* 400 */
    OUTCOME_REJECTED_NO_KEY,          /* 400 missing: reject */
    OUTCOME_UNVERIFIED,               /* 401, or as the route says: no right signature */
    OUTCOME_REJECTED_NO_ROUTE,        /* 404 */
    OUTCOME_REJECTED_SLOW,            /* 408 */
    OUTCOME_REJECTED_BODY_TOO_LARGE,  /* 413 */
    OUTCOME_REJECTED_TARGET_TOO_LONG, /* 414 */
    OUTCOME_REJECTED_EXPECTATION,     /* 417 */
    OUTCOME_REJECTED_MISMATCH,        /* 422 the key's first event had another body */
    OUTCOME_REJECTED_RATE,            /* 429 */
    OUTCOME_REJECTED_HEAD_TOO_LARGE,  /* 431 */
    OUTCOME_REJECTED_METHOD,          /* 501 */
    OUTCOME_REJECTED_CODING,          /* 501 */
    OUTCOME_REJECTED_VERSION,         /* 505 */
    OUTCOME_REJECTED_CLIENT_GONE,     /* the client left before anything was claimed; no answer */
    OUTCOME_REJECTED_BUSY, /* 503 upstream's queue full, before anything was sent; or no memory, or
                              as many signatures are being checked as may be */
    OUTCOME_REJECTED_MEMORY_FULL, /* 503 memory store at its bound */
    OUTCOME_REJECTED_JOURNAL, /* 503 ack: durable, and the journal can't take it: refused before the
                                 upstream is called */
    OUTCOME_REJECTED_QUEUE,   /* 503 mode: queue, and the event could not be made durable: it was
                                 not accepted, the claim was released */
    /* the upstream did not accept it: the claim was released */
    OUTCOME_FAILED_STATUS,       /* the upstream's own non-success answer is relayed */
    OUTCOME_FAILED_CONNECT,      /* 502 */
    OUTCOME_FAILED_BROKEN,       /* 502 cut before its answer */
    OUTCOME_FAILED_BAD_RESPONSE, /* 502 */
    OUTCOME_FAILED_TIMEOUT,      /* 504 */
    OUTCOME_FAILED_JOURNAL, /* 503 delivered, but the durable commit failed: see docs/guarantees.md
                             */
    /* the store could not say */
    OUTCOME_UNKNOWN_STORE, /* 503 on_store_error: reject */
    OUTCOME_UNKNOWN_QUEUE, /* 503 mode: queue, and the commit's answer did not come in time */
    OUTCOMES
};

struct outcome_row {
    const char *name;   /* metric label and log word, "rejected_no_route" */
    const char *header; /* Postern-Outcome: accepted, duplicate, in-flight, bypassed, rejected,
                           failed or unknown: the book's name, spelled for a header; and unverified,
                           which is rejected */
    enum book book;
    uint16_t status;   /* of our own answer; 0: the upstream's answer is relayed, or nobody is there
                          to answer */
    const char *type;  /* last part of the problem type, NULL when it's no problem:
                          "urn:postern:problem:<type>" */
    const char *title; /* like detail never NULL, and fit to stand in JSON as it is */
    const char *detail;     /* what to do about it, for a person */
    uint32_t retry_after_s; /* 0: no Retry-After */
    bool close;             /* the connection can't be used after it */
};

/* The row of an outcome; static storage. */
const struct outcome_row *outcome_row(enum outcome outcome);

/* "accepted", "in_flight", …: the label of a book. */
const char *book_name(enum book book);

#endif
