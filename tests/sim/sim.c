/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fakes behind sim.h. They keep the contracts of the interfaces they stand in for: READY or
 * PENDING, one answer each, never from inside a submit.
 */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_MS UINT64_C(1763700000000)

/* ---- dedup ---- */

static void table_does(struct sim_dedup *store, enum sim_verb verb, struct dedup_op *op)
{
    uint64_t now_ms = loop_now_ms(store->loop);
    switch (verb) {
    case SIM_CLAIM:
        key_table_claim(store->table, op, now_ms);
        break;
    case SIM_RENEW:
        key_table_renew(store->table, op, now_ms);
        break;
    case SIM_SETTLE:
        key_table_settle(store->table, op, now_ms);
        break;
    case SIM_RELEASE:
        key_table_release(store->table, op, now_ms);
        break;
    case SIM_VERBS:
        break;
    }
}

static enum op_status dedup_does(struct dedup *base, enum sim_verb verb, struct dedup_op *op)
{
    struct sim_dedup *store = container_of(base, struct sim_dedup, base);
    store->calls[verb]++;
    switch (store->mode[verb]) {
    case SIM_NOW:
        table_does(store, verb, op);
        return OP_READY;
    case SIM_DOWN:
        op->verdict = VERDICT_UNKNOWN;
        op->hold = HOLD_UNKNOWN;
        return OP_READY;
    case SIM_LATER:
        break;
    }
    assert(store->waiting_count < SIM_MAX);
    store->waiting[store->waiting_count] = op;
    store->waiting_verb[store->waiting_count++] = verb;
    return OP_PENDING;
}

static enum op_status dedup_claims(struct dedup *base, struct dedup_op *op)
{
    return dedup_does(base, SIM_CLAIM, op);
}

static enum op_status dedup_renews(struct dedup *base, struct dedup_op *op)
{
    return dedup_does(base, SIM_RENEW, op);
}

static enum op_status dedup_settles(struct dedup *base, struct dedup_op *op)
{
    return dedup_does(base, SIM_SETTLE, op);
}

static enum op_status dedup_releases(struct dedup *base, struct dedup_op *op)
{
    return dedup_does(base, SIM_RELEASE, op);
}

static void dedup_refreshes(struct dedup *base)
{
    (void)base;
}

static const struct dedup_backend dedup_backend = {
    .name = "sim",
    .claim = dedup_claims,
    .renew = dedup_renews,
    .settle = dedup_settles,
    .release = dedup_releases,
    .refresh_stats = dedup_refreshes,
};

void sim_dedup_flush(struct sim *sim)
{
    struct sim_dedup *store = &sim->dedup;
    size_t count = store->waiting_count;
    struct dedup_op *ops[SIM_MAX];
    enum sim_verb verbs[SIM_MAX];
    memcpy(ops, store->waiting, sizeof ops);
    memcpy(verbs, store->waiting_verb, sizeof verbs);
    store->waiting_count = 0;
    for (size_t i = 0; i < count; i++) {
        table_does(store, verbs[i], ops[i]);
        ops[i]->answered(ops[i]);
    }
    sim_turn(sim);
}

/* ---- journal ---- */

static void copy_text(char *to, size_t size, struct slice from)
{
    size_t len = from.len < size - 1 ? from.len : size - 1;
    memcpy(to, from.data, len);
    to[len] = '\0';
}

static enum op_status journal_appends(struct journal *base, struct journal_op *op)
{
    struct sim_journal *journal = container_of(base, struct sim_journal, base);
    assert(journal->row_count < SIM_MAX);
    struct sim_row *row = &journal->rows[journal->row_count++];
    row->event_id = op->record->event_id;
    row->level = op->level;
    row->status = op->record->response_status;
    row->has_key = op->record->has_key;
    copy_text(row->outcome, sizeof row->outcome, op->record->outcome);
    copy_text(row->headers, sizeof row->headers, op->record->headers);
    op->status = journal->mode == SIM_DOWN ? STATUS_UNAVAILABLE : journal->answer;
    if (journal->mode != SIM_LATER || op->level == JOURNAL_BUFFERED)
        return OP_READY;
    assert(journal->waiting_count < SIM_MAX);
    journal->waiting[journal->waiting_count++] = op;
    return OP_PENDING;
}

static void journal_counts(struct journal *base, const struct uuid *event_id, uint64_t at_ms)
{
    struct sim_journal *journal = container_of(base, struct sim_journal, base);
    (void)at_ms;
    assert(journal->duplicate_count < SIM_MAX);
    journal->duplicates[journal->duplicate_count++] = *event_id;
}

static const struct journal_backend journal_backend = {
    .name = "sim",
    .append = journal_appends,
    .count_duplicate = journal_counts,
};

void sim_journal_flush(struct sim *sim)
{
    struct sim_journal *journal = &sim->journal;
    size_t count = journal->waiting_count;
    struct journal_op *ops[SIM_MAX];
    memcpy(ops, journal->waiting, sizeof ops);
    journal->waiting_count = 0;
    for (size_t i = 0; i < count; i++) {
        ops[i]->status = journal->answer;
        ops[i]->answered(ops[i]);
    }
    sim_turn(sim);
}

/* ---- upstream ---- */

static struct sim_upstream *upstream_of(struct upstream *base)
{
    return container_of(base, struct sim_upstream, base);
}

static enum op_status upstream_submits(struct upstream *base, struct upstream_call *call)
{
    struct sim_upstream *upstream = upstream_of(base);
    if (upstream->busy) {
        call->end = CALL_BUSY;
        return OP_READY;
    }
    assert(upstream->call_count < SIM_MAX);
    copy_text(upstream->heads[upstream->call_count], sizeof upstream->heads[0], call->head);
    upstream->calls[upstream->call_count++] = call;
    return OP_PENDING;
}

static size_t index_of(struct upstream_call *call)
{
    struct sim_upstream *upstream = upstream_of(call->upstream);
    for (size_t i = 0; i < upstream->call_count; i++)
        if (upstream->calls[i] == call)
            return i;
    assert(!"a call that is not under way");
    return 0;
}

static void upstream_pauses(struct upstream_call *call)
{
    upstream_of(call->upstream)->paused[index_of(call)] = true;
}

static void upstream_resumes(struct upstream_call *call)
{
    upstream_of(call->upstream)->paused[index_of(call)] = false;
}

static void upstream_cancels(struct upstream_call *call)
{
    struct sim_upstream *upstream = upstream_of(call->upstream);
    size_t i = index_of(call);
    upstream->cancelled[i] = true;
    upstream->calls[i] = NULL;
}

static const struct upstream_backend upstream_backend = {
    .submit = upstream_submits,
    .pause = upstream_pauses,
    .resume = upstream_resumes,
    .cancel = upstream_cancels,
};

void sim_head(struct sim *sim, size_t i, uint16_t status, int length)
{
    static struct http_field fields[1];
    struct upstream_call *call = sim->upstream.calls[i];
    assert(call);
    fields[0] = (struct http_field){
        .name = SLICE("Content-Type"), .value = SLICE("text/plain"), .id = FIELD_CONTENT_TYPE};
    call->reader.head = (struct http_head){
        .status = status,
        .minor = 1,
        .body = length < 0 ? HTTP_BODY_CHUNKED : HTTP_BODY_SIZED,
        .content_length = length < 0 ? 0 : (uint64_t)length,
        .fields = fields,
        .field_count = 1,
    };
    call->on->head(call);
}

void sim_piece(struct sim *sim, size_t i, const char *text)
{
    struct upstream_call *call = sim->upstream.calls[i];
    assert(call);
    call->on->body(call, slice_str(text));
}

void sim_end(struct sim *sim, size_t i, enum call_end end)
{
    struct upstream_call *call = sim->upstream.calls[i];
    assert(call);
    sim->upstream.calls[i] = NULL;
    call->end = end;
    call->any_sent = end != CALL_CONNECT_FAILED && end != CALL_BUSY;
    call->on->ended(call);
    sim_turn(sim);
}

void sim_answer(struct sim *sim, size_t i, uint16_t status, const char *body)
{
    sim_head(sim, i, status, (int)strlen(body));
    if (body[0] != '\0')
        sim_piece(sim, i, body);
    sim_end(sim, i, CALL_COMPLETE);
}

/* ---- client ---- */

static enum send_status client_sends(struct client *base, const struct slice *parts, size_t count)
{
    struct sim_client *client = container_of(base, struct sim_client, base);
    if (client->send_answer == SEND_LOST || client->send_answer == SEND_FULL)
        return client->send_answer;
    for (size_t i = 0; i < count; i++) {
        assert(client->sent_bytes + parts[i].len < sizeof client->sent);
        if (parts[i].len > 0)
            memcpy(client->sent + client->sent_bytes, parts[i].data, parts[i].len);
        client->sent_bytes += parts[i].len;
    }
    client->sent[client->sent_bytes] = '\0';
    return client->send_answer;
}

static void client_answered(struct client *base)
{
    struct sim_client *client = container_of(base, struct sim_client, base);
    client->answered = true;
    client->ex = NULL;
}

static void client_broken(struct client *base)
{
    struct sim_client *client = container_of(base, struct sim_client, base);
    client->broken = true;
    client->ex = NULL;
}

static const struct client_ops client_ops = {
    .send = client_sends,
    .answered = client_answered,
    .broken = client_broken,
};

static struct http_head parse_head(struct sim_client *client, const char *method,
                                   const char *target, unsigned length, const char *lines)
{
    char text[4096];
    int size = snprintf(text, sizeof text,
                        "%s %s HTTP/1.1\r\nHost: sim\r\nContent-Length: %u\r\n%s\r\n", method,
                        target, length, lines);
    assert(size > 0 && (size_t)size < sizeof text);
    struct http1_reader reader;
    static const struct http_limits limits = {32768, 8192, 100, 16384};
    struct slice input = slice_of(text, (size_t)size);
    struct slice piece;
    http1_init_request(&reader, &client->ex->arena, &limits);
    enum http1_event event = http1_next(&reader, &input, &piece);
    assert(event == HTTP1_HEAD);
    (void)event;
    return reader.head;
}

struct sim_client *sim_begin(struct sim *sim, const char *method, const char *target,
                             unsigned length, const char *header_lines)
{
    struct sim_client *client = calloc(1, sizeof *client);
    assert(client);
    client->base.ops = &client_ops;
    client->base.address = SLICE("192.0.2.7");
    client->ex = exchange_new(&sim->gateway, &client->base);
    assert(client->ex);
    struct http_head head = parse_head(client, method, target, length, header_lines);
    (void)exchange_begin(client->ex, &head);
    return client;
}

struct sim_client *sim_send(struct sim *sim, const char *method, const char *target,
                            const char *body, const char *header_lines)
{
    struct sim_client *client =
        sim_begin(sim, method, target, (unsigned)strlen(body), header_lines);
    if (client->ex && body[0] != '\0')
        exchange_body(client->ex, slice_str(body));
    if (client->ex)
        exchange_body_end(client->ex);
    sim_turn(sim);
    return client;
}

struct sim_client *sim_post(struct sim *sim, const char *body, const char *header_lines)
{
    return sim_send(sim, "POST", "/hook", body, header_lines);
}

void sim_leave(struct sim_client *client)
{
    struct exchange *ex = client->ex;
    client->ex = NULL;
    if (ex)
        exchange_client_gone(ex);
}

void sim_client_free(struct sim_client *client)
{
    assert(!client->ex);
    free(client);
}

unsigned sim_status(const struct sim_client *client)
{
    return client->sent_bytes > 12 ? (unsigned)strtoul(client->sent + 9, NULL, 10) : 0;
}

bool sim_got(const struct sim_client *client, const char *text)
{
    return strstr(client->sent, text) != NULL;
}

/* ---- the box ---- */

static struct config *make_config(const char *route_lines, const char *top_lines)
{
    char yaml[4096];
    int size =
        snprintf(yaml, sizeof yaml,
                 "%s"
                 "listen:\n  - address: 127.0.0.1:8080\n"
                 "upstreams:\n  up:\n    endpoints: [\"http://127.0.0.1:1\"]\n    timeout: 5s\n"
                 "routes:\n  - name: hook\n    match: {path: /hook}\n    upstream: up\n%s",
                 top_lines, route_lines);
    assert(size > 0 && (size_t)size < sizeof yaml);
    struct buf report;
    buf_init(&report, 65536);
    struct config *config = NULL;
    if (config_parse("sim.yaml", slice_of(yaml, (size_t)size), &report, &config) != STATUS_OK) {
        (void)fprintf(stderr, "%.*s\n", (int)buf_len(&report), buf_slice(&report).data);
        abort();
    }
    buf_done(&report);
    return config;
}

static void open_stores(struct sim *sim)
{
    sim->dedup.base.backend = &dedup_backend;
    sim->dedup.base.stats.up = true;
    sim->dedup.table = key_table_new(1000);
    sim->dedup.loop = &sim->loop;
    sim->journal.base.backend = &journal_backend;
    sim->journal.base.stats.up = true;
    sim->upstream.base.backend = &upstream_backend;
    sim->upstreams[0] = &sim->upstream.base;
    assert(sim->dedup.table);
}

struct sim *sim_open(const char *route_lines, const char *top_lines)
{
    struct sim *sim = calloc(1, sizeof *sim);
    assert(sim);
    loop_init_manual(&sim->loop, 1000000, WALL_MS);
    sim->config = make_config(route_lines, top_lines);
    sim->metrics = metrics_new(1);
    if (books_open(sim->config, sim->metrics, &sim->books) != STATUS_OK ||
        metrics_seal(sim->metrics) != STATUS_OK ||
        account_init(&sim->account, sim->books, 0) != STATUS_OK)
        abort();
    sim->shared.waiters = waiters_new();
    open_stores(sim);
    sim->gateway = (struct gateway){
        .loop = &sim->loop,
        .config = sim->config,
        .shared = &sim->shared,
        .dedup = &sim->dedup.base,
        .journal = &sim->journal.base,
        .upstreams = sim->upstreams,
        .account = &sim->account,
    };
    if (gateway_open(&sim->gateway) != STATUS_OK)
        abort();
    return sim;
}

static void check_balance(struct sim *sim)
{
    account_publish(&sim->account, &sim->dedup.base, &sim->journal.base, sim->upstreams,
                    loop_now_ms(&sim->loop));
    for (size_t i = 0; i <= sim->books->route_count; i++) {
        if (metrics_sum(sim->metrics, sim->books->routes[i].difference) != 0 ||
            metrics_sum(sim->metrics, sim->books->routes[i].in_progress) != 0)
            abort(); /* the books do not balance: contract C8 */
    }
}

void sim_close(struct sim *sim)
{
    sim_turn(sim);
    if (sim->gateway.exchanges != 0)
        abort(); /* an exchange is still owed an answer, or was never finished */
    check_balance(sim);
    gateway_close(&sim->gateway);
    waiters_free(sim->shared.waiters);
    key_table_free(sim->dedup.table);
    account_done(&sim->account);
    books_close(sim->books);
    metrics_free(sim->metrics);
    config_free(sim->config);
    free(sim);
}

void sim_turn(struct sim *sim)
{
    loop_turn_manual(&sim->loop);
}

void sim_pass(struct sim *sim, unsigned ms)
{
    const unsigned step_ms = 10;
    for (unsigned passed = 0; passed < ms; passed += step_ms) {
        sim->loop.clock.mono_us += step_ms * 1000;
        sim->loop.clock.wall_ms += step_ms;
        sim_turn(sim);
    }
}

uint64_t sim_ended(struct sim *sim, enum outcome outcome)
{
    return metrics_sum(sim->metrics, sim->books->routes[0].outcomes[outcome]);
}

uint64_t sim_tally(struct sim *sim, enum tally tally)
{
    return metrics_sum(sim->metrics, sim->books->tallies[tally]);
}
