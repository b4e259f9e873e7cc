/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses as an upstream may send them, also behind one another on a connection that is kept.
 * Properties: the same octets tell the same story however they are cut; an answer without a body
 * never leaves octets that are read as the next one; field values can be passed on.
 *
 * Input: one byte (bit 0: small limits; bit 1: to a HEAD), the octets.
 */
#include "http_transcript.h"

static void check_message(const struct http_head *head, struct slice body)
{
    bool bodiless = head->status == 204 || head->status == 304;
    FUZZ_CHECK(!bodiless || body.len == 0);
    FUZZ_CHECK(head->body != HTTP_BODY_SIZED || body.len == head->content_length);
    FUZZ_CHECK(head->body != HTTP_BODY_TO_CLOSE || !head->keep_alive);
    FUZZ_CHECK(head->status != 204 || head->content_length == 0 || !head->keep_alive);
    for (size_t i = 0; i < head->field_count; i++)
        for (size_t k = 0; k < head->fields[i].value.len; k++)
            FUZZ_CHECK(head->fields[i].value.data[k] != '\r' &&
                       head->fields[i].value.data[k] != '\n' &&
                       head->fields[i].value.data[k] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    unsigned how = fuzz_choice(&input);
    struct transcript_opts opts = {.limits = transcript_limits(how & 1),
                                   .is_response = true,
                                   .is_head_request = how & 2,
                                   .message = check_message};
    transcript_compare(&opts, input, (uint32_t)size * 2654435761u);
    return 0;
}
