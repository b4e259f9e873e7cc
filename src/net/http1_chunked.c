/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunked bodies (RFC 9112 7.1), decoded here and not by llhttp: its versions differ in what they
 * take for a chunk size line, none bounds leading zeros or tells extensions' bytes in a way that
 * could be counted, and trailers come through the callbacks of fields. Strict: no white space
 * outside quoted strings, no bare CR or LF. Extensions and trailers are checked and thrown away.
 *
 *   SIZE ─> (";" NAME ["=" VALUE])* ─> CRLF ─> DATA ─> CRLF ─┐        size 0:
 *    ▲                                                       │        (NAME ":" VALUE CRLF)* CRLF
 *    └───────────────────────────────────────────────────────┘
 */
#include "http1_internal.h"

/* 16 digits hold every size there is; leading zeros beyond are an attack (CVE-2024-22019). */
#define SIZE_DIGITS_MAX 16

enum chunk_state {
    SIZE_FIRST, /* the first digit has to come */
    SIZE,
    SIZE_LF,
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_ESCAPED, /* behind a backslash in a quoted string */
    EXT_QUOTED_END,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST, /* a trailer line or the empty line begins */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    END,
    BAD,
};

/* The value of a hex digit, or -1. */
static int hex_value(char byte)
{
    char lower = ascii_lower(byte);
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* What may follow a size, an extension's name or its value. */
static enum chunk_state after_word(char byte)
{
    if (byte == ';')
        return EXT_NAME_FIRST;
    return byte == '\r' ? SIZE_LF : BAD;
}

static enum chunk_state read_size(struct http1_reader *reader, char byte)
{
    int digit = hex_value(byte);
    if (digit < 0)
        return reader->size_digits > 0 ? after_word(byte) : BAD;
    if (reader->size_digits == SIZE_DIGITS_MAX || reader->remaining_bytes > (INT64_MAX >> 4))
        return BAD;
    reader->size_digits++;
    reader->remaining_bytes = reader->remaining_bytes << 4 | (unsigned)digit;
    return SIZE;
}

static enum chunk_state read_size_lf(struct http1_reader *reader, char byte)
{
    reader->size_digits = 0;
    if (byte != '\n')
        return BAD;
    if (reader->remaining_bytes == 0)
        return TRAILER_FIRST;
    reader->overhead_bytes -= reader->overhead_bytes < reader->remaining_bytes
                                  ? reader->overhead_bytes
                                  : reader->remaining_bytes;
    return DATA;
}

static enum chunk_state read_quoted(enum chunk_state state, char byte)
{
    if (http1_has_control(slice_of(&byte, 1)))
        return BAD;
    if (state == EXT_ESCAPED)
        return EXT_QUOTED;
    if (byte == '\\')
        return EXT_ESCAPED;
    return byte == '"' ? EXT_QUOTED_END : EXT_QUOTED;
}

static enum chunk_state read_extension(enum chunk_state state, char byte)
{
    bool token_byte = ascii_is_token(byte);
    if (state == EXT_NAME_FIRST)
        return token_byte ? EXT_NAME : BAD;
    if (state == EXT_VALUE_FIRST && byte == '"')
        return EXT_QUOTED;
    if (state == EXT_VALUE_FIRST)
        return token_byte ? EXT_VALUE : BAD;
    if (state == EXT_NAME && byte == '=')
        return EXT_VALUE_FIRST;
    if (token_byte && state != EXT_QUOTED_END)
        return state;
    return after_word(byte);
}

/* Trailers that would change how the message is read, had they been believed. */
static bool is_forbidden_trailer(const struct http1_reader *reader)
{
    if (reader->trailer_name_bytes > HTTP1_TRAILER_NAME_BYTES)
        return false;
    enum http_field_id id =
        http1_field_id(slice_of(reader->trailer_name, reader->trailer_name_bytes));
    return id == FIELD_CONTENT_LENGTH || id == FIELD_TRANSFER_ENCODING || id == FIELD_HOST;
}

static enum chunk_state read_trailer_name(struct http1_reader *reader, char byte)
{
    if (byte == ':' && reader->trailer_name_bytes > 0)
        return is_forbidden_trailer(reader) ? BAD : TRAILER_VALUE;
    if (!ascii_is_token(byte))
        return BAD;
    if (reader->trailer_name_bytes < HTTP1_TRAILER_NAME_BYTES)
        reader->trailer_name[reader->trailer_name_bytes] = byte;
    if (reader->trailer_name_bytes <= HTTP1_TRAILER_NAME_BYTES)
        reader->trailer_name_bytes++; /* stops at "longer than any that is looked for" */
    return TRAILER_NAME;
}

static enum chunk_state read_trailer(struct http1_reader *reader, enum chunk_state state, char byte)
{
    switch (byte) {
    case '\r':
        if (state == TRAILER_FIRST)
            return END_LF;
        return state == TRAILER_VALUE ? TRAILER_LF : BAD;
    default:
        if (state == TRAILER_VALUE)
            return http1_has_control(slice_of(&byte, 1)) ? BAD : TRAILER_VALUE;
        if (state == TRAILER_FIRST)
            reader->trailer_name_bytes = 0;
        return read_trailer_name(reader, byte);
    }
}

/* One byte of framing. */
static enum chunk_state read_framing(struct http1_reader *reader, char byte)
{
    enum chunk_state state = reader->chunk_state;
    switch (state) {
    case SIZE_FIRST:
        reader->remaining_bytes = 0;
        return read_size(reader, byte);
    case SIZE:
        return read_size(reader, byte);
    case SIZE_LF:
        return read_size_lf(reader, byte);
    case EXT_NAME_FIRST:
    case EXT_NAME:
    case EXT_VALUE_FIRST:
    case EXT_VALUE:
    case EXT_QUOTED_END:
        return read_extension(state, byte);
    case EXT_QUOTED:
    case EXT_ESCAPED:
        return read_quoted(state, byte);
    case DATA_CR:
        return byte == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return byte == '\n' ? SIZE_FIRST : BAD;
    case TRAILER_FIRST:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return read_trailer(reader, state, byte);
    case TRAILER_LF:
        return byte == '\n' ? TRAILER_FIRST : BAD;
    case END_LF:
        return byte == '\n' ? END : BAD;
    case DATA:
    case END:
    case BAD:
        break;
    }
    return BAD;
}

static enum http1_event read_data(struct http1_reader *reader, struct slice *input,
                                  struct slice *ret_piece)
{
    struct slice piece = *input;
    if (piece.len > reader->remaining_bytes)
        piece.len = (size_t)reader->remaining_bytes;
    reader->remaining_bytes -= piece.len;
    if (reader->remaining_bytes == 0)
        reader->chunk_state = DATA_CR;
    *input = slice_skip(*input, piece.len);
    *ret_piece = piece;
    return HTTP1_BODY;
}

enum http1_event http1_read_chunked(struct http1_reader *reader, struct slice *input,
                                    struct slice *ret_piece)
{
    while (input->len > 0) {
        if (reader->chunk_state == DATA)
            return read_data(reader, input, ret_piece);
        if (++reader->overhead_bytes > reader->limits->chunk_overhead_bytes)
            return HTTP1_FAULT;
        reader->chunk_state = (uint8_t)read_framing(reader, input->data[0]);
        if (reader->chunk_state == BAD)
            return HTTP1_FAULT;
        *input = slice_skip(*input, 1);
        if (reader->chunk_state == END)
            return HTTP1_DONE;
    }
    return HTTP1_NEED_MORE;
}
