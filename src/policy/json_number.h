/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON numbers in one spelling, for canonical.c. The layout is ECMAScript's (as RFC 8785 asks), but
 * no digit is ever dropped: a number that is the shortest text of some double comes out as RFC 8785
 * has it, and any other (an id of 20 digits, 1e400) keeps all its digits in the same layout. So one
 * value has one text, and two values never share one.
 */
#ifndef POSTERN_POLICY_JSON_NUMBER_H
#define POSTERN_POLICY_JSON_NUMBER_H

#include <postern/base/slice.h>
#include <stdbool.h>

#define JSON_MAX_NUMBER_BYTES                                                                      \
    1024u /* the exact text of any double has at most 1,080; senders write                         \
             20 */
#define JSON_NUMBER_TEXT_BYTES (JSON_MAX_NUMBER_BYTES + 32u)

/* True when `number` (accepted by json_skip_number) is in that spelling already, seen at a glance:
 * an integer of up to 21 digits. */
bool json_number_is_plain(struct slice number);

/* Writes `number` in that spelling and its length. False: the text is longer than
 * JSON_MAX_NUMBER_BYTES, or its exponent has more than nine digits. */
bool json_number_write(struct slice number, char ret_text[static JSON_NUMBER_TEXT_BYTES],
                       size_t *ret_len);

#endif
