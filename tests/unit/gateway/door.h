/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway behind a real listener on a real loop, its stores and its upstream the fakes of
 * tests/sim, its clients plain sockets (peer.h).
 */
#ifndef POSTERN_TESTS_GATEWAY_DOOR_H
#define POSTERN_TESTS_GATEWAY_DOOR_H

#include "sim.h"
#include <peer.h>
#include <stdio.h>

#define POST(body_text, length)                                                                    \
    "POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: " length "\r\n\r\n" body_text

static struct sim *sim;
static struct listener door;

static inline void on_door(struct listener *listener)
{
    gateway_accept(&sim->gateway, listener);
}

/* Opens the gateway; the lines as for sim_open. */
static inline void open_door(const char *route_lines, const char *top_lines)
{
    struct address any;
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    sim = sim_open_on(&loop, route_lines, top_lines);
    cr_assert_eq(address_parse(SLICE("127.0.0.1:0"), &any), STATUS_OK);
    door.pending = on_door;
    cr_assert_eq(listener_open(&door, &loop, &any, 128), STATUS_OK);
}

static inline bool no_connections(void)
{
    return sim->gateway.connections == 0 && sim->gateway.exchanges == 0;
}

/* Closes the gateway after its peers have left; sim_close checks the books. */
static inline void close_door(void)
{
    gateway_cut(&sim->gateway);
    run_until(no_connections);
    cr_assert_eq(atomic_load(&sim->shared.connections), 0);
    cr_assert_eq(sim->gateway.body_bytes, 0);
    listener_close(&door);
    sim_close(sim);
    loop_close(&loop);
}

static inline struct peer *peer_new(void)
{
    return peer_connect(&door.address);
}

/* ---- waiting ---- */

static enum outcome awaited_outcome;

static inline bool calls_came(void)
{
    return sim->upstream.call_count >= awaited_count;
}

static inline bool outcomes_came(void)
{
    return sim_ended(sim, awaited_outcome) >= awaited_count;
}

/* Until the upstream was called `count` times. */
static inline void await_calls(size_t count)
{
    awaited_count = count;
    run_until(calls_came);
}

/* Until `count` exchanges of the route ended like this. */
static inline void await_outcome(enum outcome outcome, size_t count)
{
    awaited_outcome = outcome;
    awaited_count = count;
    run_until(outcomes_came);
}

#endif
