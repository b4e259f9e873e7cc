/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/report: order, wording, hints, the cap, lines that are never quoted. */
#include "report.h"

#include <criterion/criterion.h>

struct fixture {
    struct arena arena;
    struct report report;
    struct buf buf;
};

static void set_up(struct fixture *f, struct slice source)
{
    arena_init(&f->arena, 4096, 1u << 20);
    buf_init(&f->buf, 1u << 16);
    report_init(&f->report, "f.yaml", source, &f->arena);
}

static void renders(struct fixture *f, const char *expected)
{
    cr_assert_eq(report_render(&f->report, &f->buf), STATUS_OK);
    struct slice text = buf_slice(&f->buf);
    cr_assert(slice_eq(text, slice_str(expected)), "%.*s", (int)text.len, text.data);
    buf_done(&f->buf);
    arena_done(&f->arena);
}

Test(report, nothing_to_say)
{
    struct fixture f;
    set_up(&f, SLICE(""));
    renders(&f, "");
}

Test(report, in_the_order_of_the_file)
{
    struct fixture f;
    set_up(&f, SLICE("one: 1\ntwo: 2\n"));
    report_error(&f.report, (struct mark){2, 6}, "second %d", 2);
    report_finding(&f.report, SEVERITY_WARNING, (struct mark){1, 6}, "first");
    report_hint(&f.report, "do %s", "this");
    report_error(&f.report, (struct mark){2, 1}, "before the second");
    report_error(&f.report, (struct mark){0, 0}, "of the whole");
    cr_assert_eq(f.report.errors, 3);
    cr_assert_eq(f.report.warnings, 1);
    renders(&f, "f.yaml: error: of the whole\n"
                "f.yaml:1:6: warning: first\n"
                "     1 | one: 1\n"
                "       |      ^\n"
                "hint: do this\n"
                "f.yaml:2:1: error: before the second\n"
                "     2 | two: 2\n"
                "       | ^\n"
                "f.yaml:2:6: error: second 2\n"
                "     2 | two: 2\n"
                "       |      ^\n");
}

Test(report, a_place_behind_the_end_has_no_line)
{
    struct fixture f;
    set_up(&f, SLICE("a"));
    report_error(&f.report, (struct mark){7, 1}, "end");
    renders(&f, "f.yaml:7:1: error: end\n");
}

Test(report, concealed_lines_are_not_quoted)
{
    struct fixture f;
    set_up(&f, SLICE("a\nhush\nhush\nb\n"));
    report_conceal(&f.report, 2, 3);
    for (uint32_t line = 1; line <= 4; line++)
        report_error(&f.report, (struct mark){line, 1}, "x");
    cr_assert_eq(report_render(&f.report, &f.buf), STATUS_OK);
    struct slice text = buf_slice(&f.buf);
    cr_assert_null(memmem(text.data, text.len, "hush", 4));
    cr_assert_not_null(memmem(text.data, text.len, "| a", 3));
    cr_assert_not_null(memmem(text.data, text.len, "| b", 3));
    buf_done(&f.buf);
    arena_done(&f.arena);
}

Test(report, beyond_the_cap_findings_are_counted)
{
    struct fixture f;
    set_up(&f, SLICE(""));
    for (unsigned i = 0; i < REPORT_MAX_FINDINGS; i++)
        report_error(&f.report, (struct mark){0, 0}, "x");
    cr_assert_not(f.report.hint_goes_nowhere);
    report_error(&f.report, (struct mark){0, 0}, "one more");
    report_hint(&f.report, "for nobody");
    report_error(&f.report, (struct mark){0, 0}, "and one");
    cr_assert_eq(f.report.errors, REPORT_MAX_FINDINGS + 2);
    cr_assert_eq(report_render(&f.report, &f.buf), STATUS_OK);
    struct slice text = buf_slice(&f.buf);
    cr_assert_not_null(memmem(text.data, text.len, "f.yaml: and 2 more, not shown\n", 30));
    cr_assert_null(memmem(text.data, text.len, "for nobody", 10));
    buf_done(&f.buf);
    arena_done(&f.arena);
}

Test(report, long_messages_are_cut)
{
    struct fixture f;
    char name[2000];
    memset(name, 'a', sizeof(name));
    set_up(&f, SLICE(""));
    report_error(&f.report, (struct mark){0, 0}, "%.*s", (int)sizeof(name), name);
    cr_assert_eq(strlen(f.report.findings[0].message), 511);
    arena_done(&f.arena);
}

Test(report, a_full_buffer_is_told)
{
    struct fixture f;
    set_up(&f, SLICE(""));
    f.buf.ceiling = 10;
    report_error(&f.report, (struct mark){0, 0}, "x");
    cr_assert_eq(report_render(&f.report, &f.buf), STATUS_FULL);
    buf_done(&f.buf);
    arena_done(&f.arena);
}

Test(report, no_memory_is_remembered)
{
    struct fixture f;
    set_up(&f, SLICE(""));
    struct arena empty;
    arena_init(&empty, 1, 0);
    f.report.arena = &empty;
    report_error(&f.report, (struct mark){0, 0}, "x");
    report_conceal(&f.report, 1, 1);
    cr_assert(f.report.no_memory);
    cr_assert_eq(f.report.errors, 1);
    arena_done(&empty);
    arena_done(&f.arena);
}
