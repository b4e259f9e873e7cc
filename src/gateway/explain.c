/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of an exchange up to its verdict, walked without one: who would take the request, what
 * its signature is, which key it has, and what the store's answer would come to. The steps
 * themselves are door.c's and intake.c's; here they are only told.
 */
#include "explain_impl.h"
#include "note.h"
#include "request.h"

struct explaining {
    struct explanation *told;
    const struct explain_request *request;
    struct arena *arena;
    struct digester *digester;
    struct verifier *verifier; /* NULL: the route verifies nothing */
    uint64_t now_ms;
};

/* ---- how it ends ---- */

void explain_end(struct explanation *told, enum explain_end end, enum outcome outcome,
                 uint16_t status)
{
    if (told->end != EXPLAIN_STORE)
        return;
    told->end = end;
    told->outcome = outcome;
    told->status = status;
}

void explain_answer(struct explanation *told, enum outcome outcome)
{
    explain_end(told, EXPLAIN_ANSWER, outcome, outcome_row(outcome)->status);
}

void explain_work(struct explanation *told, enum outcome outcome)
{
    if (told->route->mode != ROUTE_QUEUE)
        explain_end(told, EXPLAIN_FORWARD, outcome, 0);
    else
        explain_end(told, EXPLAIN_ENQUEUE, outcome == OUTCOME_NONE ? OUTCOME_ACCEPTED : outcome,
                    told->route->accept_status);
}

/* ---- the route ---- */

size_t explain_body_max(const struct config *config)
{
    uint64_t max = route_body_max(config->routes, config->route_count);
    return (size_t)(max > config->body_bytes ? max : config->body_bytes);
}

static const struct route_opts *match(const struct config *config, const struct http_head *head)
{
    size_t i =
        route_find(config->routes, config->route_count, head->host, head->method, head->path);
    return i == SIZE_MAX ? NULL : &config->routes[i];
}

static bool is_too_large(const struct explaining *explaining)
{
    return buf_len(&explaining->request->body) > explaining->told->route->body_bytes;
}

/* ---- the door ---- */

static bool is_handshake(struct explaining *explaining, bool is_verified)
{
    struct explanation *told = explaining->told;
    const struct handshake_opts *opts = &told->route->handshake;
    struct handshake_answer answer;
    if (opts->kind == HANDSHAKE_NONE || handshake_is_unsigned(opts->kind) == is_verified)
        return false;
    struct handshake_input input = request_handshake_input(told->route, &explaining->request->head,
                                                           buf_slice(&explaining->request->body),
                                                           told->secret);
    if (!handshake_find(opts, &input, explaining->arena, &answer))
        return false;
    told->handshake = opts->kind;
    told->handshake_status = answer.status;
    explain_end(told, EXPLAIN_ANSWER, OUTCOME_BYPASSED_HANDSHAKE, answer.status);
    return true;
}

static void verify(struct explaining *explaining)
{
    struct explanation *told = explaining->told;
    struct verify_input input = request_verify_input(
        &explaining->request->head, buf_slice(&explaining->request->body), explaining->now_ms);
    told->is_verified = true;
    told->verified = verifier_check(explaining->verifier, &input, explaining->arena, &told->secret);
    if (told->verified == VERIFY_UNAVAILABLE)
        explain_answer(told, OUTCOME_REJECTED_BUSY);
    else if (told->verified != VERIFY_OK)
        explain_end(told, EXPLAIN_ANSWER, OUTCOME_UNVERIFIED, told->route->verify.status);
}

static void pass_door(struct explaining *explaining)
{
    bool is_unsigned = is_handshake(explaining, false);
    if (explaining->verifier)
        verify(explaining);
    if (!is_unsigned && explaining->told->verified == VERIFY_OK)
        (void)is_handshake(explaining, true);
}

/* ---- the key ---- */

static struct key_result make_key(struct explaining *explaining, const struct key_rule *rule)
{
    struct explanation *told = explaining->told;
    struct key_input input = request_key_input(told->route, &explaining->request->head,
                                               buf_slice(&explaining->request->body),
                                               &told->decoded);
    return key_make(rule, 1, &input, explaining->digester, explaining->arena);
}

/* A rule's place in its list is not in the digest, so that one by one they make the keys that they
 * make together. */
static void try_rules(struct explaining *explaining)
{
    struct explanation *told = explaining->told;
    const struct route_opts *route = told->route;
    for (size_t i = 0; i < route->key_count && !told->rule; i++) {
        told->key = make_key(explaining, &route->keys[i]);
        if (told->key.found) {
            told->rule = &route->keys[i];
        } else {
            told->misses[told->miss_count++] =
                (struct explain_miss){told->key.miss, told->key.json};
            if (told->key.miss == KEY_MISS_NO_MEMORY)
                return;
        }
    }
}

/* As the step `key` (intake.c) takes it. */
static void take_missing(struct explaining *explaining)
{
    static const struct key_rule payload = {.kind = KEY_PAYLOAD};
    struct explanation *told = explaining->told;
    const struct route_opts *route = told->route;
    if (route->mode != ROUTE_OBSERVE && route->missing == MISSING_REJECT) {
        explain_answer(told, OUTCOME_REJECTED_NO_KEY);
        return;
    }
    if (route->mode != ROUTE_OBSERVE && route->missing == MISSING_PAYLOAD) {
        told->key = make_key(explaining, &payload);
        told->by_missing = told->key.found;
        told->rule = told->key.found ? &payload : NULL;
    }
    if (!told->rule && told->key.miss != KEY_MISS_NO_MEMORY)
        explain_work(told, OUTCOME_BYPASSED_NO_KEY);
}

/* ---- the canonical form ---- */

struct form_sink {
    struct canonical_sink sink;
    struct buf *form;
};

static bool append_form(struct canonical_sink *sink, struct slice piece)
{
    return buf_append(container_of(sink, struct form_sink, sink)->form, piece) == STATUS_OK;
}

static void write_form(struct explanation *told)
{
    struct form_sink to = {.sink = {append_form}, .form = &told->form};
    const struct json_selection selection = key_selection(told->rule);
    size_t weight;
    if (canonical_write(told->key.values[0], &selection, &to.sink, &weight) != JSON_OK)
        buf_clear(&told->form);
}

/* Whatever the door said, people want to know the key. */
static enum status find_key(struct explaining *explaining)
{
    struct explanation *told = explaining->told;
    try_rules(explaining);
    if (!told->rule && told->key.miss != KEY_MISS_NO_MEMORY)
        take_missing(explaining);
    if (!told->rule)
        return told->key.miss == KEY_MISS_NO_MEMORY ? STATUS_NO_MEMORY : STATUS_OK;
    if (told->rule->canonical)
        write_form(told);
    return note_identify(told->route, explaining->digester, buf_slice(&explaining->request->body),
                         &told->fingerprint, &told->key.key);
}

/* ---- all of it ---- */

static enum status walk(struct explaining *explaining)
{
    if (is_too_large(explaining)) {
        explain_answer(explaining->told, OUTCOME_REJECTED_BODY_TOO_LARGE);
        return STATUS_OK;
    }
    pass_door(explaining);
    return find_key(explaining);
}

static enum status open_tools(struct explaining *explaining)
{
    char error[256];
    const struct verify_opts *opts = &explaining->told->route->verify;
    enum status status = digester_open(&explaining->digester);
    if (status == STATUS_OK && opts->scheme != VERIFY_NONE)
        status = verifier_open(opts, &explaining->verifier, error);
    return status;
}

enum status explain_make(const struct config *config, const struct route_opts *route,
                         const struct explain_request *request, uint64_t now_ms,
                         struct arena *arena, struct explanation *ret_explanation)
{
    struct explanation *told = ret_explanation;
    *told = (struct explanation){.config = config,
                                 .matched = match(config, &request->head),
                                 .is_assembled = request->is_assembled};
    told->route = route ? route : told->matched;
    buf_init(&told->form, EXPLAIN_FORM_BYTES);
    buf_init(&told->decoded, 0);
    if (!told->route) {
        explain_answer(told, OUTCOME_REJECTED_NO_ROUTE);
        return STATUS_OK;
    }
    told->decoded.ceiling = told->route->body_bytes;
    struct explaining explaining = {
        .told = told, .request = request, .arena = arena, .now_ms = now_ms};
    enum status status = open_tools(&explaining);
    if (status == STATUS_OK)
        status = walk(&explaining);
    verifier_close(explaining.verifier);
    digester_close(explaining.digester);
    return status;
}

void explain_done(struct explanation *explanation)
{
    buf_done(&explanation->decoded);
    buf_done(&explanation->form);
}
