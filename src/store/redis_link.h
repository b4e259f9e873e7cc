/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pipelined connection to Redis: connects, sets up, hands replies over in the order of the
 * commands, connects again for ever. It knows no verbs and keeps no list of what waits: the owner
 * (dedup_redis.c) does, and answers for it when the link goes down.
 */
#ifndef POSTERN_STORE_REDIS_LINK_H
#define POSTERN_STORE_REDIS_LINK_H

#include "backoff.h"
#include "redis_setup.h"

#include <postern/base/buf.h>
#include <postern/io/loop.h>
#include <postern/io/resolve.h>
#include <postern/io/stream.h>

/* Commands written but not yet with the kernel; far above pending_max commands of usual size. */
#define REDIS_OUT_CEILING (16u << 20)
#define REDIS_OUT_KEEP (256u << 10) /* memory kept over turns */
/* Text of one reply that needs no memory of its own: INFO's sections take 1 to 2 KiB, most notes
 * less. */
#define REDIS_TEXT_MAX 8192u
/* A reply that isn't complete after so many bytes ends the connection: the longest note, its
 * value's head, and what was read beyond. */
#define REDIS_REPLY_MAX (DEDUP_NOTE_MAX + (128u << 10))
/* A link whose oldest command waits that many time-outs is given up, as backends.h promises. */
#define REDIS_STALL_TIMEOUTS 4u
/* A link that held that long begins anew with the shortest wait. */
#define REDIS_STEADY_MS 5000u

enum redis_link_state {
    LINK_WAITING,   /* for the next attempt; no stream */
    LINK_RESOLVING, /* no stream */
    LINK_CONNECTING,
    LINK_SETTING_UP,
    LINK_UP,
    LINK_CLOSING, /* stream_close was called */
};

struct redis_link;

/* All from the loop, never from inside a redis_link_* call but redis_link_drop (which says so). */
struct redis_link_handlers {
    /* Commands may be written from now on, from inside this call too. */
    void (*up)(struct redis_link *link, enum redis_finding finding, struct slice detail);
    /* The oldest command that is not answered yet was answered. `reply` is borrowed. */
    void (*replied)(struct redis_link *link, const struct redis_reply *reply);
    /* An attempt failed, or the link was lost: commands not answered so far never will be. */
    void (*down)(struct redis_link *link, enum redis_finding finding, struct slice reason);
    /* After redis_link_close: the memory is the owner's again. */
    void (*closed)(struct redis_link *link);
};

struct redis_link {
    const struct redis_link_handlers *on;
    struct loop *loop;
    const struct redis_opts *opts;
    struct redis_script *scripts;
    size_t script_count;
    enum redis_link_state state;
    bool closing;
    struct resolver resolver;
    struct stream stream;
    struct buf out; /* written in this turn, leaves with `flush` */
    struct loop_hook flush;
    struct deadline deadline; /* of the attempt, or until the next one */
    struct backoff backoff;
    struct redis_setup setup;
    void *reader; /* hiredis' redisReader, of the current stream */
    struct redis_reply reply;
    char text[REDIS_TEXT_MAX]; /* of `reply` */
    struct buf long_text;      /* of one that is longer */
    uint64_t up_since_ms;      /* monotonic */
    uint64_t ups;              /* how often it came up */
    /* The last connection that was up, to end it by force on the server (redis_link.c). */
    char fenced_run_id[REDIS_RUN_ID_LEN];
    int64_t fenced_client_id;
    bool fence_unanswered;
};

/* Begins: the first attempt is made on the next turn of the loop. Everything is borrowed until
 * `closed`. STATUS_INVALID: the host is too long; the link needs no close then. */
NODISCARD enum status redis_link_open(struct redis_link *link, struct loop *loop,
                                      const struct redis_opts *opts, struct redis_script *scripts,
                                      size_t script_count, const struct redis_link_handlers *on);

/* True while commands can be written. */
static inline bool redis_link_is_up(const struct redis_link *link)
{
    return link->state == LINK_UP;
}

/* Room for one command of at most `size` bytes, or NULL when the link is not up or too much is
 * waiting to be sent. */
char *redis_link_reserve(struct redis_link *link, size_t size);

/* The command was written into the room of the last redis_link_reserve. It leaves, with all others
 * of this turn, before the loop sleeps. */
void redis_link_commit(struct redis_link *link, size_t size);

/* Gives the connection up (a stalled server, a reply that makes no sense) and connects again later;
 * calls `down` from inside. Not to be called from `down`. */
void redis_link_drop(struct redis_link *link, enum redis_finding finding, struct slice reason);

/* Closes without calling `down`; `closed` comes from the loop. */
void redis_link_close(struct redis_link *link);

#endif
