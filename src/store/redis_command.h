/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of the dedup store as Redis commands, and the replies as answers. Bytes in, bytes out:
 * what is sent when, and who is told, is dedup_redis.c's business.
 */
#ifndef POSTERN_STORE_REDIS_COMMAND_H
#define POSTERN_STORE_REDIS_COMMAND_H

#include "redis_setup.h"

#include <postern/store/dedup.h>

enum redis_verb {
    VERB_CLAIM,
    VERB_CLAIM_AGAIN, /* a claim that found its own token: begins the lease again */
    VERB_RENEW,
    VERB_SETTLE,
    VERB_RELEASE,
    VERB_FORGET,
    VERB_PEEK,
    VERB_DOUBT, /* release of a claim in doubt; the op is the store's own */
    VERB_DEBT,  /* settle that is owed; the op is the store's own */
};

/* In dedup_op.verb, beside the verb. Resent: the script was sent once more, as EVAL. Waived:
 * somebody else has spoken for the key since, so the command is not to be repeated. */
#define VERB_RESENT 0x80u
#define VERB_WAIVED 0x40u

static inline enum redis_verb redis_verb_of(const struct dedup_op *op)
{
    return (enum redis_verb)(op->verb & ~(VERB_RESENT | VERB_WAIVED));
}

#define REDIS_SCRIPTS 3u /* renew, settle, release */

/* What commands are made with. */
struct redis_commands {
    struct slice prefix; /* of every key */
    struct redis_script scripts[REDIS_SCRIPTS];
};

/* Fills in the prefix (borrowed) and the scripts' sources; their hashes are told by the server. */
void redis_commands_init(struct redis_commands *commands, struct slice prefix);

/* Most bytes that the command of `op` takes. */
size_t redis_command_max(const struct redis_commands *commands, const struct dedup_op *op);

/* Writes the command of `op`, as op->verb says, at `at`; returns where to go on. A settle makes the
 * key done from op->since_ms until op->ends_at_ms. */
char *redis_command_put(const struct redis_commands *commands, char *at, const struct dedup_op *op);

enum redis_taken {
    TAKEN,            /* the op's answer is filled in */
    TAKEN_SEND_AGAIN, /* the op's command, with its changed verb, has to be sent */
    TAKEN_NONSENSE,   /* no reply to such a command: the connection is out of step */
};

/* What the scripts answer. */
#define SCRIPT_LOST 0   /* another's, nothing was changed */
#define SCRIPT_KEPT 1   /* was ours */
#define SCRIPT_LAPSED 2 /* was nobody's */

/* Reads the reply to the command of `op`: sets its verdict, hold and `first`, tells the note.
 * *ret_window_ms: of a duplicate, how long the key is done from its acceptance on; otherwise 0. */
enum redis_taken redis_command_take(struct dedup_op *op, const struct redis_reply *reply,
                                    uint64_t *ret_window_ms);

#endif
