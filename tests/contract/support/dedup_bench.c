/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench of the dedup suites: opens and closes stores, submits calls, turns the loop.
 */
#include "dedup_bench.h"

#include "loop_goal.h"

#include <signal.h>
#include <string.h>

#define POLL_MS 2u

struct bench bench = {.max_keys = 100000};

static bool store_closed;

static void on_poll(struct deadline *deadline)
{
    check_goal();
    deadline_set(&loop.deadlines, deadline, loop_now_ms(&loop) + POLL_MS);
}

void bench_run_until(bool (*reached)(void))
{
    struct deadline poll = {.expired = on_poll};
    deadline_set(&loop.deadlines, &poll, loop_now_ms(&loop) + POLL_MS);
    run_until(reached);
    deadline_clear(&loop.deadlines, &poll);
}

static uint64_t wanted_ms;

static bool is_late_enough(void)
{
    return loop_now_ms(&loop) >= wanted_ms;
}

void bench_run_for(uint64_t span_ms)
{
    wanted_ms = loop_now_ms(&loop) + span_ms;
    bench_run_until(is_late_enough);
}

bool bench_is_up(void)
{
    return bench.told > 0 && bench.up;
}

bool bench_is_down(void)
{
    return bench.told > 0 && !bench.up;
}

static void on_changed(void *arg, bool up, enum redis_finding finding, struct slice detail)
{
    (void)arg;
    size_t len = detail.len < sizeof bench.detail - 1 ? detail.len : sizeof bench.detail - 1;
    bench.up = up;
    bench.finding = finding;
    bench.told++;
    memcpy(bench.detail, detail.data, len);
    bench.detail[len] = '\0';
    check_goal();
}

void bench_prepare(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    bench.loop = &loop;
    buf_init(&bench.note, DEDUP_NOTE_MAX);
    bench.opts = (struct redis_opts){
        .host = SLICE("127.0.0.1"),
        .port = bench.server.port,
        .prefix = SLICE("postern"),
        .timeout_ms = 500,
        .pending_max = 20000,
    };
}

void bench_open_memory(void)
{
    bench_prepare();
    bench.table = key_table_new(bench.max_keys);
    cr_assert_not_null(bench.table);
    cr_assert_eq(dedup_memory_open(&loop, bench.table, &bench.store), STATUS_OK);
}

void bench_open_store(void)
{
    struct redis_listener listener = {.changed = on_changed};
    bench.told = 0;
    cr_assert_eq(dedup_redis_open(&loop, &bench.opts, listener, &bench.store), STATUS_OK);
}

void bench_open_redis(void)
{
    redis_server_start(&bench.server);
    bench_prepare();
    bench_open_store();
    bench_run_until(bench_is_up);
}

static void on_closed(void *arg)
{
    (void)arg;
    store_closed = true;
    check_goal();
}

static bool is_closed(void)
{
    return store_closed;
}

void bench_close_store(void)
{
    store_closed = false;
    bench.store->backend->close(bench.store, on_closed, NULL);
    run_until(is_closed);
    bench.store = NULL;
}

void bench_close(void)
{
    if (bench.store)
        bench_close_store();
    loop_close(&loop);
    key_table_free(bench.table);
    key_table_free(bench.opts.l1);
    buf_done(&bench.note);
    redis_server_stop(&bench.server);
}

struct uuid token_of(uint8_t owner)
{
    return (struct uuid){.bytes = {0x01, 0x9a, owner, 4, 5, 6, 0x70, 8, 0x80}};
}

bool is_token(const struct uuid *id, uint8_t owner)
{
    struct uuid token = token_of(owner);
    return uuid_eq(id, &token);
}

static void on_answered(struct dedup_op *op)
{
    struct call *call = container_of(op, struct call, op);
    cr_assert_not(call->answered, "answered twice");
    call->answered = true;
    if (call->then)
        call->then(call);
    check_goal();
}

void call_init(struct call *call, uint64_t number, uint8_t owner)
{
    *call = (struct call){.op = {
                              .route = SLICE("github"),
                              .token = token_of(owner),
                              .lease_ms = BENCH_LONG_MS,
                              .window_ms = BENCH_LONG_MS,
                              .done = {.event_id = token_of(owner),
                                       .status = 207,
                                       .accepted_at_ms = loop.clock.wall_ms},
                              .answered = on_answered,
                          }};
    memcpy(call->op.key.digest, &number, sizeof number);
}

bool call_submit(struct call *call, submit_verb *verb)
{
    call->answered = false;
    if (verb(bench.store, &call->op) == OP_PENDING) {
        cr_assert_not(call->answered, "answered from inside the submit");
        return true;
    }
    call->answered = true;
    return false;
}

static struct call *awaited;

static bool is_answered(void)
{
    return awaited->answered;
}

void call_await(struct call *call)
{
    awaited = call;
    run_until(is_answered);
}

static void run_call(struct call *call, submit_verb *verb)
{
    if (call_submit(call, verb))
        call_await(call);
}

static enum hold hold_of(submit_verb *verb, uint64_t number, uint8_t owner)
{
    struct call call;
    call_init(&call, number, owner);
    run_call(&call, verb);
    return call.op.hold;
}

enum verdict claim(uint64_t number, uint8_t owner)
{
    struct call call;
    call_init(&call, number, owner);
    run_call(&call, dedup_claim);
    return call.op.verdict;
}

enum verdict claim_short(uint64_t number, uint8_t owner)
{
    struct call call;
    call_init(&call, number, owner);
    call.op.lease_ms = BENCH_SHORT_MS;
    run_call(&call, dedup_claim);
    return call.op.verdict;
}

enum hold renew(uint64_t number, uint8_t owner)
{
    return hold_of(dedup_renew, number, owner);
}

enum hold settle(uint64_t number, uint8_t owner)
{
    return hold_of(dedup_settle, number, owner);
}

enum hold release(uint64_t number, uint8_t owner)
{
    return hold_of(dedup_release, number, owner);
}

enum hold forget(uint64_t number)
{
    return hold_of(dedup_forget, number, 0);
}

static void noted_call(struct call *call, uint64_t number, uint8_t owner, struct slice note)
{
    call_init(call, number, owner);
    call->op.noted = true;
    call->op.note = note;
    call->op.ret_note = &bench.note;
}

enum verdict claim_noted(uint64_t number, uint8_t owner, struct slice note)
{
    struct call call;
    noted_call(&call, number, owner, note);
    run_call(&call, dedup_claim);
    return call.op.verdict;
}

enum hold settle_noted(uint64_t number, uint8_t owner, struct slice note, size_t essential)
{
    struct call call;
    noted_call(&call, number, owner, note);
    call.op.note_essential = essential;
    run_call(&call, dedup_settle);
    return call.op.hold;
}

enum verdict peek_noted(uint64_t number, uint8_t owner)
{
    struct call call;
    noted_call(&call, number, owner, SLICE(""));
    run_call(&call, dedup_peek);
    return call.op.verdict;
}

bool is_noted(uint64_t number, struct slice note)
{
    enum verdict verdict = peek_noted(number, 0xff);
    return (verdict == VERDICT_DUPLICATE || verdict == VERDICT_IN_FLIGHT) &&
           slice_eq(buf_slice(&bench.note), note);
}

struct slice long_note(size_t len)
{
    static char octets[DEDUP_NOTE_MAX];
    if (octets[1] == 0)
        for (size_t i = 0; i < sizeof octets; i++)
            octets[i] = (char)(i * 7);
    return slice_of(octets, len);
}

uint64_t claim_until_first(uint64_t number, uint8_t owner, uint64_t start_ms)
{
    while (claim(number, owner) != VERDICT_FIRST)
        bench_run_for(POLL_MS);
    struct clock now;
    clock_refresh(&now);
    return clock_mono_ms(&now) - start_ms;
}
