/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options out of a table: `--name VALUE`, `--name=VALUE`, `-c VALUE`, `-cVALUE`, flags, arguments
 * without a name, and `--help` everywhere. Not getopt: its messages can't be worded, its state is
 * global, and it knows no help.
 */
#include "commands.h"

#include <string.h>

/* The arguments while they are read. */
struct reading {
    const struct command *command;
    const struct cli_host *host;
    int argc;
    char **argv;
    int next;
};

static void print_option(const struct option *option, FILE *out)
{
    char left[48];
    char letter[8] = "    ";
    if (option->is_argument) {
        (void)fprintf(out, "  %-28s %s\n", option->value, option->help);
        return;
    }
    if (option->letter)
        (void)snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    (void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name, option->value ? " " : "",
                   option->value ? option->value : "");
    (void)fprintf(out, "  %-28s %s\n", left, option->help);
}

static void print_usage(const struct command *command, const struct option *options, size_t count,
                        FILE *out)
{
    (void)fprintf(out, "usage: postern %s", command->name);
    for (size_t i = 0; i < count; i++) {
        const struct option *o = &options[i];
        if (o->is_argument)
            (void)fprintf(out, o->required ? " %s" : " [%s]", o->value);
        else
            (void)fprintf(out, o->required ? " --%s%s%s" : " [--%s%s%s]", o->name,
                          o->value ? " " : "", o->value ? o->value : "");
    }
    (void)fprintf(out, "\n");
}

static void print_help(const struct command *command, const struct option *options, size_t count,
                       FILE *out)
{
    static const struct option help = {.name = "help", .letter = 'h', .help = "this text"};
    print_usage(command, options, count, out);
    (void)fprintf(out, "\n%s\n\n", command->help);
    for (size_t i = 0; i < count; i++)
        print_option(&options[i], out);
    print_option(&help, out);
}

/* The first argument without a name that has room, or NULL. */
static struct option *find_argument(struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (options[i].is_argument && options[i].count < options[i].max)
            return &options[i];
    return NULL;
}

/* Takes the option `argument` names out of the table, and in *ret_value what is written together
 * with it (NULL: nothing). */
static struct option *find_option(const char *argument, struct option *options, size_t count,
                                  const char **ret_value)
{
    *ret_value = argument;
    if (argument[0] != '-')
        return find_argument(options, count);
    for (size_t i = 0; i < count; i++) {
        if (options[i].is_argument)
            continue;
        size_t len = strlen(options[i].name);
        if (options[i].letter && argument[1] == options[i].letter) {
            *ret_value = argument[2] ? argument + 2 : NULL;
            return &options[i];
        }
        if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, options[i].name, len) != 0)
            continue;
        const char *rest = argument + 2 + len;
        if (*rest != '\0' && *rest != '=')
            continue;
        *ret_value = *rest == '=' ? rest + 1 : NULL;
        return &options[i];
    }
    return NULL;
}

/* Stores one occurrence. NULL, or what is wrong with it. */
static const char *take_option(struct reading *reading, struct option *option, const char *value)
{
    if (option->count == option->max)
        return option->max == 1 ? "is given twice" : "is given too often";
    if (!option->value) {
        option->count++;
        return value ? "takes no value" : NULL;
    }
    if (!value && reading->next < reading->argc)
        value = reading->argv[reading->next++];
    if (!value || !*value)
        return "needs a value";
    option->texts[option->count++] = value;
    return NULL;
}

static void complain(const struct reading *reading, const char *what, const char *why)
{
    (void)fprintf(reading->host->err, "postern %s: %s %s\n", reading->command->name, what, why);
}

static bool read_argument(struct reading *reading, struct option *options, size_t count)
{
    const char *argument = reading->argv[reading->next++];
    const char *value = NULL;
    struct option *option = find_option(argument, options, count, &value);
    if (!option) {
        complain(reading, argument,
                 argument[0] == '-' ? "is not an option here" : "is one argument too many");
        return false;
    }
    const char *problem = take_option(reading, option, value);
    if (problem)
        complain(reading, argument, problem);
    return !problem;
}

static bool has_required(const struct reading *reading, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (options[i].required && options[i].count == 0) {
            (void)fprintf(reading->host->err, "postern %s: %s%s is missing\n",
                          reading->command->name, options[i].is_argument ? "" : "--",
                          options[i].is_argument ? options[i].value : options[i].name);
            return false;
        }
    return true;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

bool options_read(const struct command *command, const struct cli_host *host, int argc, char **argv,
                  struct option *options, size_t option_count, int *ret_status)
{
    struct reading reading = {.command = command, .host = host, .argc = argc, .argv = argv};
    if (asks_for_help(argc, argv)) {
        print_help(command, options, option_count, host->out);
        *ret_status = CLI_OK;
        return false;
    }
    bool fine = true;
    while (fine && reading.next < argc)
        fine = read_argument(&reading, options, option_count);
    if (fine && has_required(&reading, options, option_count))
        return true;
    print_usage(command, options, option_count, host->err);
    *ret_status = CLI_USAGE;
    return false;
}
