/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access lines: sampled when all is well, always (up to a rate) when an exchange failed or passed
 * without the store.
 */
#include "access.h"

bool access_allows(struct line_window *window, uint64_t now_ms, uint32_t *ret_suppressed)
{
    *ret_suppressed = 0;
    if (now_ms - window->began_ms >= 1000) {
        *ret_suppressed = window->suppressed;
        *window = (struct line_window){.began_ms = now_ms};
    }
    if (window->lines < ACCESS_LINES_PER_SECOND) {
        window->lines++;
        return true;
    }
    window->suppressed++;
    return false;
}

static bool is_failure(const struct outcome_row *row)
{
    return row->book == BOOK_FAILED || row->book == BOOK_UNKNOWN;
}

/* What has to be in the log whatever the sample: failures, and events that were let through without
 * the store's word (C5), which may be delivered twice. An outage must not become a flood, nor the
 * one hide the other. NULL: the sample decides. */
static struct line_window *window_of(const struct exchange *ex, const struct outcome_row *row)
{
    if (is_failure(row))
        return &ex->gateway->account->failed;
    return ex->outcome == OUTCOME_BYPASSED_STORE ? &ex->gateway->account->bypassed : NULL;
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

static const char *text_of(const struct outcome_row *row)
{
    return is_failure(row) ? "exchange failed" : "exchange";
}

static void write_line(const struct exchange *ex, const struct outcome_row *row,
                       enum log_level level, uint64_t us, struct slice client)
{
    char id[UUID_TEXT_LEN];
    uuid_format(&ex->event_id, id);
    log_line(ex->gateway->log, level, text_of(row), LOG_TEXT("event_id", slice_of(id, sizeof id)),
             LOG_TEXT("route", ex->route ? ex->route->name : SLICE("")),
             LOG_STR("outcome", row->name), LOG_INT("status", status_of(ex, row)),
             LOG_TEXT("method", ex->request.method), LOG_TEXT("path", ex->request.path),
             LOG_TEXT("client", client), LOG_INT("request_bytes", buf_len(&ex->body)),
             LOG_INT("response_bytes", ex->sent_bytes), LOG_INT("duration_us", us));
}

static bool allowed(const struct exchange *ex, const struct outcome_row *row,
                    struct line_window *window)
{
    struct gateway *gw = ex->gateway;
    uint32_t suppressed;
    bool allows = access_allows(window, loop_now_ms(gw->loop), &suppressed);
    if (suppressed > 0)
        log_line(gw->log, LOG_WARN, "exchange lines suppressed", LOG_STR("of", text_of(row)),
                 LOG_INT("count", suppressed));
    return allows;
}

void access_log(struct exchange *ex, uint64_t us)
{
    struct gateway *gw = ex->gateway;
    const struct outcome_row *row = outcome_row(ex->outcome);
    struct slice client = ex->client_address;
    struct line_window *window = window_of(ex, row);
    if (window) {
        if (allowed(ex, row, window))
            write_line(ex, row, LOG_WARN, us, client);
    } else if (sampled(gw->account, gw->config->access_sample)) {
        write_line(ex, row, LOG_INFO, us, client);
    }
}
