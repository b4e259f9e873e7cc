/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation of an exchange fails once: the first in one run, the second in the next, until a
 * run needs no more (curl calls this its torture test). Every run has to end as it would have, with
 * 503, or with a broken connection, leak nothing, and leave the sender's retry right. The linker
 * puts the __wrap_ functions in the place of malloc and its kin (CMakeLists.txt); what OpenSSL
 * allocates is not among it.
 */
#include "sim.h"
#include <criterion/criterion.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);

static bool armed;
static size_t asked, fail_at; /* while armed: allocations so far, and which of them fails */
static long alive;            /* allocations not freed */

static bool refused(void)
{
    return armed && ++asked == fail_at;
}

static void *counted(void *memory)
{
    alive += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (refused())
        return NULL;
    return old ? __real_realloc(old, size) : counted(__real_realloc(NULL, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *memory)
{
    alive -= memory != NULL;
    __real_free(memory);
}

/* ---- the runs ---- */

struct scenario {
    const char *route_lines, *body;
    const char *top_lines, *lines; /* NULL: none; the header's */
    bool known;                    /* the event was accepted before */
    uint16_t status;               /* of the upstream's answer; 0: its connection can't be opened */
    bool in_pieces;                /* a long answer, while the settle and the client are slow */
};

static bool has_call(const struct sim *sim, size_t i)
{
    return sim->upstream.call_count > i && sim->upstream.calls[i];
}

static void answer_in_pieces(struct sim *sim, size_t i, uint16_t status)
{
    static char piece[3000 + 1];
    memset(piece, 'x', sizeof piece - 1);
    sim_head(sim, i, status, -1);
    sim_turn(sim);
    for (int sent = 0; sent < 6 && has_call(sim, i) && !sim->upstream.paused[i]; sent++) {
        sim_piece(sim, i, piece);
        if (sent == 3)
            sim_dedup_flush(sim);
    }
    if (has_call(sim, i))
        sim_end(sim, i, CALL_COMPLETE);
    sim_dedup_flush(sim);
}

static void answer(struct sim *sim, const struct scenario *scenario)
{
    size_t last = sim->upstream.call_count - 1;
    if (!has_call(sim, last))
        return;
    if (scenario->status == 0)
        sim_end(sim, last, CALL_CONNECT_FAILED);
    else if (scenario->in_pieces)
        answer_in_pieces(sim, last, scenario->status);
    else
        sim_answer(sim, last, scenario->status, "ok");
}

static const char *lines_of(const struct scenario *scenario)
{
    return scenario->lines ? scenario->lines : "X-A: b\r\n";
}

static void accept_first(struct sim *sim, const struct scenario *scenario)
{
    struct sim_client *client = sim_post(sim, scenario->body, lines_of(scenario));
    sim_answer(sim, 0, 200, "ok");
    cr_assert(client->answered);
    sim_client_free(client);
}

/* The sender comes again: what the upstream took is a duplicate, anything else is forwarded. */
static void check_retry(struct sim *sim, const struct scenario *scenario, bool taken)
{
    size_t calls = sim->upstream.call_count;
    struct sim_client *retry = sim_post(sim, scenario->body, lines_of(scenario));
    cr_assert_eq(sim->upstream.call_count, calls + !taken, "with failure %zu", fail_at);
    if (taken)
        cr_assert(sim_got(retry, "Postern-Outcome: duplicate"));
    else
        sim_answer(sim, calls, 200, "ok");
    cr_assert(retry->answered);
    sim_client_free(retry);
}

static bool is_expected(const struct sim_client *client, const struct scenario *scenario)
{
    unsigned usual = scenario->known ? 200u : scenario->status ? scenario->status : 502u;
    return client->broken || sim_status(client) == 503 || sim_status(client) == usual;
}

/* One run; true when the failure was met. */
static bool run(const struct scenario *scenario)
{
    long alive_before = alive;
    struct sim *sim =
        sim_open(scenario->route_lines, scenario->top_lines ? scenario->top_lines : "");
    struct sim_client *client = sim_client_new();
    if (scenario->known)
        accept_first(sim, scenario);
    exchange_free_spare(&sim->gateway);
    size_t calls = sim->upstream.call_count;
    if (scenario->in_pieces)
        sim->dedup.mode[SIM_SETTLE] = SIM_LATER;

    asked = 0;
    armed = true;
    sim_client_begin(sim, client, "POST", "/hook", strlen(scenario->body), lines_of(scenario));
    sim_client_body(sim, client, scenario->body);
    bool called = sim->upstream.call_count > calls;
    if (called)
        answer(sim, scenario);
    armed = false;

    cr_assert(client->answered != client->broken, "with failure %zu", fail_at);
    cr_assert(is_expected(client, scenario), "%u with failure %zu", sim_status(client), fail_at);
    sim->dedup.mode[SIM_SETTLE] = SIM_NOW;
    check_retry(sim, scenario, scenario->known || (called && scenario->status / 100 == 2));
    sim_client_free(client);
    sim_close(sim);
    cr_assert_eq(alive, alive_before, "%ld leaked with failure %zu", alive - alive_before, fail_at);
    return asked >= fail_at;
}

/* Returns how many allocations the exchange needs. */
static size_t torture(const struct scenario *scenario)
{
    fail_at = 1;
    while (run(scenario)) {
        fail_at++;
        cr_assert_lt(fail_at, 10000);
    }
    return fail_at - 1;
}

Test(no_memory, accepted)
{
    const struct scenario accepted = {.route_lines = "", .body = "event", .status = 200};
    cr_assert_geq(torture(&accepted), 4, "the exchange, its arena, its head, its body");
}

Test(no_memory, accepted_by_a_key_in_json)
{
    const struct scenario accepted = {.route_lines = "    key: {json: [a.id]}\n",
                                      .body = "{\"a\": {\"id\": \"1\\u00e9\\n2\"}}",
                                      .status = 200};
    cr_assert_gt(torture(&accepted), 0);
}

Test(no_memory, accepted_durably)
{
    const struct scenario accepted = {
        .route_lines = "    ack: durable\n", .body = "event", .status = 200};
    cr_assert_gt(torture(&accepted), 0);
}

#define DOOR                                                                                       \
    "    signature: {scheme: github, secret: s3cret}\n    fingerprint: payload\n"                  \
    "    duplicate: replay\n    limits: {rate: 100/s, burst: 100}\n"

/* hmac.new(b"s3cret", b"event", "sha256").hexdigest() in Python */
#define DOOR_LINES                                                                                 \
    "X-Hub-Signature-256: "                                                                        \
    "sha256=f5cf98e43da8bbff8f3637bc3d9556b0954bab290ec202491fb45fcd755fbf18\r\n"

/* All that a door has. What can't be kept is not replayed, which is_expected takes for as good. */
Test(no_memory, through_a_door)
{
    const struct scenario accepted = {
        .route_lines = DOOR, .lines = DOOR_LINES, .body = "event", .status = 201};
    const struct scenario known = {
        .route_lines = DOOR, .lines = DOOR_LINES, .body = "event", .known = true};
    cr_assert_gt(torture(&accepted), 6, "the usual ones, its rate, its note");
    cr_assert_gt(torture(&known), 6, "and the note of the first");
}

Test(no_memory, behind_a_proxy)
{
    const struct scenario accepted = {.top_lines = "trusted_proxies: [192.0.2.7]\n",
                                      .route_lines = "",
                                      .lines = "X-Forwarded-For: 203.0.113.9\r\n",
                                      .body = "event",
                                      .status = 200};
    cr_assert_gt(torture(&accepted), 0);
}

/* Answered, refused, or taken for an event; and answered when it is tried again. */
static bool run_handshake(void)
{
    static const char body[] = "{\"type\":\"url_verification\",\"challenge\":\"abc\"}";
    long alive_before = alive;
    struct sim *sim = sim_open("    handshake: slack\n", "");
    struct sim_client *client = sim_client_new();
    asked = 0;
    armed = true;
    sim_client_begin(sim, client, "POST", "/hook", strlen(body), "");
    sim_client_body(sim, client, body);
    armed = false;
    if (sim->upstream.call_count > 0)
        sim_answer(sim, 0, 200, "ok");
    cr_assert(client->broken || sim_status(client) == 200 || sim_status(client) == 503);
    struct sim_client *retry = sim_post(sim, body, "");
    cr_assert(sim_got(retry, "\r\n\r\nabc"), "with failure %zu", fail_at);
    sim_client_free(client);
    sim_client_free(retry);
    sim_close(sim);
    cr_assert_eq(alive, alive_before, "%ld leaked with failure %zu", alive - alive_before, fail_at);
    return asked >= fail_at;
}

Test(no_memory, a_handshake)
{
    fail_at = 1;
    while (run_handshake()) {
        fail_at++;
        cr_assert_lt(fail_at, 10000);
    }
    cr_assert_gt(fail_at, 4);
}

Test(no_memory, a_long_answer)
{
    const struct scenario accepted = {
        .route_lines = "", .body = "event", .status = 200, .in_pieces = true};
    cr_assert_gt(torture(&accepted), 0);
}

Test(no_memory, duplicate)
{
    const struct scenario duplicate = {.route_lines = "", .body = "event", .known = true};
    cr_assert_gt(torture(&duplicate), 0);
}

Test(no_memory, failed)
{
    const struct scenario failed = {.route_lines = "", .body = "event", .status = 500};
    const struct scenario unreachable = {.route_lines = "", .body = "event", .status = 0};
    cr_assert_gt(torture(&failed), 0);
    cr_assert_gt(torture(&unreachable), 0);
}

/* ---- queue routes ---- */

/* Lets a minute go by while the upstream takes everything; returns how often it took something. */
static unsigned deliver_all(struct sim *sim)
{
    unsigned taken = 0;
    for (unsigned second = 0; second < 60; second++) {
        sim_skip(sim, 1000);
        for (size_t i = 0; i < sim->upstream.call_count; i++) {
            if (!sim->upstream.calls[i])
                continue;
            sim_answer(sim, i, 200, "");
            taken++;
        }
    }
    return taken;
}

/* What was told 202 is delivered once, its repeat is a duplicate; what was not is either not there,
 * and the retry is accepted, or was accepted all the same, and the retry is told so. */
static bool run_queued(void)
{
    long alive_before = alive;
    struct sim *sim = sim_open("    mode: queue\n", "");
    struct sim_client *client = sim_client_new();
    sim_turn(sim);
    exchange_free_spare(&sim->gateway);
    asked = 0;
    armed = true;
    sim_client_begin(sim, client, "POST", "/hook", 5, "X-A: b\r\n");
    sim_client_body(sim, client, "event");
    bool met = asked >= fail_at;
    armed = false;
    bool promised = sim_status(client) == 202;
    cr_assert(promised || client->broken || sim_status(client) == 503, "with failure %zu", fail_at);
    unsigned taken = deliver_all(sim);
    cr_assert_eq(taken, sim->queue.count, "with failure %zu", fail_at);
    cr_assert(!promised || taken == 1, "with failure %zu", fail_at);
    struct sim_client *retry = sim_post(sim, "event", "");
    cr_assert_eq(sim_status(retry), taken ? 200 : 202, "with failure %zu", fail_at);
    taken += deliver_all(sim);
    cr_assert_eq(taken, 1, "with failure %zu", fail_at);
    sim_client_free(client);
    sim_client_free(retry);
    sim_close(sim);
    cr_assert_eq(alive, alive_before, "%ld leaked with failure %zu", alive - alive_before, fail_at);
    return met;
}

Test(no_memory, queued)
{
    fail_at = 1;
    while (run_queued()) {
        fail_at++;
        cr_assert_lt(fail_at, 10000);
    }
    cr_assert_geq(fail_at, 7, "the exchange's four, the delivery, its content, its head");
}

#ifndef POSTERN_ARENA_SINGLY
static struct sim_client *post_answered(struct sim *sim, struct sim_client *client,
                                        const char *body, uint16_t status)
{
    size_t calls = sim->upstream.call_count;
    sim_client_begin(sim, client, "POST", "/hook", strlen(body), "X-A: b\r\n");
    sim_client_body(sim, client, body);
    if (sim->upstream.call_count > calls)
        sim_answer(sim, calls, status, "ok");
    cr_assert(client->answered);
    return client;
}

/* What the first exchange took is kept: the next ones allocate nothing in the gateway. The fake
 * store has seen the keys before, so that it doesn't grow either. */
Test(no_memory, a_spare_exchange_allocates_nothing)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *clients[] = {sim_client_new(), sim_client_new(), sim_client_new()};
    const struct scenario event = {.body = "event"};
    accept_first(sim, &event);
    sim_client_free(post_answered(sim, sim_client_new(), "other", 500));
    asked = 0;
    armed = true;
    (void)post_answered(sim, clients[0], "event", 0);
    (void)post_answered(sim, clients[1], "other", 500);
    (void)post_answered(sim, clients[2], "other", 200);
    armed = false;
    cr_assert_eq(asked, 0, "%zu allocations", asked);
    cr_assert_eq(sim_ended(sim, OUTCOME_DUPLICATE), 1);
    cr_assert_eq(sim_ended(sim, OUTCOME_ACCEPTED), 2);
    cr_assert_eq(sim_ended(sim, OUTCOME_FAILED_STATUS), 2);
    for (size_t i = 0; i < 3; i++)
        sim_client_free(clients[i]);
    sim_close(sim);
}
#endif
