/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: `postern COMMAND [OPTIONS]`. It reads arguments, prints, and answers an exit
 * status; the process that serves is the caller's.
 */
#ifndef POSTERN_CLI_CLI_H
#define POSTERN_CLI_CLI_H

#include <postern/config/config.h>
#include <stdio.h>

/* Exit statuses; 78 is EX_CONFIG of sysexits.h, which a unit file's RestartPreventExitStatus
 * knows. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_BAD_CONFIG = 78 };

/* What the command line stands on; all borrowed. */
struct cli_host {
    const char *version;
    int (*serve)(const char *config_path); /* runs `serve`; its result is the exit status */
    FILE *in, *out, *err;
};

/* Runs the command in `argv` and returns the exit status. */
int cli_main(int argc, char **argv, const struct cli_host *host);

/* Loads a configuration; errors and warnings go to `err`. CLI_OK: *ret_config is to be given to
 * config_free. */
NODISCARD int cli_load_config(const char *path, FILE *err, struct config **ret_config);

#endif
