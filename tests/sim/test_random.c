/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random runs of the whole gateway: copies of few events, clients that leave or lag, an upstream
 * that answers in any way and order, stores that are slow or away, time that passes. After each run
 * the history is held against the contract (docs/guarantees.md):
 *
 *   C1  while no store failed, at most one call of a key is under way or was a success
 *   C2  who is told "duplicate" is told the id of an event that the upstream took
 *   C8  the books balance, nothing is left alive (sim_close)
 *
 * and each client got one end. Every other run has a door: signatures checked off the loop, rates,
 * fingerprints, responses given again; then nobody without a right signature is forwarded, and who
 * sends another body under a key is not told of an event of that body.
 *
 * POSTERN_SIM_SEED=n runs that seed alone and tells its moves;
 * POSTERN_SIM_SEEDS=n runs the first n.
 */
#include "sim.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEEDS 300u
#define MOVES 400u
#define KEYS 3u       /* posted at a time */
#define ANY_KEY 0xffu /* for was_taken */

/* The key of RFC 8032 7.1, test 1; signatures of "1763700000event" and "1763700000other", made with
 * an implementation of RFC 8032 in Python. */
#define DOOR                                                                                       \
    "    key: {header: X-Key}\n"                                                                   \
    "    signature: {scheme: discord, tolerance: 0s, secret: "                                     \
    "\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"}\n"                      \
    "    fingerprint: payload\n"
static const char *const signatures[] = {
    "7a8f3e1fb447de6f775cbba7daeec0b8903ec297725667f4da7eef0822cd54ac"
    "df2d00cb3dfa09e11b82c9594e3db723e80d93d543ba367b296510e480d0f205",
    "b7aace940bcb8c605330dc9695a5713103fe23aa2fdb5049ffb0f77604d2ec4c"
    "f260f3f78db21f09cbdc8eb5b936013aa44b10e40a168511f92debd1b60b8302"};

/* What may happen to the stores in a run. */
enum weather {
    CALM,  /* they answer at once */
    SLOW,  /* they answer later, but before any deadline */
    STORM, /* they answer when they like, or fail */
    WEATHERS
};

/* A call of the upstream, as far as the fake has to remember it to keep its contract. */
struct call_history {
    unsigned key;
    char event_id[UUID_TEXT_LEN + 1];
    bool head_told, success;
};

struct run {
    uint64_t seed, random;
    enum weather weather;
    bool told; /* moves are printed */
    bool door; /* DOOR, and perhaps more */
    struct sim *sim;
    struct sim_client *clients[2 * MOVES];
    unsigned keys[2 * MOVES]; /* of the clients */
    size_t client_count;
    unsigned newest; /* key; older ones than KEYS are not posted any more */
    struct call_history calls[SIM_MAX];
    size_t call_count;
};

/* ---- random, and telling ---- */

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

static void tell(const struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(const struct run *run, const char *format, ...)
{
    if (!run->told)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "%8llu ms  ", (unsigned long long)loop_now_ms(run->sim->loop));
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
}

static char seed_text[64];

/* An abort inside the gateway has to name its seed as well. */
static void on_abort(int number)
{
    (void)number;
    (void)!write(STDERR_FILENO, seed_text, strlen(seed_text));
}

/* ---- the history ---- */

static void copy_event_id(const char *text, char ret_id[static UUID_TEXT_LEN + 1])
{
    const char *field = strstr(text, "Postern-Event-Id: ");
    cr_assert_not_null(field);
    memcpy(ret_id, field + strlen("Postern-Event-Id: "), UUID_TEXT_LEN);
    ret_id[UUID_TEXT_LEN] = '\0';
}

/* C1 at the moment it would be broken: no second call while the first one has no answer, none after
 * a success. */
static void check_single(const struct run *run, const struct call_history *call)
{
    for (const struct call_history *other = run->calls; other < call; other++) {
        bool under_way = !other->head_told && run->sim->upstream.calls[other - run->calls];
        cr_assert(other->key != call->key || !(under_way || other->success),
                  "seed %llu: key %u was forwarded twice", (unsigned long long)run->seed,
                  call->key);
    }
}

static void note_calls(struct run *run)
{
    const struct sim_upstream *upstream = &run->sim->upstream;
    while (run->call_count < upstream->call_count) {
        struct call_history *call = &run->calls[run->call_count];
        const char *head = upstream->heads[run->call_count++];
        const char *key = strstr(head, "X-Key: ");
        cr_assert_not_null(key);
        cr_assert_null(strstr(head, "X-Wrong"), "seed %llu: an unverified request was forwarded",
                       (unsigned long long)run->seed);
        call->key = (unsigned)strtoul(key + strlen("X-Key: "), NULL, 10);
        copy_event_id(head, call->event_id);
        if (run->weather != STORM)
            check_single(run, call);
    }
}

static bool was_taken(const struct run *run, const char *event_id, unsigned key)
{
    for (size_t i = 0; i < run->call_count; i++)
        if (run->calls[i].success && (key == ANY_KEY || run->calls[i].key == key) &&
            strcmp(run->calls[i].event_id, event_id) == 0)
            return true;
    return false;
}

static void check_client(const struct run *run, size_t i)
{
    const struct sim_client *client = run->clients[i];
    cr_assert_eq(client->answered + client->broken + client->left, 1,
                 "seed %llu: client %zu has no end, or two", (unsigned long long)run->seed, i);
    if (!client->answered)
        return;
    cr_assert_gt(sim_status(client), 0);
    bool promised = sim_got(client, "Postern-Outcome: duplicate") ||
                    sim_got(client, "Postern-Outcome: accepted");
    if (!promised)
        return;
    char event_id[UUID_TEXT_LEN + 1];
    copy_event_id(client->sent, event_id);
    cr_assert(was_taken(run, event_id, run->keys[i]),
              "seed %llu: client %zu was told of %s, which nobody took",
              (unsigned long long)run->seed, i, event_id);
}

static void check_duplicate_counts(const struct run *run)
{
    for (size_t i = 0; i < run->sim->journal.duplicate_count; i++) {
        char id[UUID_TEXT_LEN + 1] = {0};
        uuid_format(&run->sim->journal.duplicates[i], id);
        cr_assert(was_taken(run, id, ANY_KEY),
                  "seed %llu: a duplicate of %s was counted, which nobody took",
                  (unsigned long long)run->seed, id);
    }
}

/* ---- moves ---- */

static void post_key(struct run *run, unsigned key)
{
    char body[16], header[32];
    (void)snprintf(body, sizeof body, "event %u", key);
    (void)snprintf(header, sizeof header, "X-Key: %u\r\n", key);
    tell(run, "client %zu posts key %u", run->client_count, key);
    run->keys[run->client_count] = key;
    run->clients[run->client_count++] = sim_post(run->sim, body, header);
}

/* With `other` the second body, with `wrong` the signature of the one that isn't sent. */
static void post_signed(struct run *run, unsigned key, bool other, bool wrong)
{
    char header[256];
    (void)snprintf(header, sizeof header,
                   "X-Key: %u\r\nX-Signature-Timestamp: 1763700000\r\n"
                   "X-Signature-Ed25519: %s\r\n%s",
                   key, signatures[other != wrong], wrong ? "X-Wrong: 1\r\n" : "");
    tell(run, "client %zu posts key %u%s%s", run->client_count, key, other ? " other" : "",
         wrong ? " wrong" : "");
    run->keys[run->client_count] = key;
    run->clients[run->client_count++] = sim_post(run->sim, other ? "other" : "event", header);
}

static void post(struct run *run)
{
    run->newest += below(run, 12) == 0;
    unsigned key = run->newest + below(run, KEYS);
    if (run->door)
        post_signed(run, key, below(run, 8) == 0, below(run, 8) == 0);
    else
        post_key(run, key);
}

/* One of those who wait for their answer, or NULL. */
static struct sim_client *some_client(struct run *run)
{
    struct sim_client *chosen = NULL;
    unsigned waiting = 0;
    for (size_t i = 0; i < run->client_count; i++)
        if (run->clients[i]->ex && below(run, ++waiting) == 0)
            chosen = run->clients[i];
    return chosen;
}

static void leave(struct run *run)
{
    struct sim_client *client = some_client(run);
    if (!client)
        return;
    tell(run, "a client leaves in %s", ex_steps[client->ex->state].name);
    sim_leave(client);
}

static void lag(struct run *run)
{
    struct sim_client *client = some_client(run);
    if (!client)
        return;
    client->send_answer = below(run, 8) == 0 ? SEND_LOST : SEND_BACKLOG;
    tell(run, "a client %s", client->send_answer == SEND_LOST ? "is lost" : "falls behind");
}

static void drain(struct run *run)
{
    struct sim_client *client = some_client(run);
    if (!client || client->send_answer != SEND_BACKLOG)
        return;
    tell(run, "a client has caught up");
    client->send_answer = SEND_DONE;
    exchange_client_drained(client->ex);
}

static void tell_head(struct run *run, size_t i)
{
    static const uint16_t statuses[] = {200, 201, 204, 302, 400, 404, 429, 500, 503};
    struct call_history *call = &run->calls[i];
    uint16_t status = statuses[below(run, sizeof statuses / sizeof statuses[0])];
    tell(run, "call %zu answers %u", i, status);
    call->head_told = true;
    call->success = status < 400;
    sim_head(run->sim, i, status, status == 204 ? 0 : 6);
}

/* A whole answer in one turn, a head or an end alone, or what a call may do next. */
static void move_call(struct run *run, size_t i)
{
    static const enum call_end ends[] = {CALL_BROKEN, CALL_TIMED_OUT, CALL_BAD_RESPONSE,
                                         CALL_CONNECT_FAILED};
    struct sim *sim = run->sim;
    struct call_history *call = &run->calls[i];
    if (!call->head_told && below(run, 5) == 0) {
        tell(run, "call %zu fails", i);
        sim_end(sim, i, ends[below(run, 4)]);
        return;
    }
    bool in_one_turn = below(run, 2) == 0;
    if (!call->head_told) {
        tell_head(run, i);
        if (!in_one_turn)
            return;
    }
    if (sim->upstream.paused[i] || !sim->upstream.calls[i])
        return;
    if (below(run, 2) == 0)
        sim_piece(sim, i, "abcdef");
    if (sim->upstream.calls[i] && !sim->upstream.paused[i])
        sim_end(sim, i, below(run, 6) == 0 ? CALL_BROKEN : CALL_COMPLETE);
}

static void answer(struct run *run)
{
    size_t chosen = 0;
    unsigned open = 0;
    for (size_t i = 0; i < run->sim->upstream.call_count; i++)
        if (run->sim->upstream.calls[i] && below(run, ++open) == 0)
            chosen = i;
    if (open > 0)
        move_call(run, chosen);
}

static void flush(struct run *run)
{
    if (run->sim->dedup.waiting_count + run->sim->journal.waiting_count > 0)
        tell(run, "the stores answer");
    sim_dedup_flush(run->sim);
    sim_journal_flush(run->sim);
    sim_limiter_flush(run->sim);
    sim_check(run->sim);
}

static void change_weather(struct run *run)
{
    struct sim *sim = run->sim;
    unsigned modes = run->weather == CALM ? 1 : run->weather == SLOW ? 2 : 3;
    sim->dedup.mode[below(run, SIM_VERBS)] = (enum sim_mode)below(run, modes);
    sim->journal.mode = (enum sim_mode)below(run, modes);
    sim->limiter.mode = (enum sim_mode)below(run, modes);
    tell(run, "claim %d renew %d settle %d release %d journal %d", sim->dedup.mode[SIM_CLAIM],
         sim->dedup.mode[SIM_RENEW], sim->dedup.mode[SIM_SETTLE], sim->dedup.mode[SIM_RELEASE],
         sim->journal.mode);
}

/* In SLOW weather the stores answer within each step, so that no deadline of theirs is met. */
static void pass(struct run *run)
{
    unsigned ms = below(run, 10) == 0 ? 20000 : below(run, 500);
    tell(run, "%u ms pass", ms);
    for (unsigned passed = 0; passed < ms; passed += 50) {
        if (run->weather == SLOW)
            flush(run);
        sim_pass(run->sim, 50);
    }
}

static void move(struct run *run)
{
    static void (*const moves[])(struct run * run) = {post,   post,   post,  post,          answer,
                                                      answer, answer, flush, flush,         pass,
                                                      leave,  lag,    drain, change_weather};
    moves[below(run, sizeof moves / sizeof moves[0])](run);
    sim_turn(run->sim);
    note_calls(run);
}

/* ---- a run ---- */

static void open_run(struct run *run)
{
    static const char *const choices[][2] = {
        {"    in_flight: wait\n", "    in_flight: conflict\n"},
        {"    on_store_error: pass\n", "    on_store_error: reject\n"},
        {"    ack: async\n", "    ack: durable\n"},
    };
    static const char *const doors[][2] = {
        {"    duplicate: ack\n", "    duplicate: replay\n    replay: {body: 8B}\n"},
        {"    on_mismatch: conflict\n", "    on_mismatch: duplicate\n"},
        {"    limits: {rate: 10/s, burst: 8, shared: false}\n",
         "    limits: {rate: 10/s, burst: 8, shared: true}\n"},
    };
    char lines[768] = "    on_timeout: release\n"; /* hold keeps a key that nobody took */
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        strcat(lines, choices[i][below(run, 2)]);
    strcat(lines, run->door ? DOOR : "");
    for (size_t i = 0; run->door && i < sizeof doors / sizeof doors[0]; i++)
        strcat(lines, doors[i][below(run, 2)]);
    run->sim = sim_open(
        lines, run->door ? "dedup: {store: redis, redis: {url: \"redis://127.0.0.1:1\"}}\n" : "");
    tell(run, "seed %llu\n%s", (unsigned long long)run->seed, lines);
}

/* Everything works again, and what is open ends. */
static void end_run(struct run *run)
{
    struct sim *sim = run->sim;
    memset(sim->dedup.mode, 0, sizeof sim->dedup.mode);
    sim->journal.mode = SIM_NOW;
    sim->limiter.mode = SIM_NOW;
    for (unsigned round = 0; sim->gateway.exchanges > 0 && round < 1000; round++) {
        flush(run);
        for (size_t i = 0; i < run->client_count; i++) {
            run->clients[i]->send_answer = SEND_DONE;
            if (run->clients[i]->ex)
                exchange_client_drained(run->clients[i]->ex);
        }
        answer(run);
        sim_pass(sim, 100);
        note_calls(run);
    }
    cr_assert_eq(sim->gateway.exchanges, 0, "seed %llu: an exchange does not end",
                 (unsigned long long)run->seed);
}

static bool key_was_taken(const struct run *run, unsigned key)
{
    for (size_t i = 0; i < run->call_count; i++)
        if (run->calls[i].success && run->calls[i].key == key)
            return true;
    return false;
}

/* A copy that comes when its rate allows it. */
static void post_copy(struct run *run, unsigned key)
{
    if (!run->door) {
        post_key(run, key);
        return;
    }
    sim_skip(run->sim, 10000);
    post_signed(run, key, false, false);
    sim_check(run->sim);
}

/* Where no store failed, a copy that comes now is a duplicate of what was taken (or its body
 * another one), and is forwarded at once if nothing was. */
static void check_copy(struct run *run, unsigned key)
{
    bool taken = key_was_taken(run, key);
    size_t calls = run->sim->upstream.call_count;
    size_t i = run->client_count;
    post_copy(run, key);
    note_calls(run);
    cr_assert_eq(run->sim->upstream.call_count, calls + !taken, "seed %llu: a copy of key %u",
                 (unsigned long long)run->seed, key);
    if (taken)
        cr_assert(sim_got(run->clients[i], "Postern-Outcome: duplicate") ||
                  (run->door && sim_status(run->clients[i]) == 422));
    else
        sim_answer(run->sim, calls, 500, "no");
}

static void close_run(struct run *run)
{
    for (unsigned key = 0; run->weather != STORM && key < run->newest + KEYS; key++)
        check_copy(run, key);
    check_duplicate_counts(run);
    for (size_t i = 0; i < run->client_count; i++) {
        check_client(run, i);
        sim_client_free(run->clients[i]);
    }
    sim_close(run->sim);
}

static void run_seed(uint64_t seed, bool told)
{
    struct run *run = calloc(1, sizeof *run);
    cr_assert_not_null(run);
    (void)snprintf(seed_text, sizeof seed_text, "aborted with POSTERN_SIM_SEED=%llu\n",
                   (unsigned long long)seed);
    run->seed = seed;
    run->random = seed;
    run->weather = (enum weather)(seed % WEATHERS);
    run->told = told;
    run->door = seed / WEATHERS % 2;
    open_run(run);
    for (unsigned i = 0; i < MOVES; i++)
        move(run);
    end_run(run);
    close_run(run);
    free(run);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

Test(random, runs_keep_the_contract, .timeout = 600)
{
    uint64_t chosen = setting("POSTERN_SIM_SEED", 0);
    uint64_t seeds = setting("POSTERN_SIM_SEEDS", SEEDS);
    signal(SIGABRT, on_abort);
    if (chosen)
        run_seed(chosen, true);
    for (uint64_t seed = 1; !chosen && seed <= seeds; seed++)
        run_seed(seed, false);
}
