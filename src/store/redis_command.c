/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the commands of the verbs: one SET for a claim, so that it is one round trip and atomic;
 * short scripts where the token has to be compared first. No allocation, no connection.
 */
#include "redis_command.h"

#include "redis_value.h"
#include "resp.h"

/* A command without its key and script: its fixed words, a token, a done value and two numbers. */
#define COMMAND_MAX 384u

/* All compare the whole value "p:<token>"; the settle script knows its own earlier success by the
 * first 35 bytes, "d:<event id>:". */
enum { SCRIPT_RENEW, SCRIPT_SETTLE, SCRIPT_RELEASE };

static const char renew_source[] = "local v=redis.call('GET',KEYS[1]) "
                                   "if v and v~=ARGV[1] then return 0 end "
                                   "redis.call('SET',KEYS[1],ARGV[1],'PX',ARGV[2]) "
                                   "return v and 1 or 2";
static const char settle_source[] =
    "local v=redis.call('GET',KEYS[1]) "
    "if v and v~=ARGV[1] then "
    "return string.sub(v,1,35)==string.sub(ARGV[2],1,35) and 1 or 0 end "
    "redis.call('SET',KEYS[1],ARGV[2],'PX',ARGV[3]) "
    "return v and 1 or 2";
static const char release_source[] = "local v=redis.call('GET',KEYS[1]) "
                                     "if not v then return 2 end "
                                     "if v~=ARGV[1] then return 0 end "
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

static char *put_token(char *at, const struct dedup_op *op)
{
    char text[VALUE_PENDING_LEN];
    redis_value_pending(&op->token, text);
    return resp_bulk(at, slice_of(text, sizeof text));
}

static char *put_claim(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    at = resp_raw(at, SLICE("*7\r\n$3\r\nSET\r\n"));
    at = put_key(commands, at, op);
    at = put_token(at, op);
    at = resp_raw(at, SLICE("$2\r\nNX\r\n$3\r\nGET\r\n$2\r\nPX\r\n"));
    return resp_number(at, op->lease_ms);
}

static char *put_forget(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    at = resp_raw(at, SLICE("*2\r\n$3\r\nDEL\r\n"));
    return put_key(commands, at, op);
}

/* "EVALSHA <sha> 1 <key> <token>", or EVAL and the source when it is sent again. */
static char *put_script(const struct redis_commands *commands, char *at, const struct dedup_op *op,
                        const struct redis_script *script, unsigned extra_arguments)
{
    at = resp_head(at, '*', 5 + extra_arguments);
    if (op->verb & VERB_RESENT) {
        at = resp_raw(at, SLICE("$4\r\nEVAL\r\n"));
        at = resp_bulk(at, script->source);
    } else {
        at = resp_raw(at, SLICE("$7\r\nEVALSHA\r\n"));
        at = resp_bulk(at, slice_of(script->sha, sizeof script->sha));
    }
    at = resp_raw(at, SLICE("$1\r\n1\r\n"));
    at = put_key(commands, at, op);
    return put_token(at, op);
}

static char *put_renew(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    at = put_script(commands, at, op, &commands->scripts[SCRIPT_RENEW], 1);
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
    at = put_script(commands, at, op, &commands->scripts[SCRIPT_SETTLE], 2);
    at = resp_bulk(at, slice_of(done, len));
    return resp_number(at, window_left_ms(op));
}

static char *put_release(const struct redis_commands *commands, char *at, const struct dedup_op *op)
{
    return put_script(commands, at, op, &commands->scripts[SCRIPT_RELEASE], 0);
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
    case VERB_RELEASE:
    case VERB_DOUBT:
        break;
    }
    return put_release(commands, at, op);
}

size_t redis_command_max(const struct redis_commands *commands, const struct dedup_op *op)
{
    size_t size = COMMAND_MAX + commands->prefix.len + op->route.len;
    return op->verb & VERB_RESENT ? size + sizeof settle_source : size; /* the longest script */
}
