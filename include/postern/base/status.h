/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How operations end. Lower layers return a status and do not log; the gateway, a worker or main
 * logs once. What a client or operator sees of an exchange is not this but `enum outcome`
 * (policy/outcome.h).
 */
#ifndef POSTERN_BASE_STATUS_H
#define POSTERN_BASE_STATUS_H

#include <stddef.h>

#define NODISCARD __attribute__((warn_unused_result))

enum status {
    STATUS_OK = 0,
    STATUS_NO_MEMORY,   /* an allocation failed, or an arena's ceiling was reached */
    STATUS_FULL,        /* a named ceiling was reached (buffer, queue, table) */
    STATUS_INVALID,     /* the input is not what it has to be */
    STATUS_UNAVAILABLE, /* a peer can't be reached, or the link to it was lost */
    STATUS_TIMED_OUT,   /* a peer did not answer in time */
    STATUS_REFUSED,     /* a peer answered, and the answer was an error */
    STATUS_IO,          /* a system call failed; errno or the backend's own text says how */
    STATUS_CLOSING,     /* not taken: the callee is shutting down */
};

/* What a submit call says: READY = the answer is in the op now, no callback will come;
 * PENDING = exactly one callback will come, never from inside the submit call. */
enum op_status { OP_READY, OP_PENDING };

/* A short lower-case word for logs, static storage; never NULL. */
const char *status_text(enum status status);

/* The struct that embeds `member` at address `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
