/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other half of oracle_json.h: paths, selections and the canonical form, each as its header
 * says it, without a thought for speed.
 */
#include "oracle_json.h"

#include "fuzz.h"

#define NUMBER_BYTES_MAX 1024u
#define EXPONENT_DIGITS_MAX 9u

/* ---- paths ---- */

static bool is_part_index(struct slice part, size_t index)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", index);
    return slice_eq(part, slice_str(text));
}

static const struct oracle_value *find_part(const struct oracle_value *in, struct slice part,
                                            bool *ret_repeated)
{
    const struct oracle_value *found = NULL;
    size_t index = 0;
    for (const struct oracle_value *at = in->first; at; at = at->next, index++) {
        bool hit = in->kind == JSON_OBJECT ? slice_eq(at->name, part) : is_part_index(part, index);
        if (hit && found)
            *ret_repeated = true;
        else if (hit)
            found = at;
    }
    return found;
}

const struct oracle_value *oracle_find(const struct oracle_value *root,
                                       const struct json_path *path, bool *ret_repeated)
{
    const struct oracle_value *value = root;
    for (size_t i = 0; value && i < path->count; i++)
        value = find_part(value, path->parts[i], ret_repeated);
    return value;
}

bool oracle_has_repeated_names(const struct oracle_value *value)
{
    for (const struct oracle_value *one = value->first; one; one = one->next) {
        for (const struct oracle_value *two = one->next; two; two = two->next)
            if (value->kind == JSON_OBJECT && slice_eq(one->name, two->name))
                return true;
        if (oracle_has_repeated_names(one))
            return true;
    }
    return false;
}

/* ---- selections ---- */

/* Which paths lead to this value, and how: bit i for paths[i]. */
struct leading {
    const struct json_selection *selection;
    uint64_t paths; /* all of whose first `depth` parts fit */
    size_t depth;
    bool whole; /* an included path ended here or above, or there are none */
};

static bool is_included(const struct leading *leading, size_t i)
{
    return i < leading->selection->include_count;
}

static bool leads(const struct leading *leading, size_t i)
{
    return leading->paths >> i & 1;
}

static bool ends(const struct leading *leading, size_t i)
{
    return leads(leading, i) && leading->selection->paths[i].count == leading->depth;
}

static struct leading lead_on(const struct leading *leading, const struct oracle_value *value,
                              const struct oracle_value *child, size_t index)
{
    struct leading below = *leading;
    below.paths = 0;
    below.depth++;
    for (size_t i = 0; i < leading->selection->path_count; i++) {
        if (!leads(leading, i) || ends(leading, i))
            continue;
        struct slice part = leading->selection->paths[i].parts[leading->depth];
        if (slice_eq(part, SLICE("*")) ||
            (value->kind == JSON_OBJECT ? slice_eq(part, child->name) : is_part_index(part, index)))
            below.paths |= UINT64_C(1) << i;
    }
    return below;
}

static bool says_something(const struct oracle_value *value)
{
    if (value->kind == JSON_STRING)
        return value->text.len > 0;
    return value->kind == JSON_NUMBER || value->kind == JSON_TRUE || value->kind == JSON_FALSE;
}

static size_t mark(struct oracle_value *value, struct leading leading)
{
    size_t weight = 0;
    size_t index = 0;
    value->kept = false; /* of an earlier selection */
    for (size_t i = 0; i < leading.selection->path_count; i++) {
        if (ends(&leading, i) && !is_included(&leading, i))
            return 0; /* excluded: it is not kept, and nothing in it */
        leading.whole |= ends(&leading, i);
    }
    value->kept = leading.whole;
    for (struct oracle_value *child = value->first; child; child = child->next) {
        weight += mark(child, lead_on(&leading, value, child, index++));
        value->kept |= child->kept;
    }
    return weight + (value->kept && says_something(value));
}

size_t oracle_select(struct oracle_value *root, const struct json_selection *selection)
{
    struct leading leading = {
        .selection = selection, .paths = UINT64_MAX, .whole = selection->include_count == 0};
    return mark(root, leading);
}

/* ---- the form ---- */

static void put(struct buf *form, struct slice bytes)
{
    FUZZ_CHECK(buf_append(form, bytes) == STATUS_OK);
}

static void put_string(struct buf *form, struct slice text)
{
    static const char bytes[] = "\b\t\n\f\r\"\\";
    static const char letters[] = "btnfr\"\\";
    put(form, SLICE("\""));
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        const char *found = byte ? strchr(bytes, byte) : NULL;
        if (found)
            FUZZ_CHECK(buf_printf(form, "\\%c", letters[found - bytes]) == STATUS_OK);
        else if ((unsigned char)byte < ' ')
            FUZZ_CHECK(buf_printf(form, "\\u%04x", (unsigned)byte) == STATUS_OK);
        else
            put(form, slice_of(&byte, 1));
    }
    put(form, SLICE("\""));
}

/* 0.<digits> times ten to the power of `point`. */
struct oracle_number {
    char digits[NUMBER_BYTES_MAX + 1];
    long count, point;
};

static bool parse_exponent(struct slice text, long *ret_exponent)
{
    char digits[EXPONENT_DIGITS_MAX + 1] = {0};
    bool negative = text.len > 0 && text.data[0] == '-';
    if (text.len > 0 && (negative || text.data[0] == '+'))
        text = slice_skip(text, 1);
    while (text.len > 1 && text.data[0] == '0')
        text = slice_skip(text, 1);
    if (text.len > EXPONENT_DIGITS_MAX)
        return false;
    memcpy(digits, text.data, text.len);
    *ret_exponent = negative ? -atol(digits) : atol(digits);
    return true;
}

static bool parse_number(struct slice raw, struct oracle_number *number)
{
    size_t i = raw.data[0] == '-';
    long whole = -1; /* digits before the point */
    long exponent = 0;
    number->count = 0;
    for (; i < raw.len && raw.data[i] != 'e' && raw.data[i] != 'E'; i++) {
        if (raw.data[i] == '.')
            whole = number->count;
        else
            number->digits[number->count++] = raw.data[i];
    }
    if (i < raw.len && !parse_exponent(slice_skip(raw, i + 1), &exponent))
        return false;
    number->point = (whole < 0 ? number->count : whole) + exponent;
    long zeros = 0;
    while (zeros < number->count && number->digits[zeros] == '0')
        zeros++;
    number->count -= zeros;
    number->point -= zeros;
    memmove(number->digits, number->digits + zeros, (size_t)number->count);
    while (number->count > 0 && number->digits[number->count - 1] == '0')
        number->count--;
    return true;
}

/* Digit i of the number when it is laid out, zeros beyond its own. */
static char digit_at(const struct oracle_number *number, long i)
{
    return i >= 0 && i < number->count ? number->digits[i] : '0';
}

static void put_digits(struct buf *form, const struct oracle_number *number, long from, long end)
{
    for (long i = from; i < end; i++) {
        char digit = digit_at(number, i);
        put(form, slice_of(&digit, 1));
    }
}

/* ECMAScript's Number::toString. */
static bool put_number(struct buf *form, struct slice raw)
{
    struct oracle_number number;
    if (raw.len > NUMBER_BYTES_MAX || !parse_number(raw, &number))
        return false;
    if (number.count == 0) {
        put(form, SLICE("0"));
        return true;
    }
    put(form, slice_of("-", raw.data[0] == '-'));
    if (number.point > 21 || number.point <= -6) {
        put_digits(form, &number, 0, 1);
        put(form, slice_of(".", number.count > 1));
        put_digits(form, &number, 1, number.count);
        FUZZ_CHECK(buf_printf(form, "e%+ld", number.point - 1) == STATUS_OK);
        return true;
    }
    long whole = number.point > 0 ? number.point : 0;
    put_digits(form, &number, 0, whole);
    put(form, slice_of("0", whole == 0));
    if (number.count > number.point) {
        put(form, SLICE("."));
        put_digits(form, &number, number.point, number.count);
    }
    return true;
}

/* By UTF-16 code units, as RFC 8785 3.2.3 wants it: those of the surrogates lie below U+E000. */
static int compare_names(struct slice one, struct slice two)
{
    size_t i = 0;
    while (i < one.len && i < two.len && one.data[i] == two.data[i])
        i++;
    if (i == one.len || i == two.len)
        return (one.len > i) - (two.len > i);
    unsigned char a = (unsigned char)one.data[i];
    unsigned char b = (unsigned char)two.data[i];
    bool a_pair = a >= 0xf0;
    bool b_pair = b >= 0xf0;
    if (a_pair != b_pair && a >= 0xee && b >= 0xee)
        return a_pair ? -1 : 1;
    return a < b ? -1 : 1;
}

static bool put_array(const struct oracle_value *value, struct buf *form)
{
    size_t commas = 0;
    bool ok = true;
    for (const struct oracle_value *child = value->first; child; child = child->next, commas++) {
        if (!child->kept)
            continue;
        for (; commas > 0; commas--)
            put(form, SLICE(","));
        ok = oracle_write(child, form) && ok;
    }
    return ok;
}

/* The least name that is kept and above `after` (or the least of all). */
static const struct oracle_value *next_name(const struct oracle_value *object,
                                            const struct oracle_value *after)
{
    const struct oracle_value *least = NULL;
    for (const struct oracle_value *child = object->first; child; child = child->next)
        if (child->kept && (!after || compare_names(child->name, after->name) > 0) &&
            (!least || compare_names(child->name, least->name) < 0))
            least = child;
    return least;
}

static bool put_object(const struct oracle_value *value, struct buf *form)
{
    const struct oracle_value *child = next_name(value, NULL);
    bool ok = true;
    for (bool first = true; child; child = next_name(value, child), first = false) {
        put(form, slice_of(",", !first));
        put_string(form, child->name);
        put(form, SLICE(":"));
        ok = oracle_write(child, form) && ok;
    }
    return ok;
}

bool oracle_write(const struct oracle_value *value, struct buf *form)
{
    bool ok = true;
    if (value->kind == JSON_STRING) {
        put_string(form, value->text);
    } else if (value->kind == JSON_NUMBER) {
        ok = put_number(form, value->raw);
    } else if (value->kind == JSON_ARRAY || value->kind == JSON_OBJECT) {
        bool is_object = value->kind == JSON_OBJECT;
        put(form, is_object ? SLICE("{") : SLICE("["));
        ok = is_object ? put_object(value, form) : put_array(value, form);
        put(form, is_object ? SLICE("}") : SLICE("]"));
    } else {
        put(form, value->raw);
    }
    return ok;
}
