/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/cli_presets: the list, one preset, names that are none, the page. */
#include "console.h"

#include <postern/config/presets.h>

#define COLUMNS 80u

/* The line of `text` that begins with `word` and a space, with a NUL at its end; the caller frees
 * it. */
static char *line_of(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, word, len) == 0 && line[len] == ' ')
            return strndup(line, strcspn(line, "\n"));
    cr_assert_fail("%s is not in the list", word);
    return NULL;
}

Test(cli_presets, all_are_listed)
{
    struct console console = RUN("presets");
    cr_assert_eq(console.status, CLI_OK);
    cr_assert_str_empty(console.err);
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        char *line = line_of(console.out, PRESETS[i].name);
        assert_holds(line, PRESETS[i].title);
        assert_holds(line, *PRESETS[i].needs ? PRESETS[i].needs : "  -");
        cr_assert_leq(strlen(line), 110, "%s", line);
        free(line);
    }
    console_done(&console);
}

Test(cli_presets, one_is_shown_with_its_reasons)
{
    expect(RUN("presets", "github"), CLI_OK, "github: GitHub\n\n    signature: {scheme: github}\n",
           NULL);
    expect(RUN("presets", "github"), CLI_OK, "\nThe route gives: signature.secret\n", NULL);
    expect(RUN("presets", "github"), CLI_OK, "\nThe sender's retries: None.", NULL);
    expect(RUN("presets", "github"), CLI_OK, "\nWhy: GitHub never comes back", NULL);
    expect(RUN("presets", "github"), CLI_OK, "\nSource: https://docs.github.com/", NULL);
    expect(RUN("presets", "github"), CLI_OK, "\n(read 2026-11)\n", NULL);
    expect(RUN("presets", "workflow"), CLI_OK, "\nThe route gives: nothing more\n", NULL);
    expect(RUN("presets", "adyen"), CLI_OK,
           "    window: 30d\n    in_flight: wait\n    in_flight_wait: 5s\n    success: [2xx]\n\n",
           NULL);
}

/* Whole words, in lines a terminal shows; the settings are as they are. */
static void expect_paragraph(const char *out, const char *text)
{
    const char *at = strstr(out, "\nWhy: ");
    cr_assert_not_null(at);
    at += strlen("\nWhy: ");
    for (; *text; text++, at++)
        cr_assert(*text == *at || (*text == ' ' && *at == '\n'), "%s", text);
    cr_assert_eq(*at, '\n');
}

Test(cli_presets, paragraphs_are_broken_between_words)
{
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        struct console console = RUN("presets", PRESETS[i].name);
        cr_assert_eq(console.status, CLI_OK);
        expect_paragraph(console.out, PRESETS[i].why);
        for (const char *line = console.out; *line;) {
            size_t len = strcspn(line, "\n");
            cr_assert(len <= COLUMNS || !memchr(line, ' ', len) || line[0] == ' ', "%.*s", (int)len,
                      line);
            line += len + (line[len] == '\n');
        }
        console_done(&console);
    }
}

Test(cli_presets, other_names_are_told)
{
    expect(RUN("presets", "gihtub"), CLI_FAILED, NULL,
           "postern presets: there is no preset \"gihtub\"\nhint: did you mean \"github\"?\n");
    expect(RUN("presets", "nonsense at all"), CLI_FAILED, NULL,
           "there is no preset \"nonsense at all\"\nhint: `postern presets` lists them\n");
    expect(RUN("presets", "github", "gitlab"), CLI_USAGE, NULL, "gitlab is one argument too many");
    expect(RUN("presets", "--nonsense"), CLI_USAGE, NULL, "--nonsense is not an option here");
}

Test(cli_presets, the_page_is_printed)
{
    struct buf page;
    buf_init(&page, 1u << 20);
    cr_assert_eq(presets_reference(&page), STATUS_OK);
    struct console console = RUN("presets", "--reference");
    cr_assert_eq(console.status, CLI_OK);
    cr_assert(slice_eq(buf_slice(&page), slice_of(console.out, console.out_bytes)));
    console_done(&console);
    buf_done(&page);
}

Test(cli_presets, help)
{
    expect(RUN("presets", "--help"), CLI_OK, "usage: postern presets [NAME] [--reference]", NULL);
    expect(RUN("help", "presets"), CLI_OK, "Exit status: 0 done, 1 there is none", NULL);
    expect(RUN("help"), CLI_OK, "  presets    list what is known of webhook senders\n", NULL);
}
