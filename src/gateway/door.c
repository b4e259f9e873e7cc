/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step that decides who may pass, before a key is made or the dedup store is asked: the
 * sender's signature, and around it the handshakes by which senders try an address. Public-key
 * arithmetic is done off the loop; the request lies still in the exchange meanwhile, also when its
 * client is gone.
 */
#include "door.h"

#include "limits.h"
#include "request.h"
#include <stdlib.h>

#define CHECK_WAIT_MS 5000u /* a full pool is through in milliseconds; longer is a sick machine */

/* ---- identity ---- */

static bool identify_by_proxy(struct exchange *ex)
{
    const struct config *config = ex->gateway->config;
    struct forwarded_fields fields = {.headers = &ex->request, .get = request_header_at};
    struct client_found found =
        client_find(ex->peer, config->trusted_proxies, config->trusted_proxy_count, &fields);
    ex->via_proxy = found.via_proxy;
    if (!found.via_proxy)
        return true;
    if (found.https_told)
        ex->secure = found.https;
    char text[CLIENT_TEXT_SIZE];
    size_t len = ip_format(&found.ip, text);
    return arena_copy(&ex->arena, slice_of(text, len), &ex->client_address);
}

bool door_identify(struct exchange *ex)
{
    if (!arena_copy(&ex->arena, ex->client->address, &ex->peer))
        return false;
    ex->client_address = ex->peer;
    ex->secure = ex->client->secure;
    return ex->gateway->config->trusted_proxy_count == 0 || identify_by_proxy(ex);
}

/* ---- handshake ---- */

static bool find_handshake(struct exchange *ex)
{
    struct handshake_input input =
        request_handshake_input(ex->route, &ex->request, buf_slice(&ex->body), ex->secret);
    struct handshake_answer *answer = arena_alloc(&ex->arena, sizeof *answer);
    if (!answer || !handshake_find(&ex->route->handshake, &input, &ex->arena, answer))
        return false;
    ex->handshake = answer;
    return true;
}

static bool is_handshake(struct exchange *ex, bool is_verified)
{
    enum handshake_kind kind = ex->route->handshake.kind;
    return kind != HANDSHAKE_NONE && handshake_is_unsigned(kind) != is_verified &&
           find_handshake(ex);
}

/* It is no copy of anything: over the rate it is refused as a new event would be. */
static enum ex_state answer_handshake(struct exchange *ex)
{
    return exchange_end(ex,
                        limits_is_over(ex) ? OUTCOME_REJECTED_RATE : OUTCOME_BYPASSED_HANDSHAKE);
}

/* ---- verify ---- */

static struct verifier *verifier_of(const struct exchange *ex)
{
    return ex->gateway->verifiers[exchange_route_index(ex)];
}

/* On any thread: reads what lies still in the exchange, and alone uses its arena. The age of a
 * signature is judged by the time its request came. */
static void check(struct exchange *ex)
{
    struct verify_input input =
        request_verify_input(&ex->request, buf_slice(&ex->body), ex->received_wall_ms);
    ex->verified = verifier_check(verifier_of(ex), &input, &ex->arena, &ex->secret);
}

static void on_check(struct work *work)
{
    check(container_of(work, struct exchange, check));
}

static void on_checked(struct work *work)
{
    exchange_resume(container_of(work, struct exchange, check), EX_VERIFY);
}

static enum ex_state check_off_loop(struct exchange *ex)
{
    ex->check = (struct work){.run = on_check, .done = on_checked};
    if (work_submit(ex->gateway->checks, &ex->check) != STATUS_OK) {
        ex->verified = VERIFY_UNAVAILABLE;
        return finish_verify(ex);
    }
    ex->owed++;
    return EX_WAIT;
}

static enum ex_state pass(struct exchange *ex)
{
    return is_handshake(ex, true) ? answer_handshake(ex) : EX_KEY;
}

enum ex_state begin_verify(struct exchange *ex)
{
    struct verifier *verifier = verifier_of(ex);
    if (is_handshake(ex, false))
        return answer_handshake(ex);
    if (!verifier)
        return pass(ex);
    if (verifier_is_costly(verifier))
        return check_off_loop(ex);
    check(ex);
    return finish_verify(ex);
}

uint64_t deadline_verify(const struct exchange *ex)
{
    return loop_now_ms(ex->gateway->loop) + CHECK_WAIT_MS;
}

static enum ex_state judge(struct exchange *ex, enum verify_result result)
{
    account_verified(ex->gateway->account, exchange_route_index(ex), result);
    if (result == VERIFY_OK) {
        account_secret(ex->gateway->account, exchange_route_index(ex), ex->secret);
        return pass(ex);
    }
    return exchange_end(ex,
                        result == VERIFY_UNAVAILABLE ? OUTCOME_REJECTED_BUSY : OUTCOME_UNVERIFIED);
}

enum ex_state finish_verify(struct exchange *ex)
{
    return judge(ex, ex->verified);
}

/* Not what the thread has written by now: it may be writing. */
enum ex_state timeout_verify(struct exchange *ex)
{
    return judge(ex, VERIFY_UNAVAILABLE);
}

/* ---- opening ---- */

static enum status open_verifier(struct gateway *gateway, size_t i, bool *any_costly)
{
    const struct route_opts *route = &gateway->config->routes[i];
    char error[256] = "";
    if (route->verify.scheme == VERIFY_NONE)
        return STATUS_OK;
    enum status status = verifier_open(&route->verify, &gateway->verifiers[i], error);
    if (status == STATUS_OK)
        *any_costly |= verifier_is_costly(gateway->verifiers[i]);
    else
        log_line(gateway->log, LOG_ERROR, "signatures can't be checked",
                 LOG_TEXT("route", route->name), LOG_STR("reason", error));
    return status;
}

enum status door_open(struct gateway *gateway)
{
    size_t count = gateway->config->route_count;
    bool any_costly = false;
    gateway->verifiers = calloc(count, sizeof(struct verifier *));
    enum status status = gateway->verifiers ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = open_verifier(gateway, i, &any_costly);
    if (status == STATUS_OK && any_costly)
        status = work_pool_open(gateway->loop, DOOR_CHECKS, &gateway->checks);
    return status;
}

void door_close(struct gateway *gateway)
{
    work_pool_close(gateway->checks);
    for (size_t i = 0; gateway->verifiers && i < gateway->config->route_count; i++)
        verifier_close(gateway->verifiers[i]);
    free(gateway->verifiers);
}
