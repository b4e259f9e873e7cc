/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set-up of a Redis connection as a table of steps: what is asked, and what the answer must be.
 * Pure functions over bytes.
 */
#include "redis_setup.h"

#include "resp.h"

#include <stdio.h>

#define VERSION_MAJOR_MIN 7u /* SET with NX and GET together */

static const char unexpected[] = "unexpected answer to ";

struct step {
    bool (*wanted)(const struct redis_setup *setup); /* NULL: always */
    enum status (*ask)(const struct redis_setup *setup, struct buf *out);
    bool (*take)(struct redis_setup *setup, const struct redis_reply *reply); /* false: failed */
    bool takes_errors; /* an error answer is given to `take` as well */
};

/* Appends one command. */
static enum status append_command(struct buf *out, size_t count, const struct slice *parts)
{
    size_t size = RESP_HEAD_MAX;
    for (size_t i = 0; i < count; i++)
        size += resp_bulk_max(parts[i].len);
    char *start = buf_reserve(out, size);
    if (!start)
        return STATUS_NO_MEMORY;
    char *at = resp_head(start, '*', count);
    for (size_t i = 0; i < count; i++)
        at = resp_bulk(at, parts[i]);
    buf_commit(out, (size_t)(at - start));
    return STATUS_OK;
}

static void set_detail(struct redis_setup *setup, const char *what, struct slice text)
{
    snprintf(setup->detail, sizeof setup->detail, "%s%.*s", what, (int)text.len,
             text.len > 0 ? text.data : "");
}

static bool is_refusal(struct slice error)
{
    return slice_starts(error, SLICE("NOAUTH")) || slice_starts(error, SLICE("WRONGPASS")) ||
           slice_starts(error, SLICE("NOPERM"));
}

/* Whatever was found before, this is why the link stays down. */
static bool fail(struct redis_setup *setup, const char *what, struct slice text)
{
    setup->finding = is_refusal(text) ? REDIS_FINDING_AUTH : REDIS_FINDING_NONE;
    set_detail(setup, what, text);
    return false;
}

/* The value of "<name>:<value>\r\n" in an INFO answer; empty when it isn't there. */
static struct slice info_field(struct slice info, struct slice name)
{
    while (info.len > 0) {
        const char *end = memchr(info.data, '\n', info.len);
        size_t len = end ? (size_t)(end - info.data) : info.len;
        struct slice line = slice_of(info.data, len);
        if (slice_starts(line, name) && line.len > name.len && line.data[name.len] == ':') {
            line = slice_skip(line, name.len + 1);
            if (line.len > 0 && line.data[line.len - 1] == '\r')
                line.len--;
            return line;
        }
        info = slice_skip(info, len + 1);
    }
    return SLICE("");
}

static bool wants_auth(const struct redis_setup *setup)
{
    return setup->opts->password.len > 0;
}

static enum status ask_auth(const struct redis_setup *setup, struct buf *out)
{
    const struct redis_opts *opts = setup->opts;
    if (opts->username.len > 0)
        return append_command(out, 3,
                              (struct slice[]){SLICE("AUTH"), opts->username, opts->password});
    return append_command(out, 2, (struct slice[]){SLICE("AUTH"), opts->password});
}

static bool take_select(struct redis_setup *setup, const struct redis_reply *reply)
{
    return reply->type == REDIS_STATUS || fail(setup, unexpected, SLICE("SELECT"));
}

/* Only the first word of a refusal is passed on: some servers repeat arguments in the text. */
static bool take_auth(struct redis_setup *setup, const struct redis_reply *reply)
{
    const char *space = reply->text.len ? memchr(reply->text.data, ' ', reply->text.len) : NULL;
    size_t len = space ? (size_t)(space - reply->text.data) : 0;
    if (reply->type == REDIS_STATUS)
        return true;
    setup->finding = REDIS_FINDING_AUTH;
    set_detail(setup, "AUTH refused: ", slice_of(reply->text.data, len));
    return false;
}

static bool wants_select(const struct redis_setup *setup)
{
    return setup->opts->database > 0;
}

static enum status ask_select(const struct redis_setup *setup, struct buf *out)
{
    char digits[RESP_NUMBER_MAX];
    size_t len = (size_t)(resp_digits(digits, setup->opts->database) - digits);
    return append_command(out, 2, (struct slice[]){SLICE("SELECT"), slice_of(digits, len)});
}

static enum status ask_server(const struct redis_setup *setup, struct buf *out)
{
    (void)setup;
    return append_command(out, 2, (struct slice[]){SLICE("INFO"), SLICE("server")});
}

static bool version_is_enough(struct slice version)
{
    unsigned major = 0;
    for (size_t i = 0; i < version.len && i < 4; i++) {
        if (version.data[i] < '0' || version.data[i] > '9')
            break;
        major = major * 10 + (unsigned)(version.data[i] - '0');
    }
    return major >= VERSION_MAJOR_MIN;
}

/* Valkey, which began at 7.2, says redis_version:7.2.4 for compatibility; should it stop, its own
 * field counts. */
static bool take_server(struct redis_setup *setup, const struct redis_reply *reply)
{
    struct slice version = info_field(reply->text, SLICE("redis_version"));
    struct slice valkey = info_field(reply->text, SLICE("valkey_version"));
    struct slice run_id = info_field(reply->text, SLICE("run_id"));
    if (reply->type != REDIS_STRING)
        return fail(setup, unexpected, SLICE("INFO server"));
    if (run_id.len == sizeof setup->run_id)
        memcpy(setup->run_id, run_id.data, run_id.len);
    if (version_is_enough(version) || version_is_enough(valkey))
        return true;
    setup->finding = REDIS_FINDING_TOO_OLD;
    set_detail(setup, "redis_version ", version.len > 0 ? version : SLICE("not told"));
    return false;
}

static enum status ask_memory(const struct redis_setup *setup, struct buf *out)
{
    (void)setup;
    return append_command(out, 2, (struct slice[]){SLICE("INFO"), SLICE("memory")});
}

/* Every policy but noeviction may drop live keys, the volatile ones too: all our keys have a TTL. A
 * server that does not tell its policy gets the benefit of the doubt. */
static bool take_memory(struct redis_setup *setup, const struct redis_reply *reply)
{
    struct slice policy = info_field(reply->text, SLICE("maxmemory_policy"));
    if (reply->type != REDIS_STRING)
        return fail(setup, unexpected, SLICE("INFO memory"));
    if (policy.len == 0 || slice_eq(policy, SLICE("noeviction")))
        return true;
    setup->finding = REDIS_FINDING_EVICTING;
    set_detail(setup, "maxmemory-policy ", policy);
    return !setup->opts->strict;
}

static enum status ask_client_id(const struct redis_setup *setup, struct buf *out)
{
    (void)setup;
    return append_command(out, 2, (struct slice[]){SLICE("CLIENT"), SLICE("ID")});
}

/* An ACL may forbid it; then an earlier connection is not ended by force (redis_link.c). */
static bool take_client_id(struct redis_setup *setup, const struct redis_reply *reply)
{
    setup->client_id = reply->type == REDIS_INTEGER ? reply->integer : 0;
    return true;
}

static const struct step fixed_steps[] = {
    {.wanted = wants_auth, .ask = ask_auth, .take = take_auth, .takes_errors = true},
    {.wanted = wants_select, .ask = ask_select, .take = take_select},
    {.ask = ask_server, .take = take_server},
    {.ask = ask_memory, .take = take_memory},
    {.ask = ask_client_id, .take = take_client_id, .takes_errors = true},
};
#define FIXED_STEPS (sizeof fixed_steps / sizeof *fixed_steps)

static bool take_sha(struct redis_setup *setup, struct redis_script *script,
                     const struct redis_reply *reply)
{
    if (reply->type != REDIS_STRING || reply->text.len != sizeof script->sha)
        return fail(setup, unexpected, SLICE("SCRIPT LOAD"));
    memcpy(script->sha, reply->text.data, sizeof script->sha);
    return true;
}

static bool step_is_wanted(const struct redis_setup *setup, size_t step)
{
    return step >= FIXED_STEPS || !fixed_steps[step].wanted || fixed_steps[step].wanted(setup);
}

static void skip_unwanted(struct redis_setup *setup)
{
    while (!step_is_wanted(setup, setup->step))
        setup->step++;
}

enum status redis_setup_begin(struct redis_setup *setup, const struct redis_opts *opts,
                              struct redis_script *scripts, size_t script_count, struct buf *out)
{
    enum status status = STATUS_OK;
    *setup = (struct redis_setup){.opts = opts, .scripts = scripts, .script_count = script_count};
    for (size_t i = 0; i < FIXED_STEPS && status == STATUS_OK; i++)
        if (step_is_wanted(setup, i))
            status = fixed_steps[i].ask(setup, out);
    for (size_t i = 0; i < script_count && status == STATUS_OK; i++)
        status = append_command(
            out, 3, (struct slice[]){SLICE("SCRIPT"), SLICE("LOAD"), scripts[i].source});
    skip_unwanted(setup);
    return status;
}

static bool take_step(struct redis_setup *setup, const struct redis_reply *reply)
{
    const struct step *fixed = setup->step < FIXED_STEPS ? &fixed_steps[setup->step] : NULL;
    if (reply->type == REDIS_ERROR && !(fixed && fixed->takes_errors))
        return fail(setup, "", reply->text);
    if (fixed)
        return fixed->take(setup, reply);
    return take_sha(setup, &setup->scripts[setup->step - FIXED_STEPS], reply);
}

enum setup_progress redis_setup_take(struct redis_setup *setup, const struct redis_reply *reply)
{
    if (!take_step(setup, reply))
        return SETUP_FAILED;
    setup->step++;
    skip_unwanted(setup);
    return setup->step == FIXED_STEPS + setup->script_count ? SETUP_READY : SETUP_MORE;
}
