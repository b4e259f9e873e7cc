/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of outcomes. Titles and details go into JSON as they stand, so they hold no quotes, no
 * backslashes and nothing but ASCII (a test looks). Details tell the sender's operator what to do.
 *
 * `close` is set where the connection's bytes can't be trusted or weren't read to the end. Whoever
 * answers early for another reason, with a body still to come, closes by itself.
 */
#include <postern/policy/outcome.h>

#include <assert.h>

#define IN_FLIGHT_RETRY_S 1u /* the first copy is at work right now */
#define BUSY_RETRY_S 1u      /* a queue slot frees within a request's time */
#define STORE_RETRY_S 5u     /* a store restarts or fails over in some seconds */

static const struct outcome_row rows[] = {
    [OUTCOME_NONE] = {.name = "none",
                      .header = "unknown",
                      .book = BOOK_UNKNOWN,
                      .title = "Not ended",
                      .detail = "The exchange is still at work."},

    [OUTCOME_ACCEPTED] = {.name = "accepted",
                          .header = "accepted",
                          .book = BOOK_ACCEPTED,
                          .title = "Accepted",
                          .detail = "The upstream answered with success."},
    [OUTCOME_BYPASSED_NO_KEY] = {.name = "bypassed_no_key",
                                 .header = "bypassed",
                                 .book = BOOK_BYPASSED,
                                 .title = "Passed without a key",
                                 .detail = "The request has no event key; it was forwarded and a "
                                           "repeat of it will be forwarded again."},
    [OUTCOME_BYPASSED_STORE] = {.name = "bypassed_store",
                                .header = "bypassed",
                                .book = BOOK_BYPASSED,
                                .title = "Passed unchecked",
                                .detail = "The dedup store could not be asked; the route lets "
                                          "events pass then, so this may be a repeat."},

    [OUTCOME_BYPASSED_HANDSHAKE] = {.name = "bypassed_handshake",
                                    .header = "bypassed",
                                    .book = BOOK_BYPASSED,
                                    .status = 200,
                                    .title = "Handshake answered",
                                    .detail = "The sender tried the address; it was answered "
                                              "here, and nothing was forwarded."},

    [OUTCOME_DUPLICATE] = {.name = "duplicate",
                           .header = "duplicate",
                           .book = BOOK_DUPLICATE,
                           .status = 200,
                           .title = "Duplicate",
                           .detail = "The event was accepted before; nothing is left to do."},
    [OUTCOME_IN_FLIGHT] = {.name = "in_flight",
                           .header = "in-flight",
                           .book = BOOK_IN_FLIGHT,
                           .status = 409,
                           .type = "in-flight",
                           .title = "Event in flight",
                           .detail = "An earlier copy of this event is still being delivered; "
                                     "send it again to learn how that ended.",
                           .retry_after_s = IN_FLIGHT_RETRY_S},

    [OUTCOME_REJECTED_SYNTAX] = {.name = "rejected_syntax",
                                 .header = "rejected",
                                 .book = BOOK_REJECTED,
                                 .status = 400,
                                 .type = "syntax",
                                 .title = "Malformed request",
                                 .detail = "The request is not well-formed HTTP/1.1; look for bare "
                                           "line ends, folded lines or illegal bytes in its head.",
                                 .close = true},
    [OUTCOME_REJECTED_HOST] = {.name = "rejected_host",
                               .header = "rejected",
                               .book = BOOK_REJECTED,
                               .status = 400,
                               .type = "host",
                               .title = "Bad Host",
                               .detail = "Send exactly one Host field that holds a host name, "
                                         "with a port if need be.",
                               .close = true},
    [OUTCOME_REJECTED_TARGET] = {.name = "rejected_target",
                                 .header = "rejected",
                                 .book = BOOK_REJECTED,
                                 .status = 400,
                                 .type = "target",
                                 .title = "Bad request target",
                                 .detail = "Send an absolute path; percent-encode every byte that "
                                           "is not printable ASCII, and leave out fragments.",
                                 .close = true},
    [OUTCOME_REJECTED_FRAMING] = {.name = "rejected_framing",
                                  .header = "rejected",
                                  .book = BOOK_REJECTED,
                                  .status = 400,
                                  .type = "framing",
                                  .title = "Unclear body length",
                                  .detail = "Send either one valid Content-Length or "
                                            "Transfer-Encoding: chunked, not both.",
                                  .close = true},
    [OUTCOME_REJECTED_CHUNK] = {.name = "rejected_chunk",
                                .header = "rejected",
                                .book = BOOK_REJECTED,
                                .status = 400,
                                .type = "chunk",
                                .title = "Malformed chunk",
                                .detail = "A chunk of the body is malformed, or its extensions or "
                                          "trailers are too long.",
                                .close = true},
    [OUTCOME_UNVERIFIED] = {.name = "rejected_unverified",
                            .header = "unverified",
                            .book = BOOK_REJECTED,
                            .status = 401,
                            .type = "unverified",
                            .title = "Not verified",
                            .detail = "The signature or credential that this route requires is "
                                      "missing or not right; nothing was kept of the request."},
    [OUTCOME_REJECTED_MISMATCH] = {.name = "rejected_mismatch",
                                   .header = "rejected",
                                   .book = BOOK_REJECTED,
                                   .status = 422,
                                   .type = "fingerprint-mismatch",
                                   .title = "Key used for another request",
                                   .detail = "The key came before with another body; event_id "
                                             "names that event. Send a new request with a new "
                                             "key, or the first one unchanged."},
    [OUTCOME_REJECTED_RATE] = {.name = "rejected_rate",
                               .header = "rejected",
                               .book = BOOK_REJECTED,
                               .status = 429,
                               .type = "rate-limited",
                               .title = "Too many requests",
                               .detail = "The rate that this route allows is exceeded; "
                                         "Retry-After says when the request may be sent again."},
    [OUTCOME_REJECTED_NO_KEY] = {.name = "rejected_no_key",
                                 .header = "rejected",
                                 .book = BOOK_REJECTED,
                                 .status = 400,
                                 .type = "no-key",
                                 .title = "Event key missing",
                                 .detail = "This route requires the key that its configuration "
                                           "names, once and well formed (for an Idempotency-Key "
                                           "a quoted string); postern key shows what a request "
                                           "gives."},
    [OUTCOME_REJECTED_NO_ROUTE] = {.name = "rejected_no_route",
                                   .header = "rejected",
                                   .book = BOOK_REJECTED,
                                   .status = 404,
                                   .type = "no-route",
                                   .title = "No such route",
                                   .detail = "No route matches this host, method and path. Paths "
                                             "that can be read in two ways (dot segments, doubled "
                                             "or encoded slashes) never match."},
    [OUTCOME_REJECTED_SLOW] = {.name = "rejected_slow",
                               .header = "rejected",
                               .book = BOOK_REJECTED,
                               .status = 408,
                               .type = "slow",
                               .title = "Request too slow",
                               .detail = "The request did not arrive in the time allowed; send it "
                                         "again on a new connection.",
                               .close = true},
    [OUTCOME_REJECTED_BODY_TOO_LARGE] = {.name = "rejected_body_too_large",
                                         .header = "rejected",
                                         .book = BOOK_REJECTED,
                                         .status = 413,
                                         .type = "body-too-large",
                                         .title = "Body too large",
                                         .detail = "The body is over the limit of this route; "
                                                   "limits.body raises it.",
                                         .close = true},
    [OUTCOME_REJECTED_TARGET_TOO_LONG] = {.name = "rejected_target_too_long",
                                          .header = "rejected",
                                          .book = BOOK_REJECTED,
                                          .status = 414,
                                          .type = "target-too-long",
                                          .title = "Request target too long",
                                          .detail = "The path and query together are over the "
                                                    "limit; move data into the body.",
                                          .close = true},
    [OUTCOME_REJECTED_EXPECTATION] = {.name = "rejected_expectation",
                                      .header = "rejected",
                                      .book = BOOK_REJECTED,
                                      .status = 417,
                                      .type = "expectation",
                                      .title = "Unknown expectation",
                                      .detail = "The only expectation served is 100-continue.",
                                      .close = true},
    [OUTCOME_REJECTED_HEAD_TOO_LARGE] = {.name = "rejected_head_too_large",
                                         .header = "rejected",
                                         .book = BOOK_REJECTED,
                                         .status = 431,
                                         .type = "head-too-large",
                                         .title = "Header fields too large",
                                         .detail = "The header fields are over the limit in size "
                                                   "or number; limits.headers raises it.",
                                         .close = true},
    [OUTCOME_REJECTED_METHOD] = {.name = "rejected_method",
                                 .header = "rejected",
                                 .book = BOOK_REJECTED,
                                 .status = 501,
                                 .type = "method",
                                 .title = "Method not served",
                                 .detail = "This method is not forwarded; webhooks are usually "
                                           "sent with POST.",
                                 .close = true},
    [OUTCOME_REJECTED_CODING] = {.name = "rejected_coding",
                                 .header = "rejected",
                                 .book = BOOK_REJECTED,
                                 .status = 501,
                                 .type = "coding",
                                 .title = "Transfer coding not served",
                                 .detail = "The only transfer coding served is chunked; use "
                                           "Content-Encoding for a compressed body.",
                                 .close = true},
    [OUTCOME_REJECTED_VERSION] = {.name = "rejected_version",
                                  .header = "rejected",
                                  .book = BOOK_REJECTED,
                                  .status = 505,
                                  .type = "version",
                                  .title = "HTTP version not served",
                                  .detail = "Send HTTP/1.1 or HTTP/1.0.",
                                  .close = true},
    [OUTCOME_REJECTED_CLIENT_GONE] = {.name = "rejected_client_gone",
                                      .header = "rejected",
                                      .book = BOOK_REJECTED,
                                      .title = "Client gone",
                                      .detail = "The client left before the request was complete; "
                                                "nothing was claimed or forwarded.",
                                      .close = true},
    [OUTCOME_REJECTED_BUSY] = {.name = "rejected_busy",
                               .header = "rejected",
                               .book = BOOK_REJECTED,
                               .status = 503,
                               .type = "busy",
                               .title = "Busy",
                               .detail = "The upstream has as many requests as it may have, or "
                                         "memory is short, or signatures wait to be checked, or "
                                         "the gateway stood still for too long; "
                                         "nothing was forwarded. Send the event again later.",
                               .retry_after_s = BUSY_RETRY_S},
    [OUTCOME_REJECTED_MEMORY_FULL] = {.name = "rejected_memory_full",
                                      .header = "rejected",
                                      .book = BOOK_REJECTED,
                                      .status = 503,
                                      .type = "memory-full",
                                      .title = "Dedup memory full",
                                      .detail = "The dedup store holds as many keys as it may, and "
                                                "forgets none that is still valid; "
                                                "dedup.memory.max_keys raises it, or "
                                                "dedup.memory.notes for what is kept beside them. "
                                                "Nothing was forwarded.",
                                      .retry_after_s = STORE_RETRY_S},
    [OUTCOME_REJECTED_JOURNAL] = {.name = "rejected_journal",
                                  .header = "rejected",
                                  .book = BOOK_REJECTED,
                                  .status = 503,
                                  .type = "journal",
                                  .title = "Journal not available",
                                  .detail = "This route answers only for events on record, and the "
                                            "journal takes none now; nothing was forwarded. Send "
                                            "the event again later.",
                                  .retry_after_s = STORE_RETRY_S},

    [OUTCOME_REJECTED_QUEUE] = {.name = "rejected_queue",
                                .header = "rejected",
                                .book = BOOK_REJECTED,
                                .status = 503,
                                .type = "queue",
                                .title = "Queue not available",
                                .detail = "The event could not be made durable and was not "
                                          "accepted; nothing of it is left. Send it again later.",
                                .retry_after_s = STORE_RETRY_S},

    [OUTCOME_FAILED_STATUS] = {.name = "failed_status",
                               .header = "failed",
                               .book = BOOK_FAILED,
                               .title = "Refused by the upstream",
                               .detail = "The upstream answered, but not with success; a repeat of "
                                         "the event will be forwarded."},
    [OUTCOME_FAILED_CONNECT] = {.name = "failed_connect",
                                .header = "failed",
                                .book = BOOK_FAILED,
                                .status = 502,
                                .type = "upstream-connect",
                                .title = "Upstream not reached",
                                .detail = "No connection to the upstream could be made; it did not "
                                          "see the event. Send it again.",
                                .retry_after_s = STORE_RETRY_S},
    [OUTCOME_FAILED_BROKEN] = {.name = "failed_broken",
                               .header = "failed",
                               .book = BOOK_FAILED,
                               .status = 502,
                               .type = "upstream-broken",
                               .title = "Upstream connection lost",
                               .detail = "The upstream closed the connection before its answer was "
                                         "complete; it may have seen the event. Send it again."},
    [OUTCOME_FAILED_BAD_RESPONSE] = {.name = "failed_bad_response",
                                     .header = "failed",
                                     .book = BOOK_FAILED,
                                     .status = 502,
                                     .type = "upstream-response",
                                     .title = "Bad answer from the upstream",
                                     .detail = "The upstream's answer is not valid HTTP/1.1 or is "
                                               "over a limit; it has seen the event."},
    [OUTCOME_FAILED_TIMEOUT] = {.name = "failed_timeout",
                                .header = "failed",
                                .book = BOOK_FAILED,
                                .status = 504,
                                .type = "upstream-timeout",
                                .title = "Upstream too slow",
                                .detail = "The upstream did not answer in the time allowed; it may "
                                          "have seen the event. Send it again."},
    [OUTCOME_FAILED_JOURNAL] = {.name = "failed_journal",
                                .header = "failed",
                                .book = BOOK_FAILED,
                                .status = 503,
                                .type = "journal-commit",
                                .title = "Not recorded",
                                .detail = "The upstream took the event, but its record was not "
                                          "confirmed, as this route promises; a repeat will be "
                                          "answered as a duplicate.",
                                .retry_after_s = STORE_RETRY_S},

    [OUTCOME_UNKNOWN_STORE] = {.name = "unknown_store",
                               .header = "unknown",
                               .book = BOOK_UNKNOWN,
                               .status = 503,
                               .type = "store",
                               .title = "Dedup store not available",
                               .detail = "Whether the event was seen before can't be said now, and "
                                         "this route forwards nothing unchecked. Send the event "
                                         "again later.",
                               .retry_after_s = STORE_RETRY_S},
    [OUTCOME_UNKNOWN_QUEUE] = {.name = "unknown_queue",
                               .header = "unknown",
                               .book = BOOK_UNKNOWN,
                               .status = 503,
                               .type = "queue-unconfirmed",
                               .title = "Not confirmed yet",
                               .detail = "The event was handed to the journal, which has not "
                                         "confirmed it yet. Send it again later: if it was "
                                         "accepted, that will be answered as a duplicate.",
                               .retry_after_s = STORE_RETRY_S},
};
static_assert(sizeof rows / sizeof *rows == OUTCOMES, "a row for each outcome");

const struct outcome_row *outcome_row(enum outcome outcome)
{
    return &rows[outcome];
}

const char *book_name(enum book book)
{
    static const char *const names[] = {
        [BOOK_ACCEPTED] = "accepted",   [BOOK_DUPLICATE] = "duplicate",
        [BOOK_IN_FLIGHT] = "in_flight", [BOOK_BYPASSED] = "bypassed",
        [BOOK_REJECTED] = "rejected",   [BOOK_FAILED] = "failed",
        [BOOK_UNKNOWN] = "unknown",
    };
    static_assert(sizeof names / sizeof *names == BOOKS, "a name for each book");
    return names[book];
}
