/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate: the generic cell rate algorithm (GCRA, ITU-T I.371) on one 64-bit number. Pure: time
 * comes as an argument.
 */
#ifndef POSTERN_POLICY_PACE_H
#define POSTERN_POLICY_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace_opts {
    uint64_t interval_us; /* between two at the sustained rate; 0: no limit */
    uint32_t burst;       /* how many may come at once; 0 is taken as 1 */
};

/* Zeroed: everything is allowed that the burst allows. */
struct pace {
    uint64_t arrival_us; /* theoretical arrival time of the next, monotonic */
};

/* Takes one if the rate allows it at now_us; *ret_wait_us is untouched then. Otherwise false,
 * nothing changes, and *ret_wait_us is how long to wait until it will. */
bool pace_take(struct pace *pace, const struct pace_opts *opts, uint64_t now_us,
               uint64_t *ret_wait_us);

#endif
