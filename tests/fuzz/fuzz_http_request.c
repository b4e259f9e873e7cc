/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as a client may send them. Properties: the same octets tell the same story however they
 * are cut; what was accepted, written again as the gateway writes it towards an upstream, reads as
 * the same request; and a head that was accepted is one by an own, slow look at its octets.
 *
 * Input: one byte (bit 0: small limits), the octets.
 */
#include "http_transcript.h"

#define REQUEST_CEILING ((size_t)1 << 22)

static bool is_field_safe(struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static bool is_token(struct slice name)
{
    static const char letters[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == '\0' || !strchr(letters, ascii_lower(name.data[i])))
            return false;
    return name.len > 0;
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f || text.data[i] == '\\' ||
            text.data[i] == '#')
            return false;
    return true;
}

/* The octets that would let a second parser read the message in another way. */
static void check_octets(const struct http_head *head)
{
    size_t hosts = 0;
    size_t framings = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        FUZZ_CHECK(is_token(field->name) && is_field_safe(field->value));
        FUZZ_CHECK(slice_trim(field->value).len == field->value.len);
        hosts += slice_ieq(field->name, SLICE("host"));
        framings += slice_ieq(field->name, SLICE("content-length")) ||
                    slice_ieq(field->name, SLICE("transfer-encoding"));
    }
    FUZZ_CHECK(hosts <= 1 && framings <= 1 && (hosts == 1 || head->minor == 0));
    FUZZ_CHECK(framings == 1 || head->body == HTTP_BODY_NONE);
    FUZZ_CHECK(is_printable(head->target) && is_token(head->method));
    FUZZ_CHECK(head->path.len + (head->path.len < head->target.len) + head->query.len ==
               head->target.len);
}

static bool is_framing(const struct http_field *field)
{
    return field->id == FIELD_CONTENT_LENGTH || field->id == FIELD_TRANSFER_ENCODING ||
           field->id == FIELD_EXPECT || field->id == FIELD_HOST;
}

/* The request as it would go on: origin form, its own Host, the body by its length. */
static void write_again(const struct http_head *head, struct slice body, struct buf *octets)
{
    struct slice host = head->host.len > 0 ? head->host : SLICE("none.test");
    FUZZ_CHECK(http1_write_request_line(octets, head->method, head->target) == STATUS_OK);
    FUZZ_CHECK(http1_write_field(octets, SLICE("Host"), host) == STATUS_OK);
    for (size_t i = 0; i < head->field_count; i++)
        if (!is_framing(&head->fields[i]))
            FUZZ_CHECK(http1_write_field(octets, head->fields[i].name, head->fields[i].value) ==
                       STATUS_OK);
    FUZZ_CHECK(http1_write_field_u64(octets, SLICE("Content-Length"), body.len) == STATUS_OK);
    FUZZ_CHECK(http1_write_head_end(octets) == STATUS_OK);
    FUZZ_CHECK(buf_append(octets, body) == STATUS_OK);
}

static void check_same_fields(const struct http_head *head, const struct http_head *again)
{
    size_t k = 1; /* Host stands first */
    for (size_t i = 0; i < head->field_count; i++) {
        if (is_framing(&head->fields[i]))
            continue;
        FUZZ_CHECK(slice_eq(head->fields[i].name, again->fields[k].name));
        FUZZ_CHECK(slice_eq(head->fields[i].value, again->fields[k].value));
        FUZZ_CHECK(head->fields[i].hop_by_hop == again->fields[k].hop_by_hop);
        k++;
    }
    FUZZ_CHECK(k + 1 == again->field_count);
}

static void check_same(const struct http_head *head, struct slice body, struct slice octets)
{
    struct http_limits limits = {.head_bytes = REQUEST_CEILING,
                                 .target_bytes = REQUEST_CEILING,
                                 .fields = 1000,
                                 .chunk_overhead_bytes = 0};
    struct arena arena;
    struct http1_reader reader;
    struct slice piece = {0};
    arena_init(&arena, 4096, REQUEST_CEILING);
    http1_init_request(&reader, &arena, &limits);
    FUZZ_CHECK(http1_next(&reader, &octets, &piece) == HTTP1_HEAD);
    FUZZ_CHECK(slice_eq(head->method, reader.head.method));
    FUZZ_CHECK(slice_eq(head->target, reader.head.target));
    check_same_fields(head, &reader.head);
    if (body.len > 0)
        FUZZ_CHECK(http1_next(&reader, &octets, &piece) == HTTP1_BODY && slice_eq(piece, body));
    FUZZ_CHECK(http1_next(&reader, &octets, &piece) == HTTP1_DONE && octets.len == 0);
    arena_done(&arena);
}

static void check_message(const struct http_head *head, struct slice body)
{
    struct buf octets;
    check_octets(head);
    buf_init(&octets, REQUEST_CEILING);
    write_again(head, body, &octets);
    check_same(head, body, buf_slice(&octets));
    buf_done(&octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    unsigned how = fuzz_choice(&input);
    struct transcript_opts opts = {.limits = transcript_limits(how & 1), .message = check_message};
    transcript_compare(&opts, input, (uint32_t)size * 2654435761u);
    return 0;
}
