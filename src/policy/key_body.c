/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content-Type and Content-Encoding, read as little as keys need. Content-Type chooses only between
 * forms and all else: senders put JSON under many names (curl -d calls it a form), and what is no
 * JSON shows. A coding that isn't known ("utf-8" is a usual mistake) leaves the body as it is, and
 * never a form: what is really compressed is no JSON.
 */
#include "key_body.h"

#include "form.h"
#include "gunzip.h"

enum coding { CODING_NONE, CODING_GZIP, CODING_OTHER };

/* The only value of a header; empty when there is none. False: there are several. */
static bool only_value(const struct key_input *input, struct slice name, struct slice *ret_value)
{
    struct slice value = {0};
    size_t count = input->header(input->headers, name, &value);
    *ret_value = count == 1 ? slice_trim(value) : (struct slice){0};
    return count <= 1;
}

static enum coding coding_of(const struct key_input *input)
{
    struct slice value;
    if (!only_value(input, SLICE("Content-Encoding"), &value))
        return CODING_OTHER;
    if (value.len == 0 || slice_ieq(value, SLICE("identity")))
        return CODING_NONE;
    bool gzip = slice_ieq(value, SLICE("gzip")) || slice_ieq(value, SLICE("x-gzip"));
    return gzip ? CODING_GZIP : CODING_OTHER;
}

static bool says_form(const struct key_input *input)
{
    struct slice type;
    return only_value(input, SLICE("Content-Type"), &type) && form_is_type(type);
}

/* In a form these would be encoded. */
static bool begins_as_json(struct slice text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]) && text.data[0])
        text = slice_skip(text, 1);
    return text.len > 0 && (text.data[0] == '{' || text.data[0] == '[');
}

static enum key_miss unpack(struct key_body *body, const struct key_input *input)
{
    if (!input->decoded)
        return KEY_MISS_ENCODING;
    buf_clear(input->decoded);
    switch (gunzip(input->body, input->decoded)) {
    case STATUS_OK:
        body->text = buf_slice(input->decoded);
        return body->text.len > 0 ? KEY_MISS_NONE : KEY_MISS_EMPTY;
    case STATUS_FULL:
        return KEY_MISS_TOO_LONG;
    case STATUS_NO_MEMORY:
        return KEY_MISS_NO_MEMORY;
    case STATUS_INVALID:
    case STATUS_UNAVAILABLE:
    case STATUS_TIMED_OUT:
    case STATUS_REFUSED:
    case STATUS_IO:
    case STATUS_CLOSING:
        break;
    }
    return KEY_MISS_ENCODING;
}

enum key_miss key_body_read(struct key_body *body, const struct key_input *input)
{
    if (body->known)
        return body->miss;
    body->known = true;
    body->text = input->body;
    body->miss = input->body.len > 0 ? KEY_MISS_NONE : KEY_MISS_EMPTY;
    if (body->miss != KEY_MISS_NONE)
        return body->miss;
    enum coding coding = coding_of(input);
    if (coding == CODING_GZIP)
        body->miss = unpack(body, input);
    body->is_form = coding != CODING_OTHER && says_form(input) && !begins_as_json(body->text);
    return body->miss;
}
