/* SPDX-License-Identifier: Apache-2.0 */
/* Strict readers: a time stamp is digits and nothing else, a form says that it is one. */
#include "verify_request.h"

#include "form.h"

/* ---- fields ---- */

enum verify_result verify_field(const struct verify_input *input, struct slice name,
                                struct slice *ret_value)
{
    struct slice value = {0};
    size_t count = input->header(input->headers, name, &value);
    if (count > 1)
        return VERIFY_REPEATED;
    if (count == 0 || value.len == 0)
        return VERIFY_MISSING;
    *ret_value = value;
    return VERIFY_OK;
}

bool verify_is_form(const struct verify_input *input)
{
    struct slice type;
    return verify_field(input, SLICE("Content-Type"), &type) == VERIFY_OK && form_is_type(type);
}

/* ---- times ---- */

bool verify_read_digits(struct slice text, size_t max_digits, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (text.len == 0 || text.len > max_digits)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

bool verify_read_time(struct slice text, uint64_t *ret_ms)
{
    uint64_t number;
    if (!verify_read_digits(text, TIME_MS_DIGITS, &number))
        return false;
    *ret_ms = text.len == TIME_MS_DIGITS ? number : number * 1000;
    return true;
}

bool verify_read_tight_time(struct slice text, uint64_t *ret_ms)
{
    return text.len == TIME_SECONDS_DIGITS && verify_read_time(text, ret_ms);
}

enum verify_result verify_judge_time(const struct verify_call *call, uint64_t sent_ms)
{
    uint64_t now_ms = call->input->now_ms;
    uint64_t tolerance_ms = call->verifier->opts->tolerance_ms;
    if (tolerance_ms == 0)
        return VERIFY_OK;
    if (now_ms > sent_ms && now_ms - sent_ms > tolerance_ms)
        return VERIFY_TOO_OLD;
    return sent_ms > now_ms && sent_ms - now_ms > tolerance_ms ? VERIFY_TOO_NEW : VERIFY_OK;
}

/* ---- other readers' results ---- */

enum verify_result verify_of_json(enum json_result result)
{
    switch (result) {
    case JSON_OK:
        return VERIFY_OK;
    case JSON_DUPLICATE_KEY:
        return VERIFY_REPEATED;
    case JSON_NO_MEMORY:
        return VERIFY_UNAVAILABLE;
    case JSON_INVALID:
    case JSON_TOO_DEEP:
    case JSON_TOO_LARGE:
        break;
    }
    return VERIFY_MALFORMED;
}

enum verify_result verify_of_miss(enum key_miss miss)
{
    switch (miss) {
    case KEY_MISS_NONE:
        return VERIFY_OK;
    case KEY_MISS_ABSENT:
    case KEY_MISS_EMPTY:
        return VERIFY_MISSING;
    case KEY_MISS_REPEATED:
        return VERIFY_REPEATED;
    case KEY_MISS_NO_MEMORY:
        return VERIFY_UNAVAILABLE;
    case KEY_MISS_TOO_LONG:
    case KEY_MISS_NOT_JSON:
    case KEY_MISS_MALFORMED:
    case KEY_MISS_NOT_SCALAR:
    case KEY_MISS_ENCODING:
    case KEY_MISSES:
        break;
    }
    return VERIFY_MALFORMED;
}
