/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of an event as stores see it: the first 128 bits of a SHA-256 over route name, scope and
 * key parts (each with its length in front, so that no two events share one by the way their parts
 * are cut). policy/key.c makes it; stores only compare it.
 */
#ifndef POSTERN_BASE_EVENT_KEY_H
#define POSTERN_BASE_EVENT_KEY_H

#include <stdint.h>

#define EVENT_KEY_BYTES 16
#define EVENT_KEY_HEX (2 * EVENT_KEY_BYTES)

struct event_key {
    uint8_t digest[EVENT_KEY_BYTES];
};

#endif
