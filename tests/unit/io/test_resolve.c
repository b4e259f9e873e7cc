/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolving: numeric hosts, localhost (from /etc/hosts), names that can't be resolved without any
 * network (a label that is too long), staleness.
 */
#include "probe.h"

#include <postern/io/resolve.h>

/* 64 bytes in one label: refused before any server is asked. */
#define IMPOSSIBLE                                                                                 \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid"

static struct resolver resolver;
static size_t answers;

static void on_resolved(struct resolver *answered)
{
    cr_assert_eq(answered, &resolver);
    cr_assert_not(answered->running);
    answers++;
    check_goal();
}

static bool answered_once(void)
{
    return answers == 1;
}

static bool answered_twice(void)
{
    return answers == 2;
}

static void init(const char *host)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(resolver_init(&resolver, &loop, slice_str(host), 8080, on_resolved), STATUS_OK);
}

static void finish(void)
{
    resolver_done(&resolver);
    loop_close(&loop);
}

static void expect_next(const char *text)
{
    char written[ADDRESS_TEXT_SIZE];
    const struct address *address = resolver_next(&resolver);
    cr_assert_not_null(address);
    address_format(address, written);
    cr_assert_str_eq(written, text);
}

/* Has localhost resolved once, with an answer that is fresh. */
static void resolve_localhost(void)
{
    init("localhost");
    cr_assert_not(resolver_refresh(&resolver));
    cr_assert(resolver.running);
    cr_assert_null(resolver_next(&resolver));
    run_until(answered_once);
    cr_assert_geq(resolver.count, 1);
}

Test(resolve, numeric_hosts_are_usable_at_once)
{
    init("10.0.0.5");
    cr_assert(resolver_refresh(&resolver));
    cr_assert_not(resolver.running);
    expect_next("10.0.0.5:8080");
    expect_next("10.0.0.5:8080");
    finish();
}

Test(resolve, numeric_ipv6)
{
    init("2001:db8::1");
    cr_assert(resolver_refresh(&resolver));
    expect_next("[2001:db8::1]:8080");
    finish();
}

Test(resolve, host_length_at_and_above_its_limit)
{
    char host[257];
    memset(host, 'a', sizeof host);
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(resolver_init(&resolver, &loop, slice_of(host, 255), 1, NULL), STATUS_OK);
    cr_assert_eq(resolver_init(&resolver, &loop, slice_of(host, 256), 1, NULL), STATUS_INVALID);
    cr_assert_eq(resolver_init(&resolver, &loop, slice_of(host, 0), 1, NULL), STATUS_INVALID);
    cr_assert_eq(resolver_init(&resolver, &loop, SLICE("a\0b"), 1, NULL), STATUS_INVALID);
    loop_close(&loop);
}

Test(resolve, localhost_is_looked_up_once_while_fresh)
{
    resolve_localhost();
    cr_assert(resolver_refresh(&resolver));
    cr_assert_not(resolver.running);
    cr_assert(address_is_loopback(resolver_next(&resolver)));
    loop.clock.mono_us += (uint64_t)(RESOLVE_FRESH_MS - 1) * 1000;
    cr_assert(resolver_refresh(&resolver));
    cr_assert_not(resolver.running);
    finish();
}

Test(resolve, addresses_come_in_turn)
{
    resolve_localhost();
    resolver.count = 3;
    for (size_t i = 0; i < 3; i++)
        resolver.addresses[i].storage[0] = (unsigned char)i;
    for (size_t i = 0; i < 7; i++)
        cr_assert_eq(resolver_next(&resolver)->storage[0], i % 3);
    finish();
}

Test(resolve, an_avoided_address_comes_last_for_its_time)
{
    resolve_localhost();
    for (unsigned char i = 0; i < 3; i++)
        resolver.addresses[i].storage[0] = i;
    resolver.count = 3;
    struct address second = resolver.addresses[1], other = {.storage = {9}};
    resolver_avoid(&resolver, &second);
    resolver_avoid(&resolver, &other);
    static const unsigned char order[] = {0, 2, 0, 2};
    for (size_t i = 0; i < sizeof order; i++)
        cr_assert_eq(resolver_next(&resolver)->storage[0], order[i]);
    for (unsigned char i = 0; i < 3; i += 2) {
        struct address one = resolver.addresses[i];
        resolver_avoid(&resolver, &one);
    }
    for (unsigned char i = 0; i < 3; i++)
        cr_assert_eq(resolver_next(&resolver)->storage[0], i, "all are avoided: in turn again");
    resolver.avoided_until_ms[1] = loop_now_ms(resolver.loop);
    cr_assert_eq(resolver_next(&resolver)->storage[0], 1, "its time is over");
    finish();
}

Test(resolve, stale_answer_is_used_while_a_new_one_is_fetched)
{
    resolve_localhost();
    loop.clock.mono_us += (uint64_t)RESOLVE_FRESH_MS * 1000;
    cr_assert(resolver_refresh(&resolver), "usable at once");
    cr_assert(resolver.running);
    cr_assert(address_is_loopback(resolver_next(&resolver)));
    cr_assert(resolver_refresh(&resolver), "one look-up at a time");
    run_until(answered_twice);
    cr_assert_geq(resolver.count, 1);
    finish();
}

Test(resolve, stale_answer_survives_a_failed_lookup)
{
    resolve_localhost();
    size_t count = resolver.count;
    strcpy(resolver.host, IMPOSSIBLE); /* as if the name server had forgotten the name */
    loop.clock.mono_us += (uint64_t)RESOLVE_FRESH_MS * 1000;
    cr_assert(resolver_refresh(&resolver));
    if (resolver.running)
        run_until(answered_twice);
    cr_assert_eq(resolver.count, count);
    cr_assert(resolver_refresh(&resolver));
    cr_assert_not(resolver.running, "not again at once");
    cr_assert(address_is_loopback(resolver_next(&resolver)));
    finish();
}

Test(resolve, unknown_name_is_asked_again_after_a_pause)
{
    init(IMPOSSIBLE);
    cr_assert_not(resolver_refresh(&resolver));
    if (resolver.running)
        run_until(answered_once);
    cr_assert_eq(resolver.count, 0);
    cr_assert_not(resolver_refresh(&resolver));
    cr_assert_not(resolver.running, "not again at once");
    strcpy(resolver.host, "localhost"); /* the name has appeared */
    loop.clock.mono_us += (uint64_t)RESOLVE_RETRY_MS * 1000;
    answers = 0;
    cr_assert_not(resolver_refresh(&resolver));
    cr_assert(resolver.running);
    run_until(answered_once);
    cr_assert_geq(resolver.count, 1);
    finish();
}

static void must_not_resolve(struct resolver *gone)
{
    (void)gone;
    cr_assert_fail("resolved after done");
}

Test(resolve, done_while_running_hears_nothing)
{
    init("localhost");
    resolver.resolved = must_not_resolve;
    cr_assert_not(resolver_refresh(&resolver));
    resolver_done(&resolver);
    resolver_done(&resolver);
    memset(&resolver, 0xee, sizeof resolver);
    loop_close(&loop); /* waits for the thread */
}

Test(resolve, without_a_callback)
{
    init("localhost");
    resolver.resolved = NULL;
    cr_assert_not(resolver_refresh(&resolver));
    loop_run(&loop);
    cr_assert_geq(resolver.count, 1);
    finish();
}
