/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the commands of the verbs: one SET for a claim, so that it is one round trip and atomic;
 * short scripts where the token has to be compared first. No allocation, no connection.
 */
#include "redis_command.h"

#include "redis_value.h"
#include "resp.h"

#include <assert.h>

/* A command without its key, script and note: its fixed words, a token, a done value and two
 * numbers. */
#define COMMAND_MAX 384u

/* Pending under the token ARGV[1] is "p:<token>", alone or up to the mark of a note; the settle
 * script knows its own earlier success by the first 35 bytes, "d:<event id>:". A renewal leaves the
 * note where it is, and a settle that brings none takes the claim's over. */
enum { SCRIPT_RENEW, SCRIPT_SETTLE, SCRIPT_RELEASE };

static const char renew_source[] = "local v=redis.call('GET',KEYS[1]) "
                                   "local t=string.sub(ARGV[1],1,34) "
                                   "if not v then "
                                   "redis.call('SET',KEYS[1],ARGV[1],'PX',ARGV[2]) return 2 end "
                                   "local h=string.sub(v,1,35) "
                                   "if h~=t and h~=t..';' then return 0 end "
                                   "redis.call('PEXPIRE',KEYS[1],ARGV[2]) "
                                   "return 1";
static const char settle_source[] =
    "local v=redis.call('GET',KEYS[1]) local t=ARGV[1] local d=ARGV[2] "
    "if v then "
    "local h=string.sub(v,1,35) "
    "if h~=t and h~=t..';' then return h==string.sub(d,1,35) and 1 or 0 end "
    "if not string.find(d,';',1,true) then d=d..string.sub(v,35) end "
    "end "
    "redis.call('SET',KEYS[1],d,'PX',ARGV[3]) "
    "return v and 1 or 2";
static const char release_source[] = "local v=redis.call('GET',KEYS[1]) local t=ARGV[1] "
                                     "if not v then return 2 end "
                                     "local h=string.sub(v,1,35) "
                                     "if h~=t and h~=t..';' then return 0 end "
                                     "redis.call('DEL',KEYS[1]) "
                                     "return 1";

void redis_commands_init(struct redis_commands *commands, struct slice prefix)
{
    *commands = (struct redis_commands){.prefix = prefix};
    commands->scripts[SCRIPT_RENEW].source = slice_str(renew_source);
    commands->scripts[SCRIPT_SETTLE].source = slice_str(settle_source);
    commands->scripts[SCRIPT_RELEASE].source = slice_str(release_source);
}

static char *put_key(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    struct slice prefix = commands->prefix;
    at = resp_head(at, '$', prefix.len + op->route.len + VALUE_KEY_EXTRA);
    at = redis_value_key(at, prefix, op->route, &op->key);
    return resp_raw(at, SLICE("\r\n"));
}

/* A value and its note as one bulk string. */
static char *put_value(char *at, struct slice value, struct slice note)
{
    if (note.len == 0)
        return resp_bulk(at, value);
    at = resp_head(at, '$', value.len + 1 + note.len);
    at = resp_raw(at, value);
    *at++ = VALUE_NOTE_MARK;
    at = resp_raw(at, note);
    return resp_raw(at, SLICE("\r\n"));
}

static char *put_pending(char *at, const struct dedup_op *op, struct slice note)
{
    char text[VALUE_PENDING_LEN];
    redis_value_pending(&op->token, text);
    return put_value(at, slice_of(text, sizeof text), note);
}

static char *put_claim(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    at = resp_raw(at, SLICE("*7\r\n$3\r\nSET\r\n"));
    at = put_key(commands, at, op);
    at = put_pending(at, op, op->note);
    at = resp_raw(at, SLICE("$2\r\nNX\r\n$3\r\nGET\r\n$2\r\nPX\r\n"));
    return resp_number(at, op->lease_ms);
}

static char *put_peek(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    at = resp_raw(at, SLICE("*2\r\n$3\r\nGET\r\n"));
    return put_key(commands, at, op);
}

static char *put_forget(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    at = resp_raw(at, SLICE("*2\r\n$3\r\nDEL\r\n"));
    return put_key(commands, at, op);
}

/* "EVALSHA <sha> 1 <key>", or EVAL and the source when it is sent again; the arguments follow. */
static char *put_script(const struct redis_commands *commands, char *at, const struct dedup_op *op,
                        const struct redis_script *script, unsigned arguments)
{
    at = resp_head(at, '*', 4 + arguments);
    if (op->verb & VERB_RESENT) {
        at = resp_raw(at, SLICE("$4\r\nEVAL\r\n"));
        at = resp_bulk(at, script->source);
    } else {
        at = resp_raw(at, SLICE("$7\r\nEVALSHA\r\n"));
        at = resp_bulk(at, slice_of(script->sha, sizeof script->sha));
    }
    at = resp_raw(at, SLICE("$1\r\n1\r\n"));
    return put_key(commands, at, op);
}

static char *put_renew(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    at = put_script(commands, at, op, &commands->scripts[SCRIPT_RENEW], 2);
    at = put_pending(at, op, op->note);
    return resp_number(at, op->lease_ms);
}

/* Redis refuses a time to live of nothing. */
static uint64_t window_left_ms(const struct dedup_op *op)
{
    return op->ends_at_ms > op->since_ms ? op->ends_at_ms - op->since_ms : 1;
}

/* The value tells the whole window, which counts from the acceptance; a debt is paid later, for
 * what is left. */
static char *put_settle(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    char done[VALUE_DONE_MAX];
    size_t len = redis_value_done(&op->done, op->window_ms, done);
    at = put_script(commands, at, op, &commands->scripts[SCRIPT_SETTLE], 3);
    at = put_pending(at, op, SLICE(""));
    at = put_value(at, slice_of(done, len), op->note);
    return resp_number(at, window_left_ms(op));
}

static char *put_release(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    at = put_script(commands, at, op, &commands->scripts[SCRIPT_RELEASE], 1);
    return put_pending(at, op, SLICE(""));
}

char *redis_command_put(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    switch (redis_verb_of(op)) {
    case VERB_CLAIM:
        return put_claim(commands, at, op);
    case VERB_CLAIM_AGAIN:
    case VERB_RENEW:
        return put_renew(commands, at, op);
    case VERB_SETTLE:
    case VERB_DEBT:
        return put_settle(commands, at, op);
    case VERB_FORGET:
        return put_forget(commands, at, op);
    case VERB_PEEK:
        return put_peek(commands, at, op);
    case VERB_RELEASE:
    case VERB_DOUBT:
        break;
    }
    return put_release(commands, at, op);
}

/* A release has a note only by accident: one of a claim's op that is used again. */
static bool sends_note(const struct dedup_op *op)
{
    enum redis_verb verb = redis_verb_of(op);
    return verb == VERB_CLAIM || verb == VERB_CLAIM_AGAIN || verb == VERB_RENEW ||
           verb == VERB_SETTLE || verb == VERB_DEBT;
}

size_t redis_command_max(const struct redis_commands *commands, const struct dedup_op *op)
{
    size_t size = COMMAND_MAX + commands->prefix.len + op->route.len;
    assert(op->note.len <= DEDUP_NOTE_MAX); /* a longer one could be written but never read back */
    if (sends_note(op))
        size += op->note.len;
    return op->verb & VERB_RESENT ? size + sizeof settle_source : size; /* the longest script */
}
