/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern show`: all that is known of one event, or its body.
 */
#include "print.h"
#include "remote.h"

#define ARENA_BYTES (64u << 20)

enum { OPTION_ID, OPTION_BODY, OPTION_JSON, OPTION_REMOTE };
#define OPTION_COUNT (OPTION_REMOTE + REMOTE_OPTION_COUNT)

static const char *const MEMBERS[] = {
    "id",
    "route",
    "mode",
    "state",
    "outcome",
    "method",
    "target",
    "content_type",
    "client",
    "key",
    "body_bytes",
    "response_status",
    "duration_ms",
    "attempts",
    "last_error",
    "error_category",
    "duplicates",
    "replay_of",
    "received_at",
    "window_ends_at",
    "next_attempt_at",
    "lease_until",
    "last_duplicate_at",
    "last_replayed_at",
    "headers", /* these two are lists */
    "deliveries",
};
#define MEMBER_COUNT (sizeof(MEMBERS) / sizeof(MEMBERS[0]))
#define TEXT_COUNT (MEMBER_COUNT - 2)

static bool print_headers(FILE *out, struct slice headers, struct arena *arena)
{
    static const char *const paths[] = {"name", "value"};
    struct slice header, texts[2];
    while (next_element(&headers, &header)) {
        if (!read_members(header, paths, 2, arena, texts))
            return false;
        (void)fprintf(out, "header             ");
        print_plain(out, texts[0]);
        (void)fprintf(out, ": ");
        print_plain(out, texts[1]);
        (void)fputc('\n', out);
    }
    return true;
}

static bool print_deliveries(FILE *out, struct slice deliveries, struct arena *arena)
{
    static const char *const paths[] = {"attempt",     "at",    "response_status",
                                        "duration_ms", "error", "response"};
    struct slice delivery, texts[6];
    while (next_element(&deliveries, &delivery)) {
        if (!read_members(delivery, paths, 6, arena, texts))
            return false;
        (void)fprintf(out, "attempt            %.*s at %.*s, %.*s ms, status %.*s",
                      (int)texts[0].len, texts[0].data, (int)texts[1].len, texts[1].data,
                      (int)texts[3].len, texts[3].data, texts[2].len ? (int)texts[2].len : 4,
                      texts[2].len ? texts[2].data : "none");
        for (size_t i = 4; i < 6; i++) {
            (void)fputs(texts[i].len > 0 ? (i == 4 ? ", " : ": ") : "", out);
            print_plain(out, texts[i]);
        }
        (void)fputc('\n', out);
    }
    return true;
}

static bool print_event(FILE *out, struct slice event, struct arena *arena)
{
    struct slice texts[MEMBER_COUNT];
    if (!read_members(event, MEMBERS, MEMBER_COUNT, arena, texts))
        return false;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (texts[i].len == 0)
            continue;
        print_column(out, slice_str(MEMBERS[i]), 17);
        print_plain(out, texts[i]);
        (void)fputc('\n', out);
    }
    return print_headers(out, texts[TEXT_COUNT], arena) &&
           print_deliveries(out, texts[TEXT_COUNT + 1], arena);
}

/* For people; programs get the answer as it is. */
static int print_answer(const struct cli_host *host, struct slice answer)
{
    struct arena arena;
    arena_init(&arena, 16384, ARENA_BYTES);
    bool is_fine = print_event(host->out, answer, &arena);
    arena_done(&arena);
    if (!is_fine)
        (void)fprintf(host->err, "postern show: the answer can't be read\n");
    return is_fine ? CLI_OK : CLI_FAILED;
}

static int print_raw(const struct cli_host *host, struct slice bytes)
{
    if (fwrite(bytes.data, 1, bytes.len, host->out) == bytes.len && fflush(host->out) == 0)
        return CLI_OK;
    (void)fprintf(host->err, "postern show: standard output takes no more\n");
    return CLI_FAILED;
}

static int show(const struct remote *remote, const char *id, bool body, bool as_json)
{
    struct remote_answer answer;
    struct buf target;
    buf_init(&answer.body, REMOTE_ANSWER_BYTES);
    buf_init(&target, REMOTE_TARGET_BYTES);
    remote_add_path(&target, "events");
    remote_add_path(&target, id);
    if (body)
        remote_add_path(&target, "body");
    int status = remote_call(remote, "GET", &target, &answer);
    if (status == CLI_OK)
        status = body || as_json ? print_raw(remote->host, buf_slice(&answer.body))
                                 : print_answer(remote->host, buf_slice(&answer.body));
    buf_done(&target);
    buf_done(&answer.body);
    return status;
}

int command_show(const struct command *command, const struct cli_host *host, int argc, char **argv)
{
    const char *id = NULL;
    struct remote_opts opts = {.config = NULL};
    struct option options[OPTION_COUNT] = {
        {NULL, 0, "ID", "the event's id", true, &id, 1, 0, true},
        {.name = "body", .help = "print its body, byte for byte, and nothing else", .max = 1},
        {.name = "json", .help = "print JSON", .max = 1},
        REMOTE_OPTIONS(&opts),
    };
    struct remote remote;
    int status;
    if (!options_read(command, host, argc, argv, options, OPTION_COUNT, &status))
        return status;
    bool body = options[OPTION_BODY].count > 0, as_json = options[OPTION_JSON].count > 0;
    if (body && as_json) {
        (void)fprintf(host->err, "postern show: --body is no JSON: give one of them\n");
        return CLI_USAGE;
    }
    status = remote_init(&remote, command, host, &opts);
    if (status == CLI_OK)
        status = show(&remote, id, body, as_json);
    remote_done(&remote);
    return status;
}
