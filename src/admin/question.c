/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of the API. What is not in the table, is given twice, is empty or can't be read is
 * an error: a misspelled filter must not replay everything.
 */
#include "question.h"

#include "when.h"

#include <stdio.h>

#define BIT(kind) (1u << (kind))
#define FILTERED (BIT(QUESTION_FIND) | BIT(QUESTION_REPLAY_MANY) | BIT(QUESTION_CANCEL_MANY))
#define SHOWN_BYTES 60 /* of what was given, in a problem's text */

/* Reading one query. */
struct reading {
    struct question *question;
    enum question_kind kind;
    uint64_t now_ms;
};

/* ---- values ---- */

static bool read_number(struct slice text, uint32_t most, uint32_t *ret_number)
{
    uint64_t number = 0;
    if (text.len > 9)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (number < 1 || number > most)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static bool read_route(struct reading *reading, struct slice value)
{
    reading->question->filter.route = value;
    return true;
}

static bool read_state(struct reading *reading, struct slice value)
{
    static const char *const states[] = {"queued", "delivered", "dead", "parked", "cancelled"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (slice_eq(value, slice_str(states[i]))) {
            reading->question->filter.state = value;
            return true;
        }
    return false;
}

static bool read_from(struct reading *reading, struct slice value)
{
    return when_parse(value, reading->now_ms, &reading->question->filter.from_ms);
}

static bool read_until(struct reading *reading, struct slice value)
{
    return when_parse(value, reading->now_ms, &reading->question->filter.until_ms);
}

static int hex_digit(char c)
{
    c = ascii_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_byte(struct slice text)
{
    int high = text.len > 1 ? hex_digit(text.data[0]) : -1;
    int low = high >= 0 ? hex_digit(text.data[1]) : -1;
    return low >= 0 ? high << 4 | low : -1;
}

static bool read_key(struct reading *reading, struct slice value)
{
    struct archive_filter *filter = &reading->question->filter;
    if (value.len != EVENT_KEY_HEX)
        return false;
    for (size_t i = 0; i < EVENT_KEY_BYTES; i++) {
        int byte = hex_byte(slice_skip(value, 2 * i));
        if (byte < 0)
            return false;
        filter->key.digest[i] = (uint8_t)byte;
    }
    filter->has_key = true;
    return true;
}

static bool read_limit(struct reading *reading, struct slice value)
{
    uint32_t most = reading->kind == QUESTION_FIND ? ARCHIVE_FIND_MAX : ARCHIVE_CHANGE_MAX;
    return read_number(value, most, &reading->question->limit);
}

static bool read_before(struct reading *reading, struct slice value)
{
    reading->question->has_before = true;
    return uuid_parse(value, &reading->question->before);
}

static bool read_as(struct reading *reading, struct slice value)
{
    reading->question->as_new = slice_eq(value, SLICE("new"));
    return reading->question->as_new || slice_eq(value, SLICE("same"));
}

/* Only a version 7: the ids of new events are made of it, and sort by time. */
static bool read_request(struct reading *reading, struct slice value)
{
    struct question *question = reading->question;
    question->has_request = uuid_parse(value, &question->request);
    return question->has_request && question->request.bytes[6] >> 4 == 7;
}

static bool read_rate(struct reading *reading, struct slice value)
{
    return read_number(value, QUESTION_RATE_MAX, &reading->question->per_second);
}

static bool read_dry_run(struct reading *reading, struct slice value)
{
    reading->question->dry_run = slice_eq(value, SLICE("true"));
    return reading->question->dry_run || slice_eq(value, SLICE("false"));
}

/* ---- the table ---- */

struct parameter {
    const char *name;
    unsigned kinds; /* BITs of those who take it */
    bool narrows;
    const char *expects;
    bool (*read)(struct reading *reading, struct slice value);
};

#define INSTANT "an instant (2026-11-21T12:00:00Z), or for how long ago (15m, 2h, 7d)"

static const struct parameter PARAMETERS[] = {
    {"route", FILTERED | BIT(QUESTION_EXPLAIN), true, "a route's name", read_route},
    {"state", FILTERED, true, "queued, delivered, dead, parked or cancelled", read_state},
    {"from", FILTERED, true, INSTANT, read_from},
    {"until", FILTERED, true, INSTANT, read_until},
    {"key", FILTERED, true, "32 hex digits", read_key},
    {"limit", FILTERED, false, "a number from 1 (events: to 1000, replay, cancel: to 100000)",
     read_limit},
    {"before", BIT(QUESTION_FIND), false, "an event's id", read_before},
    {"as", BIT(QUESTION_REPLAY_ONE) | BIT(QUESTION_REPLAY_MANY), false, "same or new", read_as},
    {"request", BIT(QUESTION_REPLAY_ONE) | BIT(QUESTION_REPLAY_MANY), false,
     "a UUID of version 7, the same when the request is sent again", read_request},
    {"rate", BIT(QUESTION_REPLAY_MANY), false, "events a second, from 1 to 100000", read_rate},
    {"dry_run", BIT(QUESTION_REPLAY_MANY) | BIT(QUESTION_CANCEL_MANY), false, "true or false",
     read_dry_run},
};
#define PARAMETER_COUNT (sizeof(PARAMETERS) / sizeof(PARAMETERS[0]))

_Static_assert(PARAMETER_COUNT <= 32, "a bit each in a word");

/* Its index among those that `kind` takes, or PARAMETER_COUNT. */
static size_t find_parameter(struct slice name, enum question_kind kind)
{
    size_t i = 0;
    while (i < PARAMETER_COUNT &&
           (!(PARAMETERS[i].kinds & BIT(kind)) || !slice_eq(name, slice_str(PARAMETERS[i].name))))
        i++;
    return i;
}

/* ---- the query ---- */

static struct slice cut_at(struct slice text, char mark)
{
    const char *found = text.len > 0 ? memchr(text.data, mark, text.len) : NULL;
    return slice_of(text.data, found ? (size_t)(found - text.data) : text.len);
}

/* Percent-decodes; '+' stays, as an instant's offset has one. */
static bool decode(struct slice raw, struct arena *arena, struct slice *ret_text)
{
    char *text = arena_alloc(arena, raw.len + 1);
    size_t len = 0;
    if (!text)
        return false;
    while (raw.len > 0) {
        bool is_encoded = raw.data[0] == '%';
        int byte = is_encoded ? hex_byte(slice_skip(raw, 1)) : raw.data[0];
        if (is_encoded && byte < 0)
            return false;
        text[len++] = (char)byte;
        raw = slice_skip(raw, is_encoded ? 3 : 1);
    }
    *ret_text = slice_of(text, len);
    return true;
}

static bool refuse(char *ret_problem, struct slice name, const char *what, const char *expects)
{
    int len = name.len < SHOWN_BYTES ? (int)name.len : SHOWN_BYTES;
    (void)snprintf(ret_problem, QUESTION_PROBLEM_BYTES, "\"%.*s\" %s%s", len, name.data, what,
                   expects);
    return false;
}

static bool refuse_unknown(enum question_kind kind, struct slice name, char *ret_problem)
{
    char names[256] = "nothing";
    size_t len = 0;
    for (size_t i = 0; i < PARAMETER_COUNT; i++)
        if (PARAMETERS[i].kinds & BIT(kind))
            len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", len > 0 ? ", " : "",
                                    PARAMETERS[i].name);
    return refuse(ret_problem, name, "is no parameter here; there are: ", names);
}

/* One pair; `given` has a bit for each parameter there was. */
static bool read_pair(struct reading *reading, struct slice name, struct slice value,
                      unsigned *given, char *ret_problem)
{
    size_t index = find_parameter(name, reading->kind);
    if (index == PARAMETER_COUNT)
        return refuse_unknown(reading->kind, name, ret_problem);
    const struct parameter *parameter = &PARAMETERS[index];
    if (*given & BIT(index))
        return refuse(ret_problem, name, "is given twice", "");
    if (value.len == 0 || !parameter->read(reading, value))
        return refuse(ret_problem, name, "has to be ", parameter->expects);
    *given |= BIT(index);
    if (parameter->narrows)
        reading->question->is_narrowed = true;
    return true;
}

bool question_read(struct question *question, enum question_kind kind, struct slice query,
                   uint64_t now_ms, struct arena *arena,
                   char ret_problem[static QUESTION_PROBLEM_BYTES])
{
    struct reading reading = {.question = question, .kind = kind, .now_ms = now_ms};
    unsigned given = 0;
    *question = (struct question){
        .limit = kind == QUESTION_FIND ? QUESTION_FIND_DEFAULT : QUESTION_CHANGE_DEFAULT,
        .per_second = QUESTION_RATE_DEFAULT,
    };
    while (query.len > 0) {
        struct slice pair = cut_at(query, '&'), name = cut_at(pair, '='), value;
        query = slice_skip(query, pair.len + 1);
        if (pair.len == 0)
            continue;
        if (!decode(slice_skip(pair, name.len + 1), arena, &value) || !decode(name, arena, &name))
            return refuse(ret_problem, name, "can't be decoded", "");
        if (!read_pair(&reading, name, value, &given, ret_problem))
            return false;
    }
    if (question->has_request && !question->as_new)
        return refuse(ret_problem, SLICE("request"), "belongs to as=new", "");
    return true;
}
