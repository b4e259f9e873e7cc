/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sim.c and fakes.c share.
 */
#ifndef POSTERN_TESTS_SIM_IMPL_H
#define POSTERN_TESTS_SIM_IMPL_H

#include "courier.h"
#include "sim.h"

#define SIM_KEYS 1000 /* of the fake dedup store; never full in a test */

/* Opens the fake stores and the fake upstream of a box that has its loop. */
void sim_open_fakes(struct sim *sim);

/* The fake limiter. */
void sim_limiter_open(struct sim *sim);
void sim_limiter_close(struct sim *sim);

/* The fake queue: opening, the end, and a queued record that the journal has committed. */
void sim_queue_open(struct sim *sim);
void sim_queue_close(struct sim *sim);
void sim_queue_insert(struct sim *sim, const struct journal_record *record);

#endif
