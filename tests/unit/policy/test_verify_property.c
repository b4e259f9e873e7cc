/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 100,000 random changes of the signed requests of all senders: none passes that isn't the request
 * it was, but for the case of hexadecimal digits and what else stands in a list. The seed is fixed:
 * a failure comes again.
 */
#include "verify_vectors.h"

#define CHANGES 100000u
#define MAX_BYTES 4096u
#define SEPARATORS " \t,;"

TestSuite(verify_property, .init = open_arena, .fini = close_arena);

static uint64_t state = 0x9e3779b97f4a7c15u;

/* xorshift64* */
static size_t draw(size_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (size_t)((state * 0x2545f4914f6cdd1du) >> 33) % below;
}

/* One change of a text: a byte set, inserted, taken out, a piece doubled, cut off, or exchanged. */
static size_t change(char *text, size_t len)
{
    static const char likely[] = ",;=:. \t&%+v01atsAF\0\xff";
    size_t at = draw(len + 1), count = draw(len - at + 1);
    switch (len == 0 ? 1 : draw(6)) {
    case 0:
        text[at < len ? at : 0] = (char)draw(256);
        return len;
    case 1:
        memmove(text + at + 1, text + at, len - at);
        text[at] = likely[draw(sizeof likely - 1)];
        return len + 1;
    case 2:
        memmove(text + at, text + at + count, len - at - count);
        return len - count;
    case 3:
        memmove(text + at + count, text + at, len - at);
        return len + count;
    case 4:
        return at;
    default:
        text[at < len ? at : 0] = likely[draw(sizeof likely - 1)];
        return len;
    }
}

/* What of a request is changed: one of its headers, the body or the target. */
static struct slice *pick(struct signed_request *request, bool *ret_is_header)
{
    struct slice *places[MAX_TEST_HEADERS + 2];
    size_t count = 0;
    for (size_t i = 0; i < MAX_TEST_HEADERS && request->headers[i].name; i++)
        places[count++] = &request->headers[i].value;
    size_t headers = count;
    places[count++] = &request->body;
    if (verify_scheme_needs_url(request->scheme))
        places[count++] = &request->target;
    size_t place = draw(count);
    *ret_is_header = place < headers;
    return places[place];
}

/* Headers that decide nothing for the sender. */
static bool is_free(const struct signed_request *request, const struct slice *place)
{
    for (size_t i = 0; i < MAX_TEST_HEADERS && request->headers[i].name; i++)
        if (&request->headers[i].value == place)
            return slice_ieq(slice_str(request->headers[i].name), SLICE("Content-Type")) ||
                   (request->scheme == VERIFY_GITHUB &&
                    slice_ieq(slice_str(request->headers[i].name), SLICE("X-Hub-Signature")));
    return false;
}

/* Takes the next element off `*rest`; empty at its end. */
static struct slice take_element(struct slice *rest)
{
    size_t begin = 0, end;
    while (begin < rest->len && memchr(SEPARATORS, rest->data[begin], sizeof SEPARATORS - 1))
        begin++;
    for (end = begin; end < rest->len; end++)
        if (memchr(SEPARATORS, rest->data[end], sizeof SEPARATORS - 1))
            break;
    struct slice element = slice_of(rest->data + begin, end - begin);
    *rest = slice_skip(*rest, end);
    return element;
}

static bool has_element(struct slice list, struct slice wanted)
{
    struct slice element;
    while ((element = take_element(&list)).len > 0)
        if (slice_ieq(element, wanted))
            return true;
    return false;
}

/* A list with all the right elements is right, whatever stands among them. */
static bool has_all(struct slice changed, struct slice original)
{
    struct slice element;
    while ((element = take_element(&original)).len > 0)
        if (!has_element(changed, element))
            return false;
    return true;
}

static void change_once(const struct vector *vector, struct verifier *verifier)
{
    static char text[3 * MAX_BYTES];
    struct signed_request request = request_of(vector);
    bool is_header;
    struct slice *place = pick(&request, &is_header), original = *place;
    cr_assert_leq(original.len, MAX_BYTES / 2);
    memcpy(text, original.data, original.len);
    size_t len = change(text, original.len), secret;
    if (is_free(&request, place))
        return;
    *place = slice_of(text, len);
    if (check_with(verifier, &request, &secret) != VERIFY_OK)
        return;
    bool is_same = is_header ? has_all(*place, original) : slice_eq(*place, original);
    cr_assert(is_same, "%s: \"%.*s\" passed for \"%.*s\"", verify_scheme_text(request.scheme),
              (int)len, text, (int)original.len, original.data);
}

Test(verify_property, a_hundred_thousand_changes_are_refused, .timeout = 120)
{
    struct verifier *verifiers[COUNT_OF(vectors)] = {NULL};
    struct verify_opts opts[COUNT_OF(vectors)];
    struct signed_request requests[COUNT_OF(vectors)];
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char error[256];
        requests[i] = request_of(&vectors[i]);
        opts[i] = opts_of(&requests[i]);
        cr_assert_eq(verifier_open(&opts[i], &verifiers[i], error), STATUS_OK);
    }
    for (size_t i = 0; i < CHANGES; i++) {
        size_t which = draw(COUNT_OF(vectors));
        change_once(&vectors[which], verifiers[which]);
    }
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        verifier_close(verifiers[i]);
}
