/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short names for the bounds and targets in rows of the schema, so that a row reads like a line of
 * the reference page. For the schema files only.
 */
#ifndef POSTERN_SRC_CONFIG_ROWS_H
#define POSTERN_SRC_CONFIG_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define AT(type, member) .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#endif
