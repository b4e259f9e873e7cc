/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What checks read off a request: header fields that decide, times, and values in the body. A field
 * that decides and stands there twice is refused. Private to policy/.
 */
#ifndef POSTERN_POLICY_VERIFY_REQUEST_H
#define POSTERN_POLICY_VERIFY_REQUEST_H

#include <postern/policy/json.h>
#include <postern/policy/key.h>

#include "verifier.h"

#define TIME_MS_DIGITS 13u /* from 2001 to 2286; so many seconds are 300,000 years away */
#define TIME_SECONDS_DIGITS 10u

/* The only field of that name: VERIFY_OK, VERIFY_MISSING (also when it is empty) or
 * VERIFY_REPEATED. */
enum verify_result verify_field(const struct verify_input *input, struct slice name,
                                struct slice *ret_value);

/* True when Content-Type says that the body is a form; false also when that stands there twice. */
bool verify_is_form(const struct verify_input *input);

/* A decimal number of 1 to `max_digits` digits (at most 19, which fit) and nothing else. False: it
 * is none; *ret_number is untouched. */
bool verify_read_digits(struct slice text, size_t max_digits, uint64_t *ret_number);

/* Unix seconds, or milliseconds when there are 13 digits, as milliseconds. False: anything but 1 to
 * 13 digits. */
bool verify_read_time(struct slice text, uint64_t *ret_ms);

/* The same for senders that sign the time and what follows it without anything between them: only
 * seconds of 10 digits (until 2286), so that none can be moved from one to the other. */
bool verify_read_tight_time(struct slice text, uint64_t *ret_ms);

/* Whether a request sent at `sent_ms` is within the tolerance: VERIFY_OK, VERIFY_TOO_OLD or
 * VERIFY_TOO_NEW. Asked only when its signature is right. */
enum verify_result verify_judge_time(const struct verify_call *call, uint64_t sent_ms);

/* What a reader of JSON, or of queries and forms, ended with, as the result of a check. */
enum verify_result verify_of_json(enum json_result result);
enum verify_result verify_of_miss(enum key_miss miss);

#endif
