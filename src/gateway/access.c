/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access lines: sampled when all is well, always (up to a rate) when an exchange failed.
 */
#include "access.h"

#define ACCESS_FAILURES_PER_SECOND 20u

/* Failures are worth a line each, but an outage must not become a flood. */
static bool failure_allowed(struct account *account, struct log *log, uint64_t now_ms)
{
    if (now_ms - account->log_window_ms >= 1000) {
        if (account->log_suppressed > 0)
            log_line(log, LOG_WARN, "exchange lines suppressed",
                     LOG_INT("count", account->log_suppressed));
        account->log_window_ms = now_ms;
        account->log_lines = 0;
        account->log_suppressed = 0;
    }
    if (account->log_lines++ < ACCESS_FAILURES_PER_SECOND)
        return true;
    account->log_suppressed++;
    return false;
}

static bool is_failure(const struct outcome_row *row)
{
    return row->book == BOOK_FAILED || row->book == BOOK_UNKNOWN;
}

/* What has to be in the log whatever the sample: failures, and events that were let through without
 * the store's word (C5), which may be delivered twice. */
static bool must_be_told(const struct exchange *ex, const struct outcome_row *row)
{
    return is_failure(row) || ex->outcome == OUTCOME_BYPASSED_STORE;
}

static bool sampled(struct account *account, uint32_t every)
{
    if (every == 0 || ++account->access_turn < every)
        return false;
    account->access_turn = 0;
    return true;
}

/* An observed copy got the upstream's. Who left before an answer would have got the outcome's. */
static uint16_t status_of(const struct exchange *ex, const struct outcome_row *row)
{
    if (ex->own_status)
        return ex->own_status;
    if (ex->marked != OUTCOME_NONE && ex->status)
        return ex->status;
    return row->status ? row->status : ex->status;
}

static void write_line(const struct exchange *ex, const struct outcome_row *row,
                       enum log_level level, uint64_t us, struct slice client)
{
    char id[UUID_TEXT_LEN];
    uuid_format(&ex->event_id, id);
    log_line(ex->gateway->log, level, is_failure(row) ? "exchange failed" : "exchange",
             LOG_TEXT("event_id", slice_of(id, sizeof id)),
             LOG_TEXT("route", ex->route ? ex->route->name : SLICE("")),
             LOG_STR("outcome", row->name), LOG_INT("status", status_of(ex, row)),
             LOG_TEXT("method", ex->request.method), LOG_TEXT("path", ex->request.path),
             LOG_TEXT("client", client), LOG_INT("request_bytes", buf_len(&ex->body)),
             LOG_INT("response_bytes", ex->sent_bytes), LOG_INT("duration_us", us));
}

void access_log(struct exchange *ex, uint64_t us)
{
    struct gateway *gw = ex->gateway;
    const struct outcome_row *row = outcome_row(ex->outcome);
    struct slice client = ex->client_address;
    if (must_be_told(ex, row)) {
        if (failure_allowed(gw->account, gw->log, loop_now_ms(gw->loop)))
            write_line(ex, row, LOG_WARN, us, client);
    } else if (sampled(gw->account, gw->config->access_sample)) {
        write_line(ex, row, LOG_INFO, us, client);
    }
}
