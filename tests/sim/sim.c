/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The box of sim.h: a gateway on a loop that the test owns, and the clients that are buffers. The
 * fake stores and the fake upstream are in fakes.c.
 */
#include "sim_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_MS UINT64_C(1763700000000)

/* Not a Criterion assertion: the box serves plain programs as well. */
static void fail(const char *what)
{
    (void)fprintf(stderr, "sim: %s\n", what);
    abort();
}

/* ---- client ---- */

/* An exchange that touches a client after its end, or answers twice, is wrong in every test. */
static void assert_waits(const struct sim_client *client)
{
    if (client->answered || client->broken || client->left)
        fail("a client was touched after its end");
}

static enum send_status client_sends(struct client *base, const struct slice *parts, size_t count)
{
    struct sim_client *client = container_of(base, struct sim_client, base);
    assert_waits(client);
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
    assert_waits(client);
    client->answered = true;
    client->ex = NULL;
}

static void client_broken(struct client *base)
{
    struct sim_client *client = container_of(base, struct sim_client, base);
    assert_waits(client);
    client->broken = true;
    client->ex = NULL;
}

static const struct client_ops client_ops = {
    .send = client_sends,
    .answered = client_answered,
    .broken = client_broken,
};

/* Reads the head as conn.c does. What is given up is the arena's: there is no memory left. */
static bool read_head(struct sim_client *client, const char *text, struct http_head *ret_head)
{
    static const struct http_limits limits = {32768, 8192, 100, 16384};
    struct http1_reader reader;
    struct slice input = slice_str(text), piece;
    http1_init_request(&reader, &client->ex->arena, &limits);
    enum http1_event event = http1_next(&reader, &input, &piece);
    if (event == HTTP1_FAULT && reader.fault == HTTP_FAULT_NO_MEMORY)
        return false;
    assert(event == HTTP1_HEAD);
    *ret_head = reader.head;
    return true;
}

struct sim_client *sim_client_new(void)
{
    struct sim_client *client = calloc(1, sizeof *client);
    assert(client);
    client->base.ops = &client_ops;
    client->base.address = SLICE("192.0.2.7");
    return client;
}

void sim_client_begin(struct sim *sim, struct sim_client *client, const char *method,
                      const char *target, size_t length, const char *lines)
{
    char text[4096];
    int size = snprintf(text, sizeof text,
                        "%s %s HTTP/1.1\r\nHost: sim\r\nContent-Length: %zu\r\n%s\r\n", method,
                        target, length, lines);
    assert(size > 0 && (size_t)size < sizeof text);
    client->ex = exchange_new(&sim->gateway, &client->base);
    client->broken = !client->ex; /* conn.c closes then */
    struct http_head head;
    if (!client->ex)
        return;
    if (read_head(client, text, &head))
        (void)exchange_begin(client->ex, &head);
    else
        exchange_refuse(client->ex, OUTCOME_REJECTED_BUSY);
}

void sim_client_body(struct sim *sim, struct sim_client *client, const char *body)
{
    if (client->ex && body[0] != '\0')
        exchange_body(client->ex, slice_str(body));
    if (client->ex)
        exchange_body_end(client->ex);
    sim_turn(sim);
}

struct sim_client *sim_begin(struct sim *sim, const char *method, const char *target, size_t length,
                             const char *header_lines)
{
    struct sim_client *client = sim_client_new();
    sim_client_begin(sim, client, method, target, length, header_lines);
    return client;
}

struct sim_client *sim_send(struct sim *sim, const char *method, const char *target,
                            const char *body, const char *header_lines)
{
    struct sim_client *client = sim_begin(sim, method, target, strlen(body), header_lines);
    sim_client_body(sim, client, body);
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
    if (!ex)
        return;
    client->left = true;
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

static void open_on_loop(struct sim *sim, const char *route_lines, const char *top_lines)
{
    sim->config = make_config(route_lines, top_lines);
    sim->metrics = metrics_new(1);
    if (books_open(sim->config, sim->metrics, &sim->books) != STATUS_OK ||
        metrics_seal(sim->metrics) != STATUS_OK ||
        account_init(&sim->account, sim->books, 0) != STATUS_OK)
        abort();
    sim->shared.waiters = waiters_new();
    sim_open_fakes(sim);
    sim->gateway = (struct gateway){
        .loop = sim->loop,
        .config = sim->config,
        .shared = &sim->shared,
        .dedup = &sim->dedup.base,
        .journal = &sim->journal.base,
        .limiter = &sim->limiter.base,
        .queue = &sim->queue.base,
        .tidies = true,
        .upstreams = sim->upstreams,
        .account = &sim->account,
    };
    if (gateway_open(&sim->gateway) != STATUS_OK)
        abort();
}

struct sim *sim_open(const char *route_lines, const char *top_lines)
{
    struct sim *sim = calloc(1, sizeof *sim);
    assert(sim);
    sim->loop = &sim->own_loop;
    loop_init_manual(sim->loop, 1000000, WALL_MS);
    open_on_loop(sim, route_lines, top_lines);
    return sim;
}

struct sim *sim_open_on(struct loop *loop, const char *route_lines, const char *top_lines)
{
    struct sim *sim = calloc(1, sizeof *sim);
    assert(sim);
    sim->loop = loop;
    open_on_loop(sim, route_lines, top_lines);
    return sim;
}

static void check_balance(struct sim *sim)
{
    account_publish(&sim->account, &sim->dedup.base, &sim->journal.base, sim->upstreams,
                    loop_now_ms(sim->loop));
    for (size_t i = 0; i <= sim->books->route_count; i++) {
        if (metrics_sum(sim->metrics, sim->books->routes[i].difference) != 0 ||
            metrics_sum(sim->metrics, sim->books->routes[i].in_progress) != 0)
            fail("the books do not balance (contract C8)");
    }
}

void sim_close(struct sim *sim)
{
    sim_turn(sim);
    courier_drain(sim->gateway.courier);
    sim_queue_flush(sim);
    if (!courier_is_empty(sim->gateway.courier))
        fail("the courier still holds something");
    if (sim->gateway.exchanges != 0)
        fail("an exchange is still owed an answer, or was never finished");
    check_balance(sim);
    gateway_publish(&sim->gateway);
    gateway_close(&sim->gateway);
    sim_queue_close(sim);
    sim_limiter_close(sim);
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
    if (!sim->loop->impl) /* a real loop turns by itself */
        loop_turn_manual(sim->loop);
}

void sim_pass(struct sim *sim, unsigned ms)
{
    const unsigned step_ms = 10;
    for (unsigned passed = 0; passed < ms; passed += step_ms) {
        sim->loop->clock.mono_us += step_ms * 1000;
        sim->loop->clock.wall_ms += step_ms;
        sim_turn(sim);
    }
}

void sim_skip(struct sim *sim, uint64_t ms)
{
    uint64_t end_us = sim->loop->clock.mono_us + ms * 1000;
    while (sim->loop->clock.mono_us < end_us) {
        uint64_t next_ms = deadlines_next(&sim->loop->deadlines), now_ms = loop_now_ms(sim->loop);
        uint64_t at_us = next_ms > now_ms ? next_ms * 1000 : (now_ms + 1) * 1000;
        uint64_t to_us = at_us < end_us ? at_us : end_us;
        sim->loop->clock.wall_ms += (to_us - sim->loop->clock.mono_us) / 1000;
        sim->loop->clock.mono_us = to_us;
        sim_turn(sim);
    }
}

void sim_check(struct sim *sim)
{
    if (sim->gateway.checks)
        work_run_manual(sim->gateway.checks);
    sim_turn(sim);
}

uint64_t sim_ended(struct sim *sim, enum outcome outcome)
{
    return metrics_sum(sim->metrics, sim->books->routes[0].outcomes[outcome]);
}

uint64_t sim_tally(struct sim *sim, enum tally tally)
{
    return metrics_sum(sim->metrics, sim->books->tallies[tally]);
}
