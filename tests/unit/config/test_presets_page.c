/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/presets_page: finding by name, "did you mean", and docs/presets.md, which
 * holds what the rows say. */
#include <postern/config/presets.h>

#include "golden.h"

#define PAGE "../../../docs/presets.md"

Test(presets_page, a_name_finds_its_row)
{
    for (size_t i = 0; i < PRESET_COUNT; i++)
        cr_assert_eq(preset_find(slice_str(PRESETS[i].name)), &PRESETS[i]);
    cr_assert_null(preset_find(SLICE("")));
    cr_assert_null(preset_find(SLICE("GitHub")));
    cr_assert_null(preset_find(SLICE("githu")));
    cr_assert_null(preset_find(SLICE("github\0")));
}

static void nearest(const char *text, const char *name)
{
    const struct preset *preset = preset_nearest(slice_str(text));
    if (name)
        cr_assert(preset && strcmp(preset->name, name) == 0, "%s", text);
    else
        cr_assert_null(preset, "%s", text);
}

Test(presets_page, a_slip_finds_what_was_meant)
{
    nearest("gihtub", "github");
    nearest("GitHub", "github");
    nearest("standard-webhook", "standard-webhooks");
    nearest("whatsap", "whatsapp");
    nearest("", NULL);
    nearest("something else", NULL);
}

Test(presets_page, the_page_is_up_to_date)
{
    struct buf page;
    buf_init(&page, GOLDEN_BYTES);
    cr_assert_eq(presets_reference(&page), STATUS_OK);
    golden_compare(PAGE, buf_slice(&page));
    buf_done(&page);
}

/* A "|" in a title or a need would break the table's row; a line break in a text its paragraph. */
Test(presets_page, texts_fit_where_they_are_put)
{
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        const struct preset *preset = &PRESETS[i];
        cr_assert_null(strpbrk(preset->title, "|\n"), "%s", preset->name);
        cr_assert_null(strpbrk(preset->needs, "|\n"), "%s", preset->name);
        cr_assert_null(strchr(preset->retries, '\n'), "%s", preset->name);
        cr_assert_null(strchr(preset->why, '\n'), "%s", preset->name);
        cr_assert_null(strchr(preset->source, '\n'), "%s", preset->name);
        cr_assert_eq(preset->settings[strlen(preset->settings) - 1], '\n', "%s", preset->name);
        cr_assert_null(strstr(preset->settings, "```"), "%s", preset->name);
    }
}

Test(presets_page, a_full_buffer_is_told)
{
    struct buf page;
    buf_init(&page, 100);
    cr_assert_eq(presets_reference(&page), STATUS_FULL);
    buf_done(&page);
}
