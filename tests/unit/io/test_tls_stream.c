/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a stream is the same with TLS: test_stream.c once more, both ends secure.
 */
#define PROBE_SECURE

#include "test_stream.c"
