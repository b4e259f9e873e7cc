/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sim.c and fakes.c share.
 */
#ifndef POSTERN_TESTS_SIM_IMPL_H
#define POSTERN_TESTS_SIM_IMPL_H

#include "sim.h"

#define SIM_KEYS 1000 /* of the fake dedup store; never full in a test */

/* Opens the fake stores and the fake upstream of a box that has its loop. */
void sim_open_fakes(struct sim *sim);

#endif
