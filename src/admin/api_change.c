/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay and cancel over the API, of one event or of many by filter. Each one that changed
 * something is told in the log.
 */
#include "api.h"

static const char *verb_text(enum archive_verb verb)
{
    switch (verb) {
    case ARCHIVE_REPLAY_SAME:
        return "replay";
    case ARCHIVE_REPLAY_NEW:
        return "replay_as_new";
    case ARCHIVE_CANCEL:
        return "cancel";
    }
    return "unknown";
}

static void log_change(const struct api_call *call)
{
    const struct archive_change *change = &call->op.change;
    if (change->dry_run || (change->status == STATUS_OK && change->count == 0))
        return;
    log_line(call->opts->log, LOG_INFO, "events changed by an operator",
             LOG_STR("verb", verb_text(change->verb)),
             LOG_TEXT("event_id", change->filter.has_event_id ? call->id_text : SLICE("")),
             LOG_TEXT("route", change->filter.route), LOG_TEXT("state", change->filter.state),
             LOG_INT("changed", change->count), LOG_STR("status", status_text(change->status)));
}

static void prepare(struct api_call *call, enum archive_verb verb,
                    void (*ended)(struct archive_change *change))
{
    call->op.change = (struct archive_change){
        .verb = verb,
        .filter = call->question.filter,
        .limit = call->question.limit,
        .per_second = call->question.per_second,
        .dry_run = call->question.dry_run,
        .has_request = call->question.has_request,
        .request = call->question.request,
        .ended = ended,
    };
}

/* ---- one ---- */

static void on_changed(struct archive_change *change, const struct uuid *event_id,
                       const struct uuid *new_id)
{
    struct api_call *call = container_of(change, struct api_call, op.change);
    (void)event_id;
    if (!new_id)
        return;
    call->has_new_id = true;
    call->new_id = *new_id;
}

static void refuse_state(struct api_call *call)
{
    static const char *const details[] = {
        [ARCHIVE_REPLAY_SAME] = "An attempt of it is under way.",
        [ARCHIVE_REPLAY_NEW] = "It is queued still: it will be delivered, or can be replayed as "
                               "the same.",
        [ARCHIVE_CANCEL] = "Only queued, dead and parked events are cancelled, and none whose "
                           "attempt is under way.",
    };
    api_problem(call, 409, "state", "Its state forbids it",
                slice_str(details[call->op.change.verb]));
}

static void on_one_ended(struct archive_change *change)
{
    struct api_call *call = container_of(change, struct api_call, op.change);
    log_change(call);
    if (!api_archive_answered(call, change->status)) {
        call->answered(call);
        return;
    }
    if (change->count == 0 && change->skipped == 0) {
        api_no_event(call);
    } else if (change->count == 0) {
        refuse_state(call);
    } else {
        json_open(&call->writer, '{');
        json_member_number(&call->writer, "changed", change->count);
        json_member_id(&call->writer, "event_id", &call->event_id);
        if (call->has_new_id)
            json_member_id(&call->writer, "new_event_id", &call->new_id);
        json_close(&call->writer, '}');
        api_finish_json(call);
    }
    call->answered(call);
}

static enum op_status begin_one(struct api_call *call, enum archive_verb verb)
{
    call->question.filter.has_event_id = true;
    call->question.filter.event_id = call->event_id;
    call->question.limit = 1;
    prepare(call, verb, on_one_ended);
    call->op.change.changed = on_changed;
    archive_change(call->opts->archive, &call->op.change);
    return OP_PENDING;
}

enum op_status api_begin_replay_one(struct api_call *call)
{
    return begin_one(call, call->question.as_new ? ARCHIVE_REPLAY_NEW : ARCHIVE_REPLAY_SAME);
}

enum op_status api_begin_cancel_one(struct api_call *call)
{
    return begin_one(call, ARCHIVE_CANCEL);
}

/* ---- many ---- */

/* Adds to a problem how much was done before it. */
static void tell_changed(struct api_call *call)
{
    size_t len = buf_len(&call->body);
    if (len == 0)
        return; /* there was no memory for the problem */
    buf_truncate(&call->body, len - 1);
    call->writer = (struct json_writer){.buf = &call->body, .needs_comma = true};
    json_member_number(&call->writer, "changed", call->op.change.count);
    json_close(&call->writer, '}');
    if (call->writer.status != STATUS_OK)
        buf_clear(&call->body);
}

static void on_many_ended(struct archive_change *change)
{
    struct api_call *call = container_of(change, struct api_call, op.change);
    log_change(call);
    if (api_archive_answered(call, change->status)) {
        json_open(&call->writer, '{');
        json_member_number(&call->writer, "changed", change->count);
        json_member_bool(&call->writer, "dry_run", change->dry_run);
        json_member_bool(&call->writer, "limit_reached", change->count >= change->limit);
        json_close(&call->writer, '}');
        api_finish_json(call);
    } else {
        tell_changed(call);
    }
    call->answered(call);
}

static enum op_status begin_many(struct api_call *call, enum archive_verb verb)
{
    if (!call->question.is_narrowed) {
        api_problem(call, 400, "no-filter", "Which events?",
                    SLICE("Give at least one of: route, state, from, until, key."));
        return OP_READY;
    }
    prepare(call, verb, on_many_ended);
    archive_change(call->opts->archive, &call->op.change);
    return OP_PENDING;
}

enum op_status api_begin_replay_many(struct api_call *call)
{
    return begin_many(call, call->question.as_new ? ARCHIVE_REPLAY_NEW : ARCHIVE_REPLAY_SAME);
}

enum op_status api_begin_cancel_many(struct api_call *call)
{
    return begin_many(call, ARCHIVE_CANCEL);
}
