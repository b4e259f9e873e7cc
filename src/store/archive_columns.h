/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of an event that both archives read, in one order.
 */
#ifndef POSTERN_STORE_ARCHIVE_COLUMNS_H
#define POSTERN_STORE_ARCHIVE_COLUMNS_H

/* `body_bytes`: how this database asks for the length of the body. */
#define ARCHIVE_COLUMNS(body_bytes)                                                                \
    "id, route, method, target, content_type, client, mode, state, outcome, last_error,"           \
    " error_category, key, replay_of, response_status, duration_ms, attempts, duplicates,"         \
    " " body_bytes ", received_at, window_ends_at, next_attempt_at, lease_until,"                  \
    " last_duplicate_at, last_replayed_at"

enum event_column {
    EVENT_ID,
    EVENT_ROUTE,
    EVENT_METHOD,
    EVENT_TARGET,
    EVENT_CONTENT_TYPE,
    EVENT_CLIENT,
    EVENT_MODE,
    EVENT_STATE,
    EVENT_OUTCOME,
    EVENT_ERROR,
    EVENT_CATEGORY,
    EVENT_KEY,
    EVENT_REPLAY_OF,
    EVENT_STATUS,
    EVENT_DURATION,
    EVENT_ATTEMPTS,
    EVENT_DUPLICATES,
    EVENT_BODY_BYTES,
    EVENT_RECEIVED,
    EVENT_WINDOW,
    EVENT_NEXT,
    EVENT_LEASE,
    EVENT_LAST_DUPLICATE,
    EVENT_LAST_REPLAYED,
    EVENT_HEADERS, /* of one that is shown, as is the next */
    EVENT_BODY,
};

#endif
