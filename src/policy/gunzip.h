/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gzip body (RFC 1952) unpacked, for the keys that are made of what a body says. Strict: one
 * member, whole, its checksum right, nothing behind it; what programs may read differently has no
 * meaning here.
 */
#ifndef POSTERN_POLICY_GUNZIP_H
#define POSTERN_POLICY_GUNZIP_H

#include <postern/base/buf.h>

/* Appends what `packed` unpacks to, in steps, so that memory follows what is really there and ends
 * at the ceiling of `buf`. STATUS_INVALID: not such a body; STATUS_FULL: larger than the ceiling;
 * STATUS_NO_MEMORY. The content of `buf` is only meant for STATUS_OK. */
NODISCARD enum status gunzip(struct slice packed, struct buf *buf);

#endif
