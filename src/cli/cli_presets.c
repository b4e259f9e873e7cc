/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern presets`: the list of what is known of webhook senders, or one of them with its reasons.
 * The table is config/presets.c's; docs/presets.md is what `--reference` prints.
 */
#include "commands.h"

#include <postern/config/presets.h>
#include <string.h>

#define PAGE_BYTES (1u << 20)
#define LINE_COLUMNS 80
#define COLUMNS_BETWEEN 2

enum { OPTION_NAME, OPTION_REFERENCE, OPTION_COUNT };

static int width(size_t len)
{
    return (int)len + COLUMNS_BETWEEN;
}

static int print_list(FILE *out)
{
    size_t name_len = 0, title_len = 0;
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        size_t name = strlen(PRESETS[i].name), title = strlen(PRESETS[i].title);
        name_len = name > name_len ? name : name_len;
        title_len = title > title_len ? title : title_len;
    }
    (void)fprintf(out, "%-*s%-*s%s\n", width(name_len), "PRESET", width(title_len), "FOR",
                  "THE ROUTE GIVES");
    for (size_t i = 0; i < PRESET_COUNT; i++)
        (void)fprintf(out, "%-*s%-*s%s\n", width(name_len), PRESETS[i].name, width(title_len),
                      PRESETS[i].title, *PRESETS[i].needs ? PRESETS[i].needs : "-");
    return CLI_OK;
}

/* A paragraph, broken between words; a longer word has a line of its own. */
static void print_paragraph(FILE *out, const char *label, const char *text)
{
    int column = fprintf(out, "\n%s:", label);
    while (*text) {
        int len = (int)strcspn(text, " ");
        bool breaks = column + 1 + len > LINE_COLUMNS;
        (void)fprintf(out, "%s%.*s", breaks ? "\n" : " ", len, text);
        column = breaks ? len : column + 1 + len;
        text += len;
        text += strspn(text, " ");
    }
    (void)fprintf(out, "\n");
}

/* The settings stand as they would in a route of the file. */
static void print_settings(FILE *out, const char *settings)
{
    while (*settings) {
        int len = (int)strcspn(settings, "\n");
        (void)fprintf(out, "    %.*s\n", len, settings);
        settings += len + (settings[len] == '\n');
    }
}

static int print_preset(FILE *out, const struct preset *preset)
{
    (void)fprintf(out, "%s: %s\n\n", preset->name, preset->title);
    print_settings(out, preset->settings);
    print_paragraph(out, "The route gives", *preset->needs ? preset->needs : "nothing more");
    print_paragraph(out, "The sender's retries", preset->retries);
    print_paragraph(out, "Why", preset->why);
    print_paragraph(out, "Source", preset->source);
    (void)fprintf(out, "(read %s)\n", preset->date);
    return CLI_OK;
}

static int show(const struct cli_host *host, const char *name)
{
    const struct preset *preset = preset_find(slice_str(name));
    if (preset)
        return print_preset(host->out, preset);
    const struct preset *nearest = preset_nearest(slice_str(name));
    (void)fprintf(host->err, "postern presets: there is no preset \"%s\"\n", name);
    if (nearest)
        (void)fprintf(host->err, "hint: did you mean \"%s\"?\n", nearest->name);
    else
        (void)fprintf(host->err, "hint: `postern presets` lists them\n");
    return CLI_FAILED;
}

static int print_reference(const struct cli_host *host)
{
    struct buf page;
    buf_init(&page, PAGE_BYTES);
    enum status status = presets_reference(&page);
    struct slice text = buf_slice(&page);
    if (status == STATUS_OK)
        (void)fwrite(text.data, 1, text.len, host->out);
    else
        (void)fprintf(host->err, "postern: %s\n", status_text(status));
    buf_done(&page);
    return status == STATUS_OK ? CLI_OK : CLI_FAILED;
}

int command_presets(const struct command *command, const struct cli_host *host, int argc,
                    char **argv)
{
    const char *name = NULL;
    struct option options[OPTION_COUNT] = {
        [OPTION_NAME] = {.value = "NAME",
                         .help = "the one to show; without it all are listed",
                         .is_argument = true,
                         .texts = &name,
                         .max = 1},
        [OPTION_REFERENCE] = {.name = "reference",
                              .help = "print all that is known of all (Markdown) instead",
                              .max = 1},
    };
    int status;
    if (!options_read(command, host, argc, argv, options, OPTION_COUNT, &status))
        return status;
    if (options[OPTION_REFERENCE].count > 0)
        return print_reference(host);
    return name ? show(host, name) : print_list(host->out);
}
