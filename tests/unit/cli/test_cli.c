/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/cli: which command it is, help, version, serve. */
#include "console.h"

Test(cli, without_a_command_it_is_bad_usage)
{
    const char *const nothing[] = {NULL};
    expect(run(SLICE(""), nothing), CLI_USAGE, NULL, "usage: postern COMMAND");
}

Test(cli, unknown_commands_and_options_are_bad_usage)
{
    expect(RUN("nonsense"), CLI_USAGE, NULL, "postern: there is no command \"nonsense\"");
    expect(RUN("--nonsense"), CLI_USAGE, NULL, "there is no command \"--nonsense\"");
    expect(RUN(""), CLI_USAGE, NULL, "there is no command \"\"");
    expect(RUN("serve", "--nonsense"), CLI_USAGE, NULL,
           "postern serve: --nonsense is not an option here\nusage: postern serve --config FILE");
    expect(RUN("serve", "file"), CLI_USAGE, NULL, "file is one argument too many");
    expect(RUN("version", "x"), CLI_USAGE, NULL, "x is one argument too many");
}

Test(cli, help_is_everywhere)
{
    expect(RUN("help"), CLI_OK, "usage: postern COMMAND", NULL);
    expect(RUN("--help"), CLI_OK, "usage: postern COMMAND", NULL);
    expect(RUN("-h"), CLI_OK, "usage: postern COMMAND", NULL);
    const char *const commands[] = {"serve", "check", "key", "version"};
    for (size_t i = 0; i < 4; i++) {
        expect(RUN(commands[i], "--help"), CLI_OK, "usage: postern ", NULL);
        expect(RUN(commands[i], "-h"), CLI_OK, "  -h, --help", NULL);
        expect(RUN("help", commands[i]), CLI_OK, commands[i], NULL);
    }
    expect(RUN("help", "nonsense"), CLI_USAGE, NULL, "usage: postern COMMAND");
}

Test(cli, version)
{
    expect(RUN("version"), CLI_OK, "postern 1.2.3\n", NULL);
    expect(RUN("--version"), CLI_OK, "postern 1.2.3\n", NULL);
    expect(RUN("-V"), CLI_OK, "postern 1.2.3\n", NULL);
}

static void serves(struct console console)
{
    cr_assert_eq(console.status, 42, "the exit status is serve's");
    cr_assert_not_null(served_path);
    served_path = NULL;
    console_done(&console);
}

Test(cli, serve_takes_its_file_in_any_way)
{
    serves(RUN("serve", "-c", "f"));
    serves(RUN("serve", "-cf"));
    serves(RUN("serve", "--config", "f"));
    serves(RUN("serve", "--config=f"));
}

Test(cli, serve_without_a_file_is_bad_usage)
{
    expect(RUN("serve"), CLI_USAGE, NULL, "postern serve: --config is missing");
    expect(RUN("serve", "-c"), CLI_USAGE, NULL, "postern serve: -c needs a value");
    expect(RUN("serve", "-c", ""), CLI_USAGE, NULL, "-c needs a value");
    expect(RUN("serve", "--config="), CLI_USAGE, NULL, "--config= needs a value");
    cr_assert_null(served_path);
}
