/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates as HTTP writes them (RFC 9110 5.6.7), all three forms, read without the locale and without
 * the process-wide lock that strptime and timegm take. Used by policy/retry.c only.
 */
#ifndef POSTERN_SRC_POLICY_HTTP_DATE_H
#define POSTERN_SRC_POLICY_HTTP_DATE_H

#include <postern/base/slice.h>
#include <stdbool.h>
#include <stdint.h>

/* Reads one of
 *   Sun, 06 Nov 1994 08:49:37 GMT     the one that is written today
 *   Sunday, 06-Nov-94 08:49:37 GMT    of two years with these digits the later, as long as it is
 *                                     not more than 50 years after `now_wall_ms`
 *   Sun Nov  6 08:49:37 1994
 * Nothing may stand around it. The day of the week must be one, but need not be that date's. What
 * lies before 1970 is 0. False: it is none of them, or no such date exists. */
bool http_date_parse(struct slice text, uint64_t now_wall_ms, uint64_t *ret_wall_ms);

#endif
