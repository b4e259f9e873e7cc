/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which command it is. The commands themselves: cli_serve below, the others in cli_*.c.
 */
#include <postern/cli/cli.h>

#include "commands.h"

#include <string.h>

#define REPORT_BYTES (256u * 1024u)

#define REMOTE_STATUSES                                                                            \
    "Exit status: 0 done, 1 not done (no such event, its state forbids it, no answer,\n"           \
    "refused), 2 bad usage, 78 bad configuration."

static const struct command COMMANDS[] = {
    {"serve", "run the gateway",
     "Runs in the foreground until SIGTERM or SIGINT, then drains.\n"
     "Exit status: 0 all was flushed, 1 it could not start or records were lost, 2 bad usage,\n"
     "78 bad configuration.",
     command_serve},
    {"check", "check a configuration file",
     "Tells everything that is wrong with the file, each with its place and a hint, or what\n"
     "the file comes to. Nothing is connected to.\n"
     "Exit status: 0 good, 1 a certificate or key can't be used, 2 bad usage, 78 bad\n"
     "configuration.",
     command_check},
    {"key", "show the key of a request, and what would be done with it",
     "Tells how a request's signature is, which rule of a route gives it its key, the key, and\n"
     "how it would end, as the gateway would have it. With --ask the running gateway says what\n"
     "its store knows of the key, and nothing is changed there. The request is read as it goes\n"
     "over the wire from standard input, or made from --path, --header and --body.\n"
     "Exit status: 0 it has a key, 1 it has none or is not a request, 2 bad usage, 78 bad\n"
     "configuration.",
     command_key},
    {"events", "list events of a running gateway",
     "Lists events out of the journal, newest first, as a table or as JSON, one event a line.\n"
     "The gateway has to run: its admin listener is asked. Times are RFC 3339\n"
     "(2026-11-21T12:00:00Z), or for how long ago (15m, 2h, 7d).\n" REMOTE_STATUSES,
     command_events},
    {"show", "show one event with its attempts",
     "Shows an event, its headers (credentials masked) and each attempt to deliver it; or its\n"
     "body, byte for byte.\n" REMOTE_STATUSES,
     command_show},
    {"replay", "deliver events again",
     "Queues one event, or those a filter finds (the oldest first), for delivery again: as the\n"
     "same event, with its id, or each as a new one. A filter's replays fall due at --rate.\n"
     "Nothing is asked before: --dry-run counts.\n" REMOTE_STATUSES,
     command_replay},
    {"cancel", "give up events that wait",
     "Cancels one event, or those a filter finds: queued, dead and parked ones, and none whose\n"
     "attempt is under way. A cancelled event can be replayed.\n" REMOTE_STATUSES,
     command_cancel},
    {"presets", "list what is known of webhook senders",
     "Lists the presets, or shows one: its settings, what the route has to give beside it,\n"
     "what the sender does, why it is set that way and where that was read.\n"
     "Exit status: 0 done, 1 there is none of that name, 2 bad usage.",
     command_presets},
    {"version", "print the version", "Prints the version.", command_version},
};
#define COMMAND_COUNT (sizeof(COMMANDS) / sizeof(COMMANDS[0]))

static void print_help(FILE *out)
{
    (void)fprintf(out,
                  "postern: a dedup gateway for webhooks\n\nusage: postern COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    (void)fprintf(out, "  %-10s %s\n\n`postern COMMAND --help` says more about one.\n", "help",
                  "print this text");
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

static bool is_one_of(const char *name, const char *a, const char *b, const char *c)
{
    return strcmp(name, a) == 0 || strcmp(name, b) == 0 || strcmp(name, c) == 0;
}

/* `postern help check` is `postern check --help`. */
static int help(const struct cli_host *host, int argc, char **argv)
{
    static char option[] = "--help";
    char *arguments[] = {option, NULL};
    const struct command *command = argc > 0 ? find_command(argv[0]) : NULL;
    if (command)
        return command->run(command, host, 1, arguments);
    print_help(argc > 0 ? host->err : host->out);
    return argc > 0 ? CLI_USAGE : CLI_OK;
}

int cli_main(int argc, char **argv, const struct cli_host *host)
{
    if (argc < 2) {
        print_help(host->err);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (is_one_of(name, "help", "--help", "-h"))
        return help(host, argc - 2, argv + 2);
    const struct command *command =
        find_command(is_one_of(name, "version", "--version", "-V") ? "version" : name);
    if (command)
        return command->run(command, host, argc - 2, argv + 2);
    (void)fprintf(host->err, "postern: there is no command \"%s\"\n", name);
    print_help(host->err);
    return CLI_USAGE;
}

int command_serve(const struct command *command, const struct cli_host *host, int argc, char **argv)
{
    const char *path = NULL;
    struct option options[] = {{.name = "config",
                                .letter = 'c',
                                .value = "FILE",
                                .help = "the configuration",
                                .required = true,
                                .texts = &path,
                                .max = 1}};
    int status;
    if (!options_read(command, host, argc, argv, options, 1, &status))
        return status;
    return host->serve(path);
}

int command_version(const struct command *command, const struct cli_host *host, int argc,
                    char **argv)
{
    int status;
    if (!options_read(command, host, argc, argv, NULL, 0, &status))
        return status;
    (void)fprintf(host->out, "postern %s\n", host->version);
    return CLI_OK;
}

int cli_load_config(const char *path, FILE *err, struct config **ret_config)
{
    struct buf report;
    buf_init(&report, REPORT_BYTES);
    enum status status = config_load(path, &report, ret_config);
    struct slice text = buf_slice(&report);
    (void)fwrite(text.data, 1, text.len, err);
    if (status == STATUS_NO_MEMORY)
        (void)fprintf(err, "postern: out of memory\n");
    buf_done(&report);
    if (status == STATUS_NO_MEMORY)
        return CLI_FAILED;
    return status ? CLI_BAD_CONFIG : CLI_OK;
}
