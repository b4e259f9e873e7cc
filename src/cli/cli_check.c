/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern check`: is this file good, are its certificates, and what does it come to. `--reference`
 * prints the tables of docs/configuration.md, which a test compares with the rows.
 */
#include "commands.h"

#include <postern/gateway/secure.h>

#define TEXT_BYTES (1u << 20) /* 400 routes, a line each */

enum { OPTION_CONFIG, OPTION_REFERENCE, OPTION_QUIET, OPTION_COUNT };

/* Prints what `status` says was put into `buf`, and frees that. */
static int print(const struct cli_host *host, enum status status, struct buf *buf)
{
    struct slice text = buf_slice(buf);
    if (status == STATUS_OK)
        (void)fwrite(text.data, 1, text.len, host->out);
    else
        (void)fprintf(host->err, "postern: %s\n", status_text(status));
    buf_done(buf);
    return status == STATUS_OK ? CLI_OK : CLI_FAILED;
}

static int print_reference(const struct cli_host *host)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    return print(host, config_reference(&text), &text);
}

/* As `postern serve` will. */
static int try_certificates(const struct cli_host *host, struct config *config)
{
    char error[SECURE_ERROR_SIZE];
    struct secure secure;
    if (secure_open(config, &secure, error) != STATUS_OK) {
        (void)fprintf(host->err, "postern: %s\n", error);
        return CLI_FAILED;
    }
    secure_close(&secure);
    return CLI_OK;
}

static int check(const struct cli_host *host, const char *path, bool is_quiet)
{
    struct config *config;
    int loaded = cli_load_config(path, host->err, &config);
    if (loaded != CLI_OK)
        return loaded;
    int status = try_certificates(host, config);
    if (status == CLI_OK && !is_quiet) {
        struct buf text;
        buf_init(&text, TEXT_BYTES);
        status = print(host, config_summary(config, &text), &text);
    }
    config_free(config);
    return status;
}

int command_check(const struct command *command, const struct cli_host *host, int argc, char **argv)
{
    const char *path = NULL;
    struct option options[OPTION_COUNT] = {
        [OPTION_CONFIG] = {.name = "config",
                           .letter = 'c',
                           .value = "FILE",
                           .help = "the configuration",
                           .texts = &path,
                           .max = 1},
        [OPTION_REFERENCE] = {.name = "reference",
                              .help = "print the table of all settings (Markdown) instead",
                              .max = 1},
        [OPTION_QUIET] = {.name = "quiet",
                          .letter = 'q',
                          .help = "say nothing about a good file",
                          .max = 1},
    };
    int status;
    if (!options_read(command, host, argc, argv, options, OPTION_COUNT, &status))
        return status;
    if (options[OPTION_REFERENCE].count > 0)
        return print_reference(host);
    if (path)
        return check(host, path, options[OPTION_QUIET].count > 0);
    (void)fprintf(host->err, "postern check: give the file with --config FILE\n");
    return CLI_USAGE;
}
