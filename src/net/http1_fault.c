/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each fault is answered with: one table, status and text for a person.
 */
#include <postern/net/http1.h>

static const struct {
    uint16_t status;
    const char *text;
} faults[HTTP_FAULTS] = {
    [HTTP_FAULT_NONE] = {0, "no fault"},
    [HTTP_FAULT_SYNTAX] = {400, "this is not well-formed HTTP/1.1"},
    [HTTP_FAULT_HOST] = {400, "exactly one valid Host field is required"},
    [HTTP_FAULT_TARGET] = {400, "the request target has a form or a byte that is not served"},
    [HTTP_FAULT_FRAMING] = {400,
                            "Content-Length and Transfer-Encoding do not tell one body length"},
    [HTTP_FAULT_CHUNK] = {400, "the chunked body is malformed or carries too much besides data"},
    [HTTP_FAULT_HEAD_TOO_LARGE] = {431, "the header fields are too large or too many"},
    [HTTP_FAULT_TARGET_TOO_LONG] = {414, "the request target is too long"},
    [HTTP_FAULT_VERSION] = {505, "only HTTP/1.0 and HTTP/1.1 are served"},
    [HTTP_FAULT_METHOD] = {501, "this method is not served"},
    [HTTP_FAULT_CODING] = {501, "no transfer coding but chunked is served"},
    [HTTP_FAULT_EXPECTATION] = {417, "no expectation but 100-continue can be met"},
    [HTTP_FAULT_NO_MEMORY] = {503, "out of memory for this request"},
};

uint16_t http_fault_status(enum http_fault fault)
{
    return faults[fault].status;
}

const char *http_fault_text(enum http_fault fault)
{
    return faults[fault].text;
}
