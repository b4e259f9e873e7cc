/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/options: values, flags, repetition, what is refused, help out of the table. */
#include "commands.h"
#include "console.h"

static const char *file, *names[2];

/* Reads the arguments by a table with an option, a repeated one and a flag. */
static bool reads(const char *const *arguments, struct option *options, int *ret_status,
                  struct console *console)
{
    static const struct command command = {.name = "test", .help = "Tests."};
    struct cli_host host = {.out = open_memstream(&console->out, &console->out_bytes),
                            .err = open_memstream(&console->err, &console->err_bytes)};
    static char copies[8][32];
    char *argv[8];
    int argc = 0;
    for (; arguments[argc]; argc++) {
        snprintf(copies[argc], sizeof(copies[argc]), "%s", arguments[argc]);
        argv[argc] = copies[argc];
    }
    bool fine = options_read(&command, &host, argc, argv, options, 3, ret_status);
    fclose(host.out);
    fclose(host.err);
    return fine;
}

#define TABLE                                                                                      \
    {                                                                                              \
        {.name = "file",                                                                           \
         .letter = 'f',                                                                            \
         .value = "FILE",                                                                          \
         .help = "a file",                                                                         \
         .texts = &file,                                                                           \
         .max = 1},                                                                                \
            {.name = "name", .value = "NAME", .help = "a name", .texts = names, .max = 2},         \
            {.name = "quiet", .letter = 'q', .help = "say less", .max = 1},                        \
    }

static void refuses(const char *const *arguments, const char *words)
{
    struct option options[] = TABLE;
    struct console console = {.out = NULL};
    int status = -1;
    cr_assert_not(reads(arguments, options, &status, &console));
    cr_assert_eq(status, CLI_USAGE);
    assert_holds(console.err, words);
    assert_holds(console.err, "usage: postern test [--file FILE] [--name NAME] [--quiet]\n");
    cr_assert_str_empty(console.out);
    console_done(&console);
}

Test(options, are_read_in_any_order)
{
    struct option options[] = TABLE;
    struct console console = {.out = NULL};
    int status = -1;
    cr_assert(
        reads(ARGUMENTS("--name", "a", "-q", "--name=b=c", "-fx"), options, &status, &console));
    cr_assert_eq(status, -1, "untouched");
    cr_assert_str_eq(file, "x");
    cr_assert_str_eq(names[0], "a");
    cr_assert_str_eq(names[1], "b=c");
    cr_assert(options[0].count == 1 && options[1].count == 2 && options[2].count == 1);
    console_done(&console);
}

Test(options, a_value_may_look_like_an_option)
{
    struct option options[] = TABLE;
    struct console console = {.out = NULL};
    int status;
    cr_assert(reads(ARGUMENTS("--name", "--file"), options, &status, &console));
    cr_assert_str_eq(names[0], "--file");
    console_done(&console);
}

Test(options, what_is_refused)
{
    refuses(ARGUMENTS("--nme", "a"), "postern test: --nme is not an option here\n");
    refuses(ARGUMENTS("--filex"), "--filex is not an option here");
    refuses(ARGUMENTS("-x"), "-x is not an option here");
    refuses(ARGUMENTS("-"), "- is not an option here");
    refuses(ARGUMENTS("--"), "-- is not an option here");
    refuses(ARGUMENTS("stray"), "stray is one argument too many");
    refuses(ARGUMENTS("--file"), "--file needs a value");
    refuses(ARGUMENTS("-f", "a", "-f", "b"), "-f is given twice");
    refuses(ARGUMENTS("--name=a", "--name=b", "--name=c"), "--name=c is given too often");
    refuses(ARGUMENTS("--quiet=yes"), "--quiet=yes takes no value");
    refuses(ARGUMENTS("-q", "-q"), "-q is given twice");
}

Test(options, a_required_one)
{
    struct option options[] = TABLE;
    struct console console = {.out = NULL};
    int status = -1;
    options[0].required = true;
    cr_assert_not(reads(ARGUMENTS("-q"), options, &status, &console));
    cr_assert_eq(status, CLI_USAGE);
    assert_holds(console.err, "postern test: --file is missing\nusage: postern test --file FILE [");
    console_done(&console);
}

Test(options, help_comes_first_and_out_of_the_table)
{
    struct option options[] = TABLE;
    struct console console = {.out = NULL};
    int status = -1;
    cr_assert_not(reads(ARGUMENTS("--nonsense", "--help"), options, &status, &console));
    cr_assert_eq(status, CLI_OK);
    assert_holds(console.out, "usage: postern test");
    assert_holds(console.out, "\nTests.\n\n  -f, --file FILE              a file\n");
    assert_holds(console.out, "      --name NAME              a name\n");
    assert_holds(console.out, "  -h, --help                   this text\n");
    cr_assert_str_empty(console.err);
    console_done(&console);
}

/* ---- arguments without a name ---- */

static const char *ids[2];

/* Reads by a table with up to two arguments, the first of them needed. */
static int read_ids(const char *const *arguments, struct console *console)
{
    struct option options[] = {
        {.value = "ID",
         .help = "an id",
         .texts = ids,
         .max = 2,
         .required = true,
         .is_argument = true},
        {.name = "I", .letter = 'I', .value = "N", .help = "not an id", .texts = names, .max = 1},
        {.name = "quiet", .letter = 'q', .help = "say less", .max = 1},
    };
    int status = CLI_OK;
    (void)reads(arguments, options, &status, console);
    return status;
}

Test(options, arguments_stand_anywhere)
{
    struct console console = {.out = NULL};
    cr_assert_eq(read_ids(ARGUMENTS("a", "-q", "-I", "x", "b"), &console), CLI_OK, "%s",
                 console.err);
    cr_assert_str_eq(ids[0], "a");
    cr_assert_str_eq(ids[1], "b");
    cr_assert_str_eq(names[0], "x");
    console_done(&console);
}

Test(options, arguments_missing_empty_or_too_many)
{
    struct console console = {.out = NULL};
    cr_assert_eq(read_ids(ARGUMENTS("-q"), &console), CLI_USAGE);
    assert_holds(console.err,
                 "postern test: ID is missing\nusage: postern test ID [--I N] [--quiet]\n");
    console_done(&console);
    cr_assert_eq(read_ids(ARGUMENTS(""), &console), CLI_USAGE);
    assert_holds(console.err, "needs a value");
    console_done(&console);
    cr_assert_eq(read_ids(ARGUMENTS("a", "b", "c"), &console), CLI_USAGE);
    assert_holds(console.err, "c is one argument too many");
    console_done(&console);
    cr_assert_eq(read_ids(ARGUMENTS("-x"), &console), CLI_USAGE);
    assert_holds(console.err, "-x is not an option here");
    console_done(&console);
}

Test(options, arguments_in_help)
{
    struct console console = {.out = NULL};
    cr_assert_eq(read_ids(ARGUMENTS("--help"), &console), CLI_OK);
    assert_holds(console.out, "  ID                           an id\n");
    console_done(&console);
}
