/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps admit and repeat, and what a client is told of its rates. The cells are the limiter's
 * (store/limiter.h); here is only which cell, and when.
 */
#include "limits.h"

#include "request.h"
#include <postern/policy/client_address.h>
#include <postern/policy/ratelimit_header.h>
#include <postern/store/limiter.h>

/* Beyond the limiter's own time-out, so that its answer by the local table is seen. */
#define LIMITER_MARGIN_MS 500u
/* Of an IPv6 client: a subscriber has at least that many addresses at will. */
#define CLIENT_PREFIX_BYTES 8

enum bucket { BUCKET_NEW, BUCKET_COPIES };

/* Of one exchange on a route with a rate. An op that is not answered in time stays the limiter's:
 * each is used once. */
struct ex_limits {
    struct exchange *ex;
    struct limit_op first, copies, back;
    uint64_t asked_us;           /* when the first bucket was asked, monotonic */
    bool taken;                  /* from the first bucket, for certain */
    bool over;                   /* the first is empty */
    const struct limit_op *told; /* what the client is told of: the last that was answered */
};

/* ---- cells ---- */

/* A peer without an address (a UNIX socket) is one client. */
static void client_part(const struct exchange *ex, struct ip *ret_ip)
{
    *ret_ip = (struct ip){{0}};
    if (ip_parse(ex->client_address, ret_ip) == STATUS_OK && !ip_is_v4(ret_ip))
        memset(ret_ip->bytes + CLIENT_PREFIX_BYTES, 0, sizeof ret_ip->bytes - CLIENT_PREFIX_BYTES);
}

/* Who shares a cell: the client's network, the header's value, or everybody. */
static struct slice sharer(const struct exchange *ex, struct ip *ip)
{
    struct slice value = SLICE("");
    switch (ex->route->rate.per) {
    case LIMIT_PER_CLIENT:
        client_part(ex, ip);
        return slice_of(ip->bytes, sizeof ip->bytes);
    case LIMIT_PER_HEADER:
        (void)request_header(&ex->request, ex->route->rate.header, &value);
        break;
    case LIMIT_PER_ROUTE:
        break;
    }
    return value;
}

/* Route names differ, and a route has one way of sharing: no two cells meet. */
static enum status cell_id(const struct exchange *ex, uint8_t ret_id[static LIMIT_ID_BYTES])
{
    struct digester *digester = ex->gateway->digester;
    uint8_t digest[SHA256_BYTES];
    struct ip ip;
    enum status status = digest_begin(digester);
    if (status == STATUS_OK)
        status = digest_add_part(digester, ex->route->name);
    if (status == STATUS_OK)
        status = digest_add_part(digester, sharer(ex, &ip));
    if (status == STATUS_OK)
        status = digest_end(digester, digest);
    if (status == STATUS_OK)
        memcpy(ret_id, digest, LIMIT_ID_BYTES);
    return status;
}

static struct limit_opts bucket_opts(const struct rate_opts *rate, enum bucket bucket)
{
    if (bucket == BUCKET_NEW)
        return (struct limit_opts){.interval_us = rate->interval_us, .burst = rate->burst};
    return (struct limit_opts){.interval_us = rate->duplicate_interval_us,
                               .burst = rate->duplicate_burst};
}

/* ---- asking ---- */

/* OP_PENDING is owed an answer. */
static enum op_status submit(struct exchange *ex, struct limit_op *op, enum bucket bucket,
                             enum limit_verb verb, void (*answered)(struct limit_op *op))
{
    op->opts = bucket_opts(&ex->route->rate, bucket);
    op->verb = verb;
    /* What is given back goes to who gave it: perhaps the process's own table, for Redis. */
    op->shared = ex->route->rate.shared && (verb == LIMIT_TAKE || !ex->limits->first.local);
    op->answered = answered;
    enum op_status submitted = limiter_submit(ex->gateway->limiter, op);
    if (submitted == OP_PENDING)
        ex->owed++;
    return submitted;
}

static enum status prepare(struct exchange *ex)
{
    struct ex_limits *limits = arena_zalloc(&ex->arena, sizeof *limits);
    if (!limits)
        return STATUS_NO_MEMORY;
    enum status status = cell_id(ex, limits->first.id);
    memcpy(limits->back.id, limits->first.id, LIMIT_ID_BYTES);
    memcpy(limits->copies.id, limits->first.id, LIMIT_ID_BYTES);
    limits->copies.id[LIMIT_ID_BYTES - 1] ^= 1; /* a cell of its own without another digest */
    limits->ex = ex;
    if (status == STATUS_OK)
        ex->limits = limits;
    return status;
}

static void on_first(struct limit_op *op)
{
    exchange_resume(container_of(op, struct ex_limits, first)->ex, EX_ADMIT);
}

static void on_copies_admitted(struct limit_op *op)
{
    exchange_resume(container_of(op, struct ex_limits, copies)->ex, EX_ADMIT);
}

/* The same place in the program takes the answer to either bucket's question. */
enum ex_state finish_admit(struct exchange *ex)
{
    struct ex_limits *limits = ex->limits;
    if (limits->over) {
        limits->told = &limits->copies;
        return limits->copies.allowed ? EX_VERIFY : exchange_end(ex, OUTCOME_REJECTED_RATE);
    }
    limits->told = &limits->first;
    limits->taken = limits->first.allowed;
    if (limits->taken)
        return EX_VERIFY;
    limits->over = true;
    if (submit(ex, &limits->copies, BUCKET_COPIES, LIMIT_TAKE, on_copies_admitted) == OP_PENDING)
        return EX_WAIT;
    return finish_admit(ex);
}

static enum ex_state ask(struct exchange *ex)
{
    if (prepare(ex) != STATUS_OK)
        return exchange_end(ex, OUTCOME_REJECTED_BUSY);
    ex->limits->asked_us = ex->gateway->loop->clock.mono_us;
    if (submit(ex, &ex->limits->first, BUCKET_NEW, LIMIT_TAKE, on_first) == OP_PENDING)
        return EX_WAIT;
    return finish_admit(ex);
}

enum outcome limits_ask_early(struct exchange *ex)
{
    const struct rate_opts *rate = &ex->route->rate;
    if (rate->interval_us > 0 && !rate->shared)
        (void)ask(ex); /* answered at once, since it is local; what it ends with is the answer */
    return ex->outcome;
}

enum ex_state begin_admit(struct exchange *ex)
{
    bool is_asked = ex->limits || ex->route->rate.interval_us == 0;
    return is_asked ? EX_VERIFY : ask(ex);
}

uint64_t deadline_limiter(const struct exchange *ex)
{
    const struct config *config = ex->gateway->config;
    return loop_now_ms(ex->gateway->loop) + config->redis.timeout_ms + LIMITER_MARGIN_MS;
}

/* If the first bucket has refused, that stays: it is the other one that limits nobody. */
enum ex_state timeout_admit(struct exchange *ex)
{
    (void)ex;
    return EX_VERIFY;
}

bool limits_is_over(const struct exchange *ex)
{
    return ex->limits && ex->limits->over;
}

/* ---- copies ---- */

static void on_given_back(struct limit_op *op)
{
    /* Nobody waits for it: the late answer of a deciding step. */
    exchange_resume(container_of(op, struct ex_limits, back)->ex, EX_KEY);
}

static void on_repeat(struct limit_op *op)
{
    exchange_resume(container_of(op, struct ex_limits, copies)->ex, EX_REPEAT);
}

enum ex_state limits_charge_copy(struct exchange *ex, enum outcome outcome)
{
    ex->outcome = outcome;
    return ex->limits && ex->limits->taken ? EX_REPEAT : EX_RESPOND;
}

/* Its place in the cell ended recovered_us after it was asked for; what of that is past is made
 * good already. Redis took it a little later than we asked: no more than that is withheld. */
static uint64_t not_made_good_us(const struct exchange *ex)
{
    const struct limit_op *first = &ex->limits->first;
    uint64_t passed_us = ex->gateway->loop->clock.mono_us - ex->limits->asked_us;
    uint64_t left_us = first->recovered_us > passed_us ? first->recovered_us - passed_us : 0;
    return left_us < first->opts.interval_us ? left_us : first->opts.interval_us;
}

static void give_back(struct exchange *ex)
{
    struct limit_op *back = &ex->limits->back;
    back->back_us = not_made_good_us(ex);
    if (back->back_us > 0)
        (void)submit(ex, back, BUCKET_NEW, LIMIT_GIVE_BACK, on_given_back);
}

enum ex_state begin_repeat(struct exchange *ex)
{
    struct ex_limits *limits = ex->limits;
    give_back(ex);
    if (submit(ex, &limits->copies, BUCKET_COPIES, LIMIT_TAKE, on_repeat) == OP_PENDING)
        return EX_WAIT;
    return finish_repeat(ex);
}

enum ex_state finish_repeat(struct exchange *ex)
{
    ex->limits->told = &ex->limits->copies;
    if (!ex->limits->copies.allowed)
        ex->outcome = OUTCOME_REJECTED_RATE;
    return EX_RESPOND;
}

enum ex_state timeout_repeat(struct exchange *ex)
{
    (void)ex;
    return EX_RESPOND;
}

/* ---- telling ---- */

/* Who was over the rate and turned out to be new is told of the bucket for what is new. */
static const struct limit_op *told_op(const struct exchange *ex)
{
    const struct ex_limits *limits = ex->limits;
    bool refused_as_new = limits->over && ex->outcome == OUTCOME_REJECTED_RATE;
    return refused_as_new ? &limits->first : limits->told;
}

static enum status write_rate(struct exchange *ex, const struct limit_op *op)
{
    char policy[RATELIMIT_TEXT_SIZE], value[RATELIMIT_TEXT_SIZE];
    struct ratelimit rate = {
        .bucket = op == &ex->limits->first ? RATELIMIT_DEFAULT : RATELIMIT_DUPLICATES,
        .interval_us = op->opts.interval_us,
        .burst = op->opts.burst,
        .remaining = op->remaining,
        .wait_us = op->allowed ? 0 : op->wait_us,
        .recovered_us = op->recovered_us,
    };
    size_t policy_len = ratelimit_policy_value(&rate, policy);
    size_t value_len = ratelimit_value(&rate, value);
    enum status status =
        http1_write_field(&ex->text, SLICE("RateLimit-Policy"), slice_of(policy, policy_len));
    return status == STATUS_OK
               ? http1_write_field(&ex->text, SLICE("RateLimit"), slice_of(value, value_len))
               : status;
}

enum status limits_write_fields(struct exchange *ex)
{
    const struct limit_op *op = ex->limits ? told_op(ex) : NULL;
    if (!op)
        return STATUS_OK;
    enum status status = write_rate(ex, op);
    if (status == STATUS_OK && ex->outcome == OUTCOME_REJECTED_RATE)
        status = http1_write_field_u64(&ex->text, SLICE("Retry-After"),
                                       ratelimit_retry_after_s(op->wait_us));
    return status;
}
