/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern replay` and `postern cancel`: of one event, or of those a filter finds.
 */
#include "print.h"
#include "remote.h"

#include <postern/base/clock.h>
#include <postern/base/uuid.h>

/* Those behind OPTION_REMOTE's are replay's alone. */
enum {
    OPTION_ROUTE,
    OPTION_STATE,
    OPTION_FROM,
    OPTION_UNTIL,
    OPTION_KEY,
    FILTERS,
    OPTION_LIMIT = FILTERS,
    OPTION_ID,
    OPTION_DRY_RUN,
    OPTION_REMOTE,
    CANCEL_OPTIONS = OPTION_REMOTE + REMOTE_OPTION_COUNT,
    OPTION_RATE = CANCEL_OPTIONS,
    OPTION_REQUEST,
    OPTION_AS_NEW,
    REPLAY_OPTIONS
};

/* Parameters of the API by the same names. */
static const size_t PARAMETERS[] = {OPTION_ROUTE, OPTION_STATE, OPTION_FROM, OPTION_UNTIL,
                                    OPTION_KEY,   OPTION_LIMIT, OPTION_RATE, OPTION_REQUEST};

/* What the options said. */
struct wish {
    const char *verb;                  /* as in the API's path */
    const char *texts[REPLAY_OPTIONS]; /* of the parameters */
    const char *id;
    bool as_new, dry_run;
    char request[UUID_TEXT_LEN + 1]; /* made here when none was given */
};

/* ---- the request ---- */

/* A name for the request, so that it can be sent again without making copies twice. */
static void name_request(struct wish *wish)
{
    struct uuid_source source;
    struct clock clock;
    if (!wish->as_new || wish->dry_run || wish->texts[OPTION_REQUEST])
        return;
    uuid_source_init(&source);
    clock_refresh(&clock);
    struct uuid id = uuid_v7(&source, clock.wall_ms);
    uuid_format(&id, wish->request);
    wish->texts[OPTION_REQUEST] = wish->request;
}

static void make_target(const struct wish *wish, const struct option *options, struct buf *target)
{
    if (wish->id) {
        remote_add_path(target, "events");
        remote_add_path(target, wish->id);
    }
    remote_add_path(target, wish->verb);
    for (size_t i = 0; i < sizeof PARAMETERS / sizeof PARAMETERS[0]; i++)
        if (wish->texts[PARAMETERS[i]])
            remote_add_parameter(target, options[PARAMETERS[i]].name, wish->texts[PARAMETERS[i]]);
    if (wish->as_new)
        remote_add_parameter(target, "as", "new");
    if (wish->dry_run)
        remote_add_parameter(target, "dry_run", "true");
}

/* ---- the answer ---- */

static int print_answer(const struct cli_host *host, const struct wish *wish, struct slice answer)
{
    static const char *const paths[] = {"changed", "limit_reached", "new_event_id"};
    struct slice texts[3];
    struct arena arena;
    arena_init(&arena, 1024, 65536);
    bool is_fine = read_members(answer, paths, 3, &arena, texts);
    if (!is_fine) {
        (void)fprintf(host->err, "postern %s: the answer can't be read\n", wish->verb);
    } else {
        bool is_one = slice_eq(texts[0], SLICE("1"));
        (void)fprintf(host->out, "%.*s event%s %s%s\n", (int)texts[0].len, texts[0].data,
                      is_one ? "" : "s", wish->dry_run ? "would be " : "",
                      strcmp(wish->verb, "cancel") == 0 ? "cancelled" : "replayed");
        if (texts[2].len > 0)
            (void)fprintf(host->out, "new id %.*s\n", (int)texts[2].len, texts[2].data);
        if (slice_eq(texts[1], SLICE("true")))
            (void)fprintf(host->err, "the limit was reached: there may be more\n");
    }
    arena_done(&arena);
    return is_fine ? CLI_OK : CLI_FAILED;
}

static void hint_uncertain(const struct cli_host *host, const struct wish *wish)
{
    (void)fprintf(host->err, "some may have been changed all the same.");
    if (wish->as_new && wish->texts[OPTION_REQUEST])
        (void)fprintf(host->err, " The same again with --request %s makes no copy twice.",
                      wish->texts[OPTION_REQUEST]);
    (void)fputc('\n', host->err);
}

static int change(const struct remote *remote, const struct wish *wish,
                  const struct option *options)
{
    struct remote_answer answer;
    struct buf target;
    buf_init(&answer.body, REMOTE_ANSWER_BYTES);
    buf_init(&target, REMOTE_TARGET_BYTES);
    make_target(wish, options, &target);
    int status = remote_call(remote, "POST", &target, &answer);
    if (status == CLI_OK)
        status = print_answer(remote->host, wish, buf_slice(&answer.body));
    else if (answer.is_uncertain && !wish->dry_run)
        hint_uncertain(remote->host, wish);
    buf_done(&target);
    buf_done(&answer.body);
    return status;
}

/* ---- the options ---- */

static bool has_filter(const struct wish *wish)
{
    for (size_t i = 0; i < FILTERS; i++)
        if (wish->texts[i])
            return true;
    return false;
}

/* NULL, or what is wrong with the options together. */
static const char *find_conflict(const struct wish *wish)
{
    if (wish->id && (has_filter(wish) || wish->dry_run || wish->texts[OPTION_LIMIT] ||
                     wish->texts[OPTION_RATE]))
        return "an ID names one event: there is nothing to filter, limit or count";
    if (!wish->id && !has_filter(wish))
        return "give an ID, or at least one of --route, --state, --from, --until, --key";
    if (wish->texts[OPTION_REQUEST] && !wish->as_new)
        return "--request belongs to --as-new";
    return NULL;
}

static int act(const struct command *command, const struct cli_host *host, struct wish *wish,
               const struct option *options, const struct remote_opts *opts)
{
    struct remote remote;
    const char *conflict = find_conflict(wish);
    if (conflict) {
        (void)fprintf(host->err, "postern %s: %s\n", command->name, conflict);
        return CLI_USAGE;
    }
    name_request(wish);
    int status = remote_init(&remote, command, host, opts);
    if (status == CLI_OK)
        status = change(&remote, wish, options);
    remote_done(&remote);
    return status;
}

/* Reads the first `count` options of the table, and acts. */
static int run(const struct command *command, const struct cli_host *host, int argc, char **argv,
               size_t count)
{
    struct wish wish = {.verb = command->name};
    struct remote_opts opts = {.config = NULL};
    struct option options[REPLAY_OPTIONS] = {
        {"route", 'r', "NAME", "events of this route", false, &wish.texts[OPTION_ROUTE], 1, 0,
         false},
        {"state", 's', "STATE", "queued, delivered, dead, parked or cancelled", false,
         &wish.texts[OPTION_STATE], 1, 0, false},
        {"from", 0, "TIME", "received at this time or later", false, &wish.texts[OPTION_FROM], 1, 0,
         false},
        {"until", 0, "TIME", "received before this time", false, &wish.texts[OPTION_UNTIL], 1, 0,
         false},
        {"key", 0, "HEX", "with this key, as `postern key` shows it", false,
         &wish.texts[OPTION_KEY], 1, 0, false},
        {"limit", 'n', "N", "at most so many, the oldest first (1000, up to 100000)", false,
         &wish.texts[OPTION_LIMIT], 1, 0, false},
        {NULL, 0, "ID", "this event, instead of a filter", false, &wish.id, 1, 0, true},
        {.name = "dry-run", .help = "only count", .max = 1},
        REMOTE_OPTIONS(&opts),
        {"rate", 0, "N", "so many fall due in a second (10)", false, &wish.texts[OPTION_RATE], 1, 0,
         false},
        {"request", 0, "UUID", "with --as-new, again: copies there are already are left out", false,
         &wish.texts[OPTION_REQUEST], 1, 0, false},
        {.name = "as-new", .help = "as new events, with ids of their own", .max = 1},
    };
    int status;
    if (!options_read(command, host, argc, argv, options, count, &status))
        return status;
    wish.as_new = options[OPTION_AS_NEW].count > 0;
    wish.dry_run = options[OPTION_DRY_RUN].count > 0;
    return act(command, host, &wish, options, &opts);
}

int command_replay(const struct command *command, const struct cli_host *host, int argc,
                   char **argv)
{
    return run(command, host, argc, argv, REPLAY_OPTIONS);
}

int command_cancel(const struct command *command, const struct cli_host *host, int argc,
                   char **argv)
{
    return run(command, host, argc, argv, CANCEL_OPTIONS);
}
