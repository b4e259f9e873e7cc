/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random runs of queue routes: copies of few events, senders that leave, an upstream that fails in
 * any way, and stores, journal and queue that are slow or away for a while. When the storm is over
 * and time has passed:
 *
 *   C3  who was told 202 had its event delivered, once: its id was taken by the upstream one time
 *   C1  while the dedup store did not fail, no key was accepted twice
 *   C2  who was told "duplicate" was told the id of an event that was taken
 *   C8  the books balance, nothing is left alive (sim_close)
 *
 * POSTERN_SIM_SEED=n runs that seed alone, POSTERN_SIM_SEEDS=n the first n.
 */
#include "courier_impl.h"
#include "sim.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define SEEDS 200u
#define MOVES 300u
#define KEYS 4u

struct run {
    uint64_t seed, random;
    bool dedup_fails;
    struct sim *sim;
    struct sim_client *clients[2 * MOVES];
    size_t client_count;
    bool succeeded[SIM_MAX]; /* call i was answered with success, as far as the upstream knows */
    unsigned newest;
};

static uint64_t next_random(struct run *run)
{
    run->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = run->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned below(struct run *run, unsigned count)
{
    return (unsigned)(next_random(run) % count);
}

/* ---- moves ---- */

static void post(struct run *run)
{
    char body[32];
    if (below(run, 4) == 0)
        run->newest++;
    (void)snprintf(body, sizeof body, "event %u", run->newest + below(run, KEYS));
    run->clients[run->client_count++] = sim_post(run->sim, body, "");
}

static void leave(struct run *run)
{
    if (run->client_count == 0)
        return;
    struct sim_client *client = run->clients[below(run, (unsigned)run->client_count)];
    if (client->ex)
        sim_leave(client);
}

static void end_call(struct run *run, size_t i)
{
    static const uint16_t statuses[] = {200, 202, 204, 200, 503, 500, 429, 408};
    static const enum call_end ends[] = {CALL_CONNECT_FAILED, CALL_TIMED_OUT, CALL_BROKEN,
                                         CALL_BAD_RESPONSE};
    if (!run->sim->upstream.calls[i])
        return;
    if (below(run, 4) == 0) {
        sim_end(run->sim, i, ends[below(run, 4)]);
        return;
    }
    uint16_t status = statuses[below(run, 8)];
    run->succeeded[i] = status < 300;
    sim_answer(run->sim, i, status, "x");
}

static void end_some_call(struct run *run)
{
    if (run->sim->upstream.call_count > 0)
        end_call(run, below(run, (unsigned)run->sim->upstream.call_count));
}

static enum sim_mode any_mode(struct run *run)
{
    static const enum sim_mode modes[] = {SIM_NOW, SIM_NOW, SIM_LATER, SIM_DOWN};
    return modes[below(run, 4)];
}

/* The journal is not away from one moment to the next while an append is on its way: what it has
 * been given it will answer. */
static void change_weather(struct run *run)
{
    struct sim *sim = run->sim;
    sim->journal.mode = any_mode(run);
    sim->queue.mode = any_mode(run);
    sim->upstream.busy = below(run, 8) == 0;
    for (unsigned verb = 0; verb < SIM_VERBS; verb++)
        sim->dedup.mode[verb] = run->dedup_fails ? any_mode(run) : SIM_NOW;
}

static void flush(struct run *run)
{
    sim_journal_flush(run->sim);
    sim_queue_flush(run->sim);
    sim_dedup_flush(run->sim);
}

static void move(struct run *run)
{
    switch (below(run, 12)) {
    case 0:
    case 1:
    case 2:
        post(run);
        return;
    case 3:
        leave(run);
        return;
    case 4:
    case 5:
    case 6:
        end_some_call(run);
        return;
    case 7:
        change_weather(run);
        return;
    case 8:
        flush(run);
        return;
    default:
        sim_skip(run->sim, below(run, 4) == 0 ? below(run, 20000) : below(run, 500));
        return;
    }
}

/* Everything works again, for as long as it takes. */
static void calm_down(struct run *run)
{
    struct sim *sim = run->sim;
    sim->journal.mode = sim->queue.mode = SIM_NOW;
    sim->upstream.busy = false;
    for (unsigned verb = 0; verb < SIM_VERBS; verb++)
        sim->dedup.mode[verb] = SIM_NOW;
    flush(run);
    for (unsigned minute = 0; minute < 90; minute++) {
        sim_skip(sim, 60000);
        for (size_t i = 0; i < sim->upstream.call_count; i++) {
            if (!sim->upstream.calls[i])
                continue;
            run->succeeded[i] = true;
            sim_answer(sim, i, 200, "");
        }
    }
}

/* ---- the history ---- */

static const char *id_in(const char *text)
{
    const char *field = strstr(text, "Postern-Event-Id: ");
    return field ? field + strlen("Postern-Event-Id: ") : NULL;
}

static unsigned times_taken(const struct run *run, const char *id)
{
    unsigned count = 0;
    for (size_t i = 0; i < run->sim->upstream.call_count; i++) {
        const char *called = id_in(run->sim->upstream.heads[i]);
        count += run->succeeded[i] && called && strncmp(called, id, UUID_TEXT_LEN) == 0;
    }
    return count;
}

static void check_client(const struct run *run, const struct sim_client *client)
{
    unsigned long long seed = run->seed;
    cr_assert_eq(client->answered + client->broken + client->left, 1, "seed %llu", seed);
    if (!client->answered || (sim_status(client) != 202 && sim_status(client) != 200))
        return;
    const char *id = id_in(client->sent);
    cr_assert_not_null(id);
    cr_assert_eq(times_taken(run, id), 1, "seed %llu: %.36s, told %u, was taken %u times", seed, id,
                 sim_status(client), times_taken(run, id));
}

static void check_events(const struct run *run)
{
    const struct sim_queue *queue = &run->sim->queue;
    unsigned long long seed = run->seed;
    for (size_t i = 0; i < queue->count; i++) {
        cr_assert_eq(queue->events[i].state, SIM_DELIVERED, "seed %llu: row %zu", seed, i);
        for (size_t j = 0; j < i && !run->dedup_fails; j++)
            cr_assert_not(queue->events[i].view.body.len > 0 &&
                              slice_eq(queue->events[i].view.body, queue->events[j].view.body),
                          "seed %llu: accepted twice", seed);
    }
}

static void run_seed(uint64_t seed)
{
    struct run run = {.seed = seed, .random = seed * 2654435761u + 1, .dedup_fails = seed % 2};
    run.sim = sim_open("    mode: queue\n    lease: 12s\n    on_store_error: reject\n"
                       "    retry: {max_attempts: 1000, base: 1s, cap: 20s}\n",
                       "");
    run.sim->gateway.jitter = seed;
    for (unsigned i = 0; i < MOVES && run.sim->upstream.call_count < SIM_MAX / 2; i++)
        move(&run);
    calm_down(&run);
    for (size_t i = 0; i < run.client_count; i++)
        check_client(&run, run.clients[i]);
    check_events(&run);
    for (size_t i = 0; i < run.client_count; i++)
        sim_client_free(run.clients[i]);
    sim_close(run.sim);
}

static unsigned long from_env(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

Test(queue_random, every_promise_is_kept)
{
    unsigned long seed = from_env("POSTERN_SIM_SEED", 0),
                  count = from_env("POSTERN_SIM_SEEDS", SEEDS);
    if (seed) {
        run_seed(seed);
        return;
    }
    for (seed = 1; seed <= count; seed++)
        run_seed(seed);
}
