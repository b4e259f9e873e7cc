/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern events`: a list, as a table for people or as lines of JSON for programs.
 */
#include "print.h"
#include "remote.h"

#define ARENA_BYTES (4u << 20) /* for one event's members */

/* The first are parameters of the API by the same names. */
enum {
    OPTION_ROUTE,
    OPTION_STATE,
    OPTION_FROM,
    OPTION_UNTIL,
    OPTION_KEY,
    OPTION_LIMIT,
    OPTION_BEFORE,
    PARAMETERS,
    OPTION_JSON = PARAMETERS,
    OPTION_REMOTE,
    OPTION_COUNT = OPTION_REMOTE + REMOTE_OPTION_COUNT
};

/* ---- the table ---- */

struct column {
    const char *title, *path;
    size_t width;
};

static const struct column COLUMNS[] = {
    {"ID", "id", 36},           {"RECEIVED", "received_at", 24}, {"ROUTE", "route", 16},
    {"STATE", "state", 9},      {"ATTEMPTS", "attempts", 8},     {"STATUS", "response_status", 6},
    {"ERROR", "last_error", 0},
};
#define COLUMN_COUNT (sizeof(COLUMNS) / sizeof(COLUMNS[0]))

static void print_titles(FILE *out)
{
    for (size_t i = 0; i + 1 < COLUMN_COUNT; i++)
        print_column(out, slice_str(COLUMNS[i].title), COLUMNS[i].width);
    (void)fprintf(out, "%s\n", COLUMNS[COLUMN_COUNT - 1].title);
}

static bool print_row(FILE *out, struct slice event, struct arena *arena)
{
    const char *paths[COLUMN_COUNT];
    struct slice texts[COLUMN_COUNT];
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        paths[i] = COLUMNS[i].path;
    if (!read_members(event, paths, COLUMN_COUNT, arena, texts))
        return false;
    for (size_t i = 0; i + 1 < COLUMN_COUNT; i++)
        print_column(out, texts[i], COLUMNS[i].width);
    print_plain(out, texts[COLUMN_COUNT - 1]);
    (void)fputc('\n', out);
    return true;
}

/* ---- the list ---- */

static bool print_events(const struct cli_host *host, struct slice events, bool as_json,
                         struct arena *arena)
{
    struct slice event;
    bool is_fine = true;
    if (!as_json)
        print_titles(host->out);
    while (is_fine && next_element(&events, &event)) {
        arena_reset(arena);
        if (as_json)
            (void)fprintf(host->out, "%.*s\n", (int)event.len, event.data);
        else
            is_fine = print_row(host->out, event, arena);
    }
    return is_fine;
}

static int print_answer(const struct cli_host *host, struct slice answer, bool as_json)
{
    static const char *const paths[] = {"events", "next"};
    struct slice members[2];
    struct arena arena;
    char next[64] = "";
    arena_init(&arena, 16384, ARENA_BYTES);
    bool is_fine = read_members(answer, paths, 2, &arena, members);
    if (is_fine) {
        (void)snprintf(next, sizeof next, "%.*s", (int)members[1].len, members[1].data);
        is_fine = print_events(host, members[0], as_json, &arena);
    }
    arena_done(&arena);
    if (!is_fine)
        (void)fprintf(host->err, "postern events: the answer can't be read\n");
    else if (*next)
        (void)fprintf(host->err, "there are more: --before %s\n", next);
    return is_fine ? CLI_OK : CLI_FAILED;
}

static int list(const struct remote *remote, const struct buf *target, bool as_json)
{
    struct remote_answer answer;
    buf_init(&answer.body, REMOTE_ANSWER_BYTES);
    int status = remote_call(remote, "GET", target, &answer);
    if (status == CLI_OK)
        status = print_answer(remote->host, buf_slice(&answer.body), as_json);
    buf_done(&answer.body);
    return status;
}

int command_events(const struct command *command, const struct cli_host *host, int argc,
                   char **argv)
{
    const char *texts[PARAMETERS] = {NULL};
    struct remote_opts opts = {.config = NULL};
    struct option options[OPTION_COUNT] = {
        {"route", 'r', "NAME", "events of this route", false, &texts[OPTION_ROUTE], 1, 0, false},
        {"state", 's', "STATE", "queued, delivered, dead, parked or cancelled", false,
         &texts[OPTION_STATE], 1, 0, false},
        {"from", 0, "TIME", "received at this time or later", false, &texts[OPTION_FROM], 1, 0,
         false},
        {"until", 0, "TIME", "received before this time", false, &texts[OPTION_UNTIL], 1, 0, false},
        {"key", 0, "HEX", "with this key, as `postern key` shows it", false, &texts[OPTION_KEY], 1,
         0, false},
        {"limit", 'n', "N", "at most so many (100, up to 1000)", false, &texts[OPTION_LIMIT], 1, 0,
         false},
        {"before", 0, "ID", "only events older than this one", false, &texts[OPTION_BEFORE], 1, 0,
         false},
        {.name = "json", .help = "print lines of JSON", .max = 1},
        REMOTE_OPTIONS(&opts),
    };
    struct remote remote;
    struct buf target;
    int status;
    if (!options_read(command, host, argc, argv, options, OPTION_COUNT, &status))
        return status;
    buf_init(&target, REMOTE_TARGET_BYTES);
    remote_add_path(&target, "events");
    for (size_t i = 0; i < PARAMETERS; i++)
        if (options[i].count > 0)
            remote_add_parameter(&target, options[i].name, texts[i]);
    status = remote_init(&remote, command, host, &opts);
    if (status == CLI_OK)
        status = list(&remote, &target, options[OPTION_JSON].count > 0);
    remote_done(&remote);
    buf_done(&target);
    return status;
}
