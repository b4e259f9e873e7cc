/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 of RFC 4648 section 4: the standard alphabet, padded, nothing around it. For keys and
 * signatures (sign.c, verify*.c). Private to policy/.
 */
#ifndef POSTERN_POLICY_BASE64_H
#define POSTERN_POLICY_BASE64_H

#include <postern/base/slice.h>
#include <stdint.h>

/* Characters that stand for `bytes` bytes. */
#define BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)

/* Writes BASE64_LEN(bytes.len) characters, without a NUL. */
void base64_encode(struct slice bytes, char *ret_text);

/* Decodes strictly: what an encoder would not have written (white space, padding that lacks or is
 * too much, bits behind the last byte, the URL alphabet) is refused, and so is what doesn't fit
 * into `room` bytes. Empty text is no bytes. On failure `ret_bytes` holds anything. */
bool base64_decode(struct slice text, size_t room, uint8_t *ret_bytes, size_t *ret_len);

#endif
