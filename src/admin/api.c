/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's door: which request it is, whether it may come in, and what its query asks for; and the
 * problems that all requests share.
 *
 *   head -> token, browser -> path and method (the table) -> query -> begin -> … -> page and body
 */
#include "api.h"

#include "guard.h"
#include <postern/gateway/explain.h>

#define PREFIX SLICE("/api/v1/")
#define TEXT_PROBLEM SLICE("application/problem+json")
#define TEXT_JSON SLICE("application/json")

struct endpoint {
    const char *path; /* behind the prefix; '*' stands for an event's id */
    bool is_post;     /* the others are GET (and HEAD) */
    bool asks_archive;
    bool takes_body; /* the others' bodies are dropped */
    enum question_kind kind;
    enum op_status (*begin)(struct api_call *call);
};

static const struct endpoint ENDPOINTS[] = {
    {"events", false, true, false, QUESTION_FIND, api_begin_find},
    {"events/*", false, true, false, QUESTION_PLAIN, api_begin_show},
    {"events/*/body", false, true, false, QUESTION_PLAIN, api_begin_body},
    {"events/*/replay", true, true, false, QUESTION_REPLAY_ONE, api_begin_replay_one},
    {"events/*/cancel", true, true, false, QUESTION_PLAIN, api_begin_cancel_one},
    {"replay", true, true, false, QUESTION_REPLAY_MANY, api_begin_replay_many},
    {"cancel", true, true, false, QUESTION_CANCEL_MANY, api_begin_cancel_many},
    {"explain", true, false, true, QUESTION_EXPLAIN, api_begin_explain},
    {"routes", false, false, false, QUESTION_PLAIN, api_begin_routes},
    {"stats", false, false, false, QUESTION_PLAIN, api_begin_stats},
};
#define ENDPOINT_COUNT (sizeof(ENDPOINTS) / sizeof(ENDPOINTS[0]))

/* ---- problems ---- */

void api_problem(struct api_call *call, uint16_t status, const char *type, const char *title,
                 struct slice detail)
{
    struct json_writer writer = {.buf = &call->body};
    buf_clear(&call->body);
    if (buf_append(&call->body, SLICE("{\"type\":\"urn:postern:problem:")) == STATUS_OK)
        writer.status = buf_append(&call->body, slice_str(type));
    if (writer.status == STATUS_OK)
        writer.status = buf_append_byte(&call->body, '"');
    writer.needs_comma = true;
    json_member_text(&writer, "title", slice_str(title));
    json_member_number(&writer, "status", status);
    json_member_text(&writer, "detail", detail);
    json_close(&writer, '}');
    call->page.status = status;
    call->page.type = TEXT_PROBLEM;
    call->page.attachment = false;
    if (writer.status != STATUS_OK)
        buf_clear(&call->body); /* no memory: the status alone has to say it */
}

void api_finish_json(struct api_call *call)
{
    if (call->writer.status == STATUS_OK)
        call->writer.status = buf_append_byte(&call->body, '\n');
    if (call->writer.status == STATUS_OK) {
        call->page.status = 200;
        call->page.type = TEXT_JSON;
    } else {
        api_problem(call, 500, "answer-too-large", "No room for the answer",
                    SLICE("The answer is larger than it may be, or memory is short."));
    }
}

bool api_archive_answered(struct api_call *call, enum status status)
{
    if (status == STATUS_OK)
        return true;
    if (status == STATUS_TIMED_OUT) {
        api_problem(call, 504, "journal-timeout", "The journal took too long",
                    SLICE("Ask for less: a shorter time, one route, a smaller limit."));
    } else if (status == STATUS_UNAVAILABLE) {
        call->page.retry_after_s = 1;
        api_problem(call, 503, "journal-unavailable", "The journal is away",
                    SLICE("The database can't be reached now; /readyz?verbose says more."));
    } else {
        api_problem(call, 500, "journal-error", "The journal could not answer",
                    slice_str(status_text(status)));
    }
    return false;
}

void api_no_event(struct api_call *call)
{
    api_problem(call, 404, "no-event", "No such event",
                SLICE("No event of the journal has this id; it may be older than the retention."));
}

/* ---- the door ---- */

bool api_is_path(struct slice path)
{
    return slice_starts(path, SLICE("/api/"));
}

/* True when the request may come in; otherwise the problem is made. */
static bool is_let_in(struct api_call *call)
{
    const struct http_head *head = call->head;
    struct slice secret = call->opts->config->admin_token;
    if (!guard_has_token(head, secret)) {
        call->page.challenge = true;
        api_problem(call, 401, "unauthorized", "A bearer token is needed",
                    SLICE("Send the header: Authorization: Bearer TOKEN (admin.token)."));
        return false;
    }
    if (secret.len == 0 && !guard_is_local_host(head->host)) {
        api_problem(call, 403, "foreign-host", "Not this host",
                    SLICE("Without admin.token only numeric hosts and localhost are served."));
        return false;
    }
    return true;
}

/* Matches a path behind the prefix; '*' takes one segment, which goes to *ret_id. */
static bool matches(const char *pattern, struct slice path, struct slice *ret_id)
{
    for (; *pattern; pattern++) {
        if (*pattern != '*') {
            if (path.len == 0 || path.data[0] != *pattern)
                return false;
            path = slice_skip(path, 1);
            continue;
        }
        const char *slash = path.len > 0 ? memchr(path.data, '/', path.len) : NULL;
        *ret_id = slice_of(path.data, slash ? (size_t)(slash - path.data) : path.len);
        if (ret_id->len == 0)
            return false;
        path = slice_skip(path, ret_id->len);
    }
    return path.len == 0;
}

/* NULL: there is none. */
static const struct endpoint *endpoint_of(struct slice path, struct slice *ret_id)
{
    size_t i = slice_starts(path, PREFIX) ? 0 : ENDPOINT_COUNT;
    path = slice_skip(path, PREFIX.len);
    while (i < ENDPOINT_COUNT && !matches(ENDPOINTS[i].path, path, ret_id))
        i++;
    return i < ENDPOINT_COUNT ? &ENDPOINTS[i] : NULL;
}

/* NULL: the problem is made. */
static const struct endpoint *find_endpoint(struct api_call *call)
{
    const struct endpoint *endpoint = endpoint_of(call->head->path, &call->id_text);
    if (endpoint)
        return endpoint;
    api_problem(
        call, 404, "no-page", "No such page",
        SLICE("Here are, under /api/v1: events, events/ID, events/ID/body, "
              "events/ID/replay, events/ID/cancel, replay, cancel, explain, routes, stats."));
    return NULL;
}

static bool has_right_method(struct api_call *call, const struct endpoint *endpoint)
{
    struct slice method = call->head->method;
    if (endpoint->is_post ? slice_eq(method, SLICE("POST"))
                          : slice_eq(method, SLICE("GET")) || slice_eq(method, SLICE("HEAD")))
        return true;
    call->page.allow = endpoint->is_post ? SLICE("POST") : SLICE("GET, HEAD");
    api_problem(call, 405, "method", "Not this method",
                endpoint->is_post ? SLICE("This page takes POST.") : SLICE("This page takes GET."));
    return false;
}

/* Reads path and query; false: the problem is made. */
static bool is_understood(struct api_call *call, const struct endpoint *endpoint)
{
    char problem[QUESTION_PROBLEM_BYTES];
    if (call->id_text.len > 0 && !uuid_parse(call->id_text, &call->event_id)) {
        api_no_event(call);
        return false;
    }
    if (!question_read(&call->question, endpoint->kind, call->head->query,
                       call->opts->loop->clock.wall_ms, call->arena, problem)) {
        api_problem(call, 400, "bad-parameter", "Not understood", slice_str(problem));
        return false;
    }
    return true;
}

size_t api_body_max(const struct api_call *call)
{
    const struct config *config = call->opts->config;
    struct slice id;
    const struct endpoint *endpoint = endpoint_of(call->head->path, &id);
    if (!endpoint || !endpoint->takes_body || !guard_has_token(call->head, config->admin_token))
        return 0;
    return explain_wire_max(&config->http, explain_body_max(config));
}

enum op_status api_begin(struct api_call *call)
{
    call->page = (struct page){.status = 500};
    call->writer = (struct json_writer){.buf = &call->body};
    call->id_text = SLICE("");
    call->wants_body = call->found = call->full = call->has_new_id = false;
    const struct endpoint *endpoint = is_let_in(call) ? find_endpoint(call) : NULL;
    if (!endpoint || !has_right_method(call, endpoint))
        return OP_READY;
    if (endpoint->is_post && guard_is_foreign(call->head)) {
        api_problem(call, 403, "cross-site", "Not from another site",
                    SLICE("A browser sent this for a page of another origin."));
        return OP_READY;
    }
    if (!is_understood(call, endpoint))
        return OP_READY;
    if (endpoint->asks_archive && !call->opts->archive) {
        (void)api_archive_answered(call, STATUS_UNAVAILABLE);
        return OP_READY;
    }
    return endpoint->begin(call);
}
