/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written here because OpenSSL's decoder takes white space and counts padding as bytes. The values
 * of characters come from a table: signatures are random, and a branch that guesses wrong at every
 * other character would cost as much as a third of the MAC.
 */
#include "base64.h"

#define NONE 64 /* more than six bits: not a character of the alphabet */

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of each ASCII character. */
static const uint8_t VALUES[128] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, /**/
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, /**/
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64, 64, 63, /* + / */
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64, /* 0 to 9 */
    64, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, /* A to O */
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 64, /* P to Z */
    64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, /* a to o */
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64, /* p to z */
};

/* ---- encoding ---- */

/* Up to three bytes as four characters. */
static void encode_group(const uint8_t *bytes, size_t count, char *ret_text)
{
    unsigned bits = (unsigned)bytes[0] << 16;
    if (count > 1)
        bits |= (unsigned)bytes[1] << 8;
    if (count > 2)
        bits |= bytes[2];
    ret_text[0] = ALPHABET[bits >> 18];
    ret_text[1] = ALPHABET[bits >> 12 & 63];
    ret_text[2] = ALPHABET[bits >> 6 & 63];
    ret_text[3] = ALPHABET[bits & 63];
    for (size_t i = count + 1; i < 4; i++)
        ret_text[i] = '=';
}

void base64_encode(struct slice bytes, char *ret_text)
{
    for (size_t at = 0; at < bytes.len; at += 3, ret_text += 4) {
        size_t left = bytes.len - at;
        encode_group((const uint8_t *)bytes.data + at, left < 3 ? left : 3, ret_text);
    }
}

/* ---- decoding ---- */

static struct slice without_padding(struct slice text)
{
    for (int i = 0; i < 2 && text.len > 0 && text.data[text.len - 1] == '='; i++)
        text.len--;
    return text;
}

static unsigned value_of(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte < sizeof VALUES ? VALUES[byte] : NONE;
}

bool base64_decode(struct slice text, size_t room, uint8_t *ret_bytes, size_t *ret_len)
{
    size_t len = 0;
    unsigned bits = 0, held = 0, seen = 0;
    if (text.len % 4 != 0)
        return false;
    text = without_padding(text);
    if (text.len / 4 * 3 + text.len % 4 * 3 / 4 > room)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned six = value_of(text.data[i]);
        seen |= six;
        bits = (bits << 6 | (six & 63)) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret_bytes[len++] = (uint8_t)(bits >> held);
        }
    }
    /* No encoder leaves bits behind the last byte: a slip. */
    if (seen >= NONE || (bits & ((1u << held) - 1)) != 0)
        return false;
    *ret_len = len;
    return true;
}
