/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing Redis commands (RESP2 arrays of bulk strings) into memory that was reserved for them: no
 * bounds are checked here, the caller reserves resp_bulk_max of each part. Reading is hiredis'
 * business (redis_link.c).
 */
#ifndef POSTERN_STORE_RESP_H
#define POSTERN_STORE_RESP_H

#include <postern/base/slice.h>
#include <stdint.h>

#define RESP_NUMBER_MAX 20u                     /* digits of a 64-bit number */
#define RESP_HEAD_MAX (1 + RESP_NUMBER_MAX + 2) /* "$20\r\n" and "*3\r\n" */

/* Most bytes that a bulk string of `len` bytes takes. */
static inline size_t resp_bulk_max(size_t len)
{
    return RESP_HEAD_MAX + len + 2;
}

/* Each of these writes at `at` and returns where to go on. */

/* The bytes as they are. */
static inline char *resp_raw(char *at, struct slice bytes)
{
    if (bytes.len > 0)
        memcpy(at, bytes.data, bytes.len);
    return at + bytes.len;
}

/* Decimal digits. */
static inline char *resp_digits(char *at, uint64_t number)
{
    char digits[RESP_NUMBER_MAX];
    char *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return resp_raw(at, slice_of(first, (size_t)(digits + sizeof digits - first)));
}

/* "*<count>\r\n" or "$<length>\r\n". */
static inline char *resp_head(char *at, char kind, uint64_t number)
{
    *at++ = kind;
    at = resp_digits(at, number);
    return resp_raw(at, SLICE("\r\n"));
}

/* A bulk string. */
static inline char *resp_bulk(char *at, struct slice bytes)
{
    at = resp_head(at, '$', bytes.len);
    at = resp_raw(at, bytes);
    return resp_raw(at, SLICE("\r\n"));
}

/* A bulk string of decimal digits. */
static inline char *resp_number(char *at, uint64_t number)
{
    char digits[RESP_NUMBER_MAX];
    return resp_bulk(at, slice_of(digits, (size_t)(resp_digits(digits, number) - digits)));
}

#endif
