/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The script does what limit_cell_run does, with the server's clock as everybody's.
 */
#include "limit_command.h"

#include "limit_cell.h"
#include "resp.h"

#include <postern/base/uuid.h>

#include <assert.h>

#define ID_HEX (2 * LIMIT_ID_BYTES)
#define KEY_EXTRA (sizeof ":limit:{}" - 1 + ID_HEX)
#define COMMAND_MAX                                                                                \
    256u /* fixed words, hash and numbers, without the key's prefix and the source */

/* Arguments: interval, reach, and what is given back, 0 for a take. The answer is how far the
 * arrival lies ahead, as a negative number when refused (then it is never 0: something is in the
 * way). The key lives a millisecond longer than the cell is busy, since Redis counts its life in
 * whole ones. */
static const char script_source[] =
    "local t=redis.call('TIME') "
    "local now=t[1]*1000000+t[2] "
    "local interval=tonumber(ARGV[1]) "
    "local reach=tonumber(ARGV[2]) "
    "local back=tonumber(ARGV[3]) "
    "local was=tonumber(redis.call('GET',KEYS[1]) or '') or 0 "
    "local lead=math.max(0,math.min(was-now,reach)) "
    "local allowed=true "
    "if back>0 then lead=math.max(0,lead-back) "
    "elseif lead+interval<=reach then lead=lead+interval "
    "else allowed=false end "
    "if lead==0 then redis.call('DEL',KEYS[1]) "
    "elseif now+lead~=was then "
    "redis.call('SET',KEYS[1],string.format('%.0f',now+lead),'PX',math.ceil(lead/1000)+1) end "
    "return allowed and lead or -lead";

void limit_commands_init(struct limit_commands *commands, struct slice prefix)
{
    *commands = (struct limit_commands){.prefix = prefix};
    commands->script.source = slice_str(script_source);
}

size_t limit_command_max(const struct limit_commands *commands, const struct limit_op *op)
{
    size_t script = op->resent ? sizeof script_source : REDIS_SHA_LEN;
    return COMMAND_MAX + commands->prefix.len + KEY_EXTRA + script;
}

static char *put_key(const struct limit_commands *commands, char *at, const struct limit_op *op)
{
    at = resp_head(at, '$', commands->prefix.len + KEY_EXTRA);
    at = resp_raw(at, commands->prefix);
    at = resp_raw(at, SLICE(":limit:{"));
    hex_format(slice_of(op->id, sizeof op->id), at);
    at += ID_HEX;
    return resp_raw(at, SLICE("}\r\n"));
}

char *limit_command_put(const struct limit_commands *commands, char *at, const struct limit_op *op)
{
    const struct redis_script *script = &commands->script;
    assert(op->verb == LIMIT_TAKE || op->back_us > 0);
    at = resp_raw(at, SLICE("*7\r\n"));
    at = resp_bulk(at, op->resent ? SLICE("EVAL") : SLICE("EVALSHA"));
    at = resp_bulk(at, op->resent ? script->source : slice_of(script->sha, sizeof script->sha));
    at = resp_number(at, 1);
    at = put_key(commands, at, op);
    at = resp_number(at, op->opts.interval_us);
    at = resp_number(at, limit_reach_us(&op->opts));
    return resp_number(at, op->verb == LIMIT_TAKE ? 0 : op->back_us);
}

enum limit_taken limit_command_take(struct limit_op *op, const struct redis_reply *reply)
{
    bool lost_script = reply->type == REDIS_ERROR && slice_starts(reply->text, SLICE("NOSCRIPT"));
    if (lost_script && !op->resent) {
        op->resent = true;
        return LIMIT_TAKEN_SEND_AGAIN;
    }
    if (reply->type == REDIS_ERROR)
        return LIMIT_TAKEN_ERROR;
    if (reply->type != REDIS_INTEGER || reply->integer == INT64_MIN)
        return LIMIT_TAKEN_NONSENSE;
    bool allowed = reply->integer >= 0;
    op->local = false;
    limit_tell(op, allowed, (uint64_t)(allowed ? reply->integer : -reply->integer));
    return LIMIT_TAKEN;
}
