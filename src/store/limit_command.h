/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shared rate's op as a Redis command, and the reply as its answer. One script on one key,
 * <prefix>:limit:{<id in hex>}, which holds the cell's arrival in microseconds of the server's
 * clock and ends when the cell is idle. Bytes in, bytes out: what is sent when, and who is told, is
 * limiter_redis.c's business.
 */
#ifndef POSTERN_STORE_LIMIT_COMMAND_H
#define POSTERN_STORE_LIMIT_COMMAND_H

#include "redis_setup.h"

#include <postern/store/limiter.h>

/* What commands are made with. */
struct limit_commands {
    struct slice prefix;        /* of every key; borrowed */
    struct redis_script script; /* its hash is told by the server */
};

/* Fills in the prefix and the script's source. */
void limit_commands_init(struct limit_commands *commands, struct slice prefix);

/* Most bytes that the command of `op` takes. */
size_t limit_command_max(const struct limit_commands *commands, const struct limit_op *op);

/* Writes the command at `at`, with the script's source if op->resent; returns where to go on. */
char *limit_command_put(const struct limit_commands *commands, char *at, const struct limit_op *op);

enum limit_taken {
    LIMIT_TAKEN,            /* the op's outputs are filled in */
    LIMIT_TAKEN_ERROR,      /* the server can't say: the local table has to */
    LIMIT_TAKEN_SEND_AGAIN, /* the server has lost the script: send it along (op->resent is set) */
    LIMIT_TAKEN_NONSENSE,   /* no reply to such a command: the connection is out of step */
};

/* Reads the reply to the command of `op`. */
enum limit_taken limit_command_take(struct limit_op *op, const struct redis_reply *reply);

#endif
