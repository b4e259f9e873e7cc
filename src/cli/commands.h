/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands, and how each reads its options. A command's options are one table, from which come
 * parsing and `--help`.
 */
#ifndef POSTERN_SRC_CLI_COMMANDS_H
#define POSTERN_SRC_CLI_COMMANDS_H

#include <postern/cli/cli.h>
#include <stdbool.h>
#include <stddef.h>

struct option {
    const char *name;  /* "config", for --config */
    char letter;       /* 'c' for -c; 0: none */
    const char *value; /* what its value is called, "FILE"; NULL: it takes none */
    const char *help;
    bool required;
    const char **texts; /* the values given, room for `max`; a flag has none */
    size_t max;         /* how often it may be given */
    size_t count;       /* how often it was given */
    bool is_argument;   /* it is written as its value alone, in any place; `name` isn't used */
};

struct command {
    const char *name;
    const char *summary; /* one line for `postern help` */
    const char *help;    /* what more there is to say in `postern NAME --help` */
    /* `argv` begins behind the command's name. Returns the exit status. */
    int (*run)(const struct command *command, const struct cli_host *host, int argc, char **argv);
};

int command_serve(const struct command *command, const struct cli_host *host, int argc,
                  char **argv);
int command_check(const struct command *command, const struct cli_host *host, int argc,
                  char **argv);
int command_key(const struct command *command, const struct cli_host *host, int argc, char **argv);
int command_events(const struct command *command, const struct cli_host *host, int argc,
                   char **argv);
int command_show(const struct command *command, const struct cli_host *host, int argc, char **argv);
int command_replay(const struct command *command, const struct cli_host *host, int argc,
                   char **argv);
int command_cancel(const struct command *command, const struct cli_host *host, int argc,
                   char **argv);
int command_presets(const struct command *command, const struct cli_host *host, int argc,
                    char **argv);
int command_version(const struct command *command, const struct cli_host *host, int argc,
                    char **argv);

/* Reads the options of `command`. False: *ret_status is the exit status, and all is said: help was
 * asked for, or something is wrong. */
bool options_read(const struct command *command, const struct cli_host *host, int argc, char **argv,
                  struct option *options, size_t option_count, int *ret_status);

#endif
