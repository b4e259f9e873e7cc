/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of queue routes share.
 */
#ifndef POSTERN_TESTS_QUEUE_MOVES_H
#define POSTERN_TESTS_QUEUE_MOVES_H

#include "courier_impl.h"
#include "sim.h"
#include <criterion/criterion.h>
#include <stdio.h>

/* A gateway whose route is a queue, with these lines more. */
static inline struct sim *open_queue(const char *lines)
{
    char text[512];
    (void)snprintf(text, sizeof text, "    mode: queue\n%s", lines);
    return sim_open(text, "");
}

/* A POST that has its 202. */
static inline void accept(struct sim *sim, const char *body)
{
    struct sim_client *client = sim_post(sim, body, "");
    cr_assert(client->answered);
    cr_assert_eq(sim_status(client), 202, "%s", client->sent);
    cr_assert(sim_got(client, "Postern-Outcome: accepted"));
    sim_client_free(client);
}

/* A POST, and the status it got. */
static inline unsigned status_of(struct sim *sim, const char *body)
{
    struct sim_client *client = sim_post(sim, body, "");
    unsigned status = sim_status(client);
    sim_client_free(client);
    return status;
}

/* Row `i` of the queue. */
static inline const struct sim_event *event(const struct sim *sim, size_t i)
{
    cr_assert_lt(i, sim->queue.count);
    return &sim->queue.events[i];
}

#endif
