/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/sample: what of a request a key can see. */
#include "sample.h"

#include <criterion/criterion.h>

struct fixture {
    struct arena arena;
    struct http_limits limits;
    struct sample sample;
    const char *problem;
};

static struct fixture read_wire(const char *wire, size_t body_bytes)
{
    struct fixture f = {.limits = HTTP_LIMITS_DEFAULT};
    FILE *in = tmpfile();
    cr_assert_not_null(in);
    cr_assert_neq(fputs(wire, in), EOF);
    rewind(in);
    arena_init(&f.arena, 4096, 1u << 20);
    buf_init(&f.sample.body, body_bytes);
    f.problem = sample_read_wire(&f.sample, in, &f.limits, &f.arena);
    fclose(in);
    return f;
}

static void done(struct fixture *f)
{
    buf_done(&f->sample.body);
    arena_done(&f->arena);
}

static bool is(struct slice slice, const char *text)
{
    return slice_eq(slice, slice_str(text));
}

Test(sample, a_request_from_the_wire)
{
    struct fixture f = read_wire("PUT /a/b?c=d HTTP/1.1\r\nHost: h\r\nA: 1\r\na: 2\r\n"
                                 "Content-Length: 3\r\n\r\nxyz",
                                 100);
    cr_assert_null(f.problem);
    cr_assert(is(f.sample.method, "PUT") && is(f.sample.host, "h") && is(f.sample.path, "/a/b"));
    cr_assert(is(f.sample.query, "c=d") && is(buf_slice(&f.sample.body), "xyz"));
    cr_assert(f.sample.has_wire && !f.sample.guessed_body);
    struct slice value;
    cr_assert_eq(sample_header(&f.sample, SLICE("A"), &value), 2);
    cr_assert(is(value, "1"), "the first");
    cr_assert_eq(sample_header(&f.sample, SLICE("B"), &value), 0);
    done(&f);
}

Test(sample, what_follows_a_sized_body_is_another_request)
{
    struct fixture f = read_wire("POST / HTTP/1.1\nHost: h\nContent-Length: 1\n\nab\n", 100);
    cr_assert_null(f.problem);
    cr_assert(is(buf_slice(&f.sample.body), "a"));
    done(&f);
}

Test(sample, mixed_line_ends)
{
    struct fixture f = read_wire("POST / HTTP/1.1\r\nHost: h\nA: 1\r\n\n", 100);
    cr_assert_null(f.problem, "%s", f.problem);
    cr_assert_eq(f.sample.field_count, 2);
    done(&f);
}

Test(sample, a_guessed_body_has_the_same_limit)
{
    struct fixture f = read_wire("POST / HTTP/1.1\nHost: h\n\n12345", 5);
    cr_assert(!f.problem && f.sample.guessed_body && is(buf_slice(&f.sample.body), "12345"));
    done(&f);
    f = read_wire("POST / HTTP/1.1\nHost: h\n\n123456", 5);
    cr_assert_str_eq(f.problem, "larger than the limits of this route");
    done(&f);
}

Test(sample, a_head_without_its_end)
{
    struct fixture f = read_wire("POST / HTTP/1.1\r\nHost: h\r\n", 5);
    cr_assert_str_eq(f.problem, "it ends before its body does");
    done(&f);
}

Test(sample, targets)
{
    struct sample sample = {.field_count = 0};
    sample_set_target(&sample, "/a");
    cr_assert(is(sample.path, "/a") && sample.query.len == 0);
    sample_set_target(&sample, "/a?b=c?d");
    cr_assert(is(sample.path, "/a") && is(sample.query, "b=c?d"));
}

Test(sample, headers)
{
    struct arena arena;
    struct sample sample = {.field_count = 0};
    const char *const lines[] = {"A: b", "C:", "D:e:f "};
    const char *const wrong[] = {":a", "a", ""};
    arena_init(&arena, 4096, 8192);
    cr_assert_null(sample_set_fields(&sample, lines, 3, &arena));
    cr_assert_eq(sample.field_count, 3);
    cr_assert(is(sample.fields[0].value, "b") && is(sample.fields[1].value, ""));
    cr_assert(is(sample.fields[2].name, "D") && is(sample.fields[2].value, "e:f"));
    for (size_t i = 0; i < 3; i++)
        cr_assert_not_null(sample_set_fields(&sample, &wrong[i], 1, &arena));
    arena_done(&arena);
}
