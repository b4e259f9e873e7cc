/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call to the admin listener, over the gateway's own HTTP client on a loop that lives as long
 * as the call; and what its answers mean for a person.
 */
#include "print.h"
#include "remote.h"

#include <postern/net/upstream.h>
#include <postern/policy/json.h>
#include <signal.h>

#define CONNECT_TIMEOUT_MS 5000u
#define ANSWER_TIMEOUT_MS 300000u /* a hundred thousand events take their time */
#define HEAD_BYTES 16384u

struct calling {
    const struct remote *remote;
    const char *method, *type; /* type: of the body; NULL: there is none */
    struct loop loop;
    struct upstream *upstream;
    struct upstream_call call;
    struct arena arena;
    struct buf head;
    struct remote_answer *answer;
    uint16_t status;
    bool is_cut; /* the answer is larger than there is room for */
};

/* ---- the target ---- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

/* A failure leaves a buffer that takes nothing, so that remote_call sees it. */
static void must(struct buf *target, enum status status)
{
    if (status == STATUS_OK)
        return;
    buf_done(target);
    target->ceiling = 0;
}

static void add_encoded(struct buf *target, const char *text)
{
    for (; *text; text++)
        must(target, is_plain(*text) ? buf_append_byte(target, *text)
                                     : buf_printf(target, "%%%02X", (unsigned char)*text));
}

void remote_add_path(struct buf *target, const char *segment)
{
    if (buf_len(target) == 0)
        must(target, buf_append(target, SLICE("/api/v1")));
    must(target, buf_append_byte(target, '/'));
    add_encoded(target, segment);
}

void remote_add_parameter(struct buf *target, const char *name, const char *value)
{
    struct slice so_far = buf_slice(target);
    bool is_first = so_far.len == 0 || !memchr(so_far.data, '?', so_far.len);
    must(target, buf_append_byte(target, is_first ? '?' : '&'));
    add_encoded(target, name);
    must(target, buf_append_byte(target, '='));
    add_encoded(target, value);
}

/* ---- the call ---- */

static void on_head(struct upstream_call *call)
{
    container_of(call, struct calling, call)->status = call->reader.head.status;
}

static void on_body(struct upstream_call *call, struct slice piece)
{
    struct calling *calling = container_of(call, struct calling, call);
    if (buf_append(&calling->answer->body, piece) != STATUS_OK)
        calling->is_cut = true;
}

static void on_ended(struct upstream_call *call)
{
    loop_stop(&container_of(call, struct calling, call)->loop);
}

static void on_closed(void *arg)
{
    (void)arg; /* loop_run returns, as nothing is left */
}

static const struct upstream_call_handlers handlers = {
    .head = on_head, .body = on_body, .ended = on_ended};

static enum status write_head(struct calling *calling, struct slice target)
{
    const char *token = calling->remote->token;
    struct buf *head = &calling->head;
    enum status status = http1_write_request_line(head, slice_str(calling->method), target);
    if (status == STATUS_OK)
        status = buf_append(head, SLICE("User-Agent: postern-cli\r\n"));
    if (status == STATUS_OK && *token)
        status = buf_printf(head, "Authorization: Bearer %s\r\n", token);
    if (status == STATUS_OK && calling->type)
        status = http1_write_field(head, SLICE("Content-Type"), slice_str(calling->type));
    if (status == STATUS_OK && strcmp(calling->method, "POST") == 0)
        status = http1_write_field_u64(head, SLICE("Content-Length"), calling->call.body.len);
    calling->call.head = buf_slice(head);
    return status;
}

/* Runs the loop for the call. False: it was not begun, for want of memory or a host's name. */
static bool run(struct calling *calling, const struct upstream_opts *opts)
{
    if (loop_open(&calling->loop) != STATUS_OK)
        return false;
    bool is_open = upstream_open(&calling->loop, opts, &calling->upstream) == STATUS_OK;
    if (is_open) {
        if (upstream_submit(calling->upstream, &calling->call) == OP_PENDING)
            loop_run(&calling->loop);
        upstream_close(calling->upstream, on_closed, NULL);
        loop_run(&calling->loop);
    }
    loop_close(&calling->loop);
    return is_open;
}

static bool make_call(struct calling *calling)
{
    const struct remote *remote = calling->remote;
    const struct upstream_endpoint endpoint = {.host = slice_str(remote->name),
                                               .port = remote->port,
                                               .authority = slice_str(remote->authority)};
    const struct upstream_opts opts = {.name = SLICE("admin"),
                                       .endpoints = &endpoint,
                                       .endpoint_count = 1,
                                       .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                       .timeout_ms = ANSWER_TIMEOUT_MS,
                                       .concurrency = 1};
    void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* a listener that leaves is an answer */
    bool is_made = run(calling, &opts);
    (void)signal(SIGPIPE, before);
    return is_made;
}

/* ---- what came of it ---- */

static void explain_silence(const struct calling *calling)
{
    static const char *const texts[] = {
        [CALL_COMPLETE] = "",
        [CALL_BUSY] = "the call could not be begun",
        [CALL_CONNECT_FAILED] =
            "nobody answers; is `postern serve` running, and this its admin.address?",
        [CALL_TIMED_OUT] = "no answer in time",
        [CALL_BROKEN] = "the connection broke before the answer ended",
        [CALL_BAD_RESPONSE] = "what answers is no HTTP server",
        [CALL_LAPSED] = "no time to begin", /* none is set */
        [CALL_NO_MEMORY] = "out of memory",
    };
    (void)fprintf(calling->remote->host->err, "postern %s: %s: %s\n", calling->remote->command,
                  calling->remote->authority, texts[calling->call.end]);
}

/* The problem's own words, if it is one. */
static void explain_problem(struct calling *calling)
{
    struct json_path path;
    struct json_value detail = {.kind = JSON_ABSENT};
    FILE *err = calling->remote->host->err;
    (void)fprintf(err, "postern %s: ", calling->remote->command);
    if (json_path_parse(SLICE("detail"), &calling->arena, &path) &&
        json_find(buf_slice(&calling->answer->body), &path, 1, &calling->arena, &detail) ==
            JSON_OK &&
        detail.kind == JSON_STRING)
        print_plain(err, detail.text);
    else
        (void)fprintf(err, "%s is no admin listener of Postern's, it seems",
                      calling->remote->authority);
    (void)fprintf(err, " (status %u)\n", calling->status);
}

static int judge(struct calling *calling)
{
    struct remote_answer *answer = calling->answer;
    answer->is_uncertain = calling->call.any_sent;
    if (calling->call.end != CALL_COMPLETE) {
        explain_silence(calling);
        return CLI_FAILED;
    }
    answer->is_uncertain = calling->status >= 500;
    if (calling->is_cut) {
        (void)fprintf(calling->remote->host->err, "postern %s: the answer is too large\n",
                      calling->remote->command);
        return CLI_FAILED;
    }
    if (calling->status >= 200 && calling->status < 300)
        return CLI_OK;
    explain_problem(calling);
    return calling->status == 400 ? CLI_USAGE : CLI_FAILED;
}

/* Makes the call, with its method, type and body set. */
static int call_remote(struct calling *calling, const struct buf *target)
{
    const struct remote *remote = calling->remote;
    int status = CLI_FAILED;
    calling->answer->is_uncertain = false;
    arena_init(&calling->arena, 4096, 1u << 20);
    buf_init(&calling->head, HEAD_BYTES);
    calling->call.on = &handlers;
    calling->call.arena = &calling->arena;
    if (target->ceiling > 0 && write_head(calling, buf_slice(target)) == STATUS_OK &&
        make_call(calling))
        status = judge(calling);
    else
        (void)fprintf(remote->host->err, "postern %s: the request can't be made\n",
                      remote->command);
    if (calling->head.data)
        explicit_bzero(calling->head.data, calling->head.capacity); /* the token */
    buf_done(&calling->head);
    arena_done(&calling->arena);
    return status;
}

int remote_call(const struct remote *remote, const char *method, const struct buf *target,
                struct remote_answer *answer)
{
    struct calling calling = {.remote = remote, .method = method, .answer = answer};
    return call_remote(&calling, target);
}

int remote_post(const struct remote *remote, const struct buf *target, const char *type,
                struct slice body, struct remote_answer *answer)
{
    struct calling calling = {
        .remote = remote, .method = "POST", .type = type, .answer = answer, .call.body = body};
    return call_remote(&calling, target);
}
