/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants as operators write them: RFC 3339, or for how long ago.
 */
#ifndef POSTERN_SRC_ADMIN_WHEN_H
#define POSTERN_SRC_ADMIN_WHEN_H

#include <postern/base/slice.h>
#include <stdbool.h>
#include <stdint.h>

/* Reads "2026-11-21T12:00:00.5+02:00", or "90s", "15m", "2h", "7d" before `now_ms` (wall clock).
 * False, with *ret_ms untouched, for anything else and for what is not after 1970. */
bool when_parse(struct slice text, uint64_t now_ms, uint64_t *ret_ms);

#endif
