/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/sample: octets out of files and options. What they mean is explain_read's. */
#include "sample.h"

#include <criterion/criterion.h>

static struct buf wire;

static void tear_down(void)
{
    buf_done(&wire);
}

TestSuite(sample, .fini = tear_down);

static const char *read_text(const char *text, size_t ceiling)
{
    FILE *in = tmpfile();
    cr_assert_not_null(in);
    cr_assert_neq(fputs(text, in), EOF);
    rewind(in);
    buf_init(&wire, ceiling);
    const char *problem = sample_read(&wire, in);
    fclose(in);
    return problem;
}

static void expect(const char *text)
{
    struct slice got = buf_slice(&wire);
    cr_assert(slice_eq(got, slice_str(text)), "%.*s", (int)got.len, got.data);
}

Test(sample, a_file_up_to_its_ceiling)
{
    cr_assert_null(read_text("12345", 6));
    expect("12345");
    buf_done(&wire);
    cr_assert_null(read_text("12345", 5));
    expect("12345");
    buf_done(&wire);
    cr_assert_str_eq(read_text("12345", 4), "larger than the limits of this route");
}

Test(sample, a_file_that_cannot_be_read)
{
    FILE *folder = fopen("/tmp", "rbe");
    cr_assert_not_null(folder);
    buf_init(&wire, 10);
    cr_assert_str_eq(sample_read(&wire, folder), "it can't be read");
    fclose(folder);
}

static const char *write_parts(const char *target, const char *const *headers, size_t count,
                               const char *body)
{
    struct sample_parts parts = {
        .target = target, .headers = headers, .header_count = count, .body = slice_str(body)};
    return sample_write(&wire, &parts);
}

Test(sample, parts_become_a_post)
{
    const char *const headers[] = {"A: b", "C:", "D:e:f "};
    buf_init(&wire, 1000);
    cr_assert_null(write_parts("/a?b=c", headers, 3, "xyz"));
    expect("POST /a?b=c HTTP/1.1\r\nA: b\r\nC: \r\nD: e:f\r\nHost: localhost\r\n"
           "Content-Length: 3\r\n\r\nxyz");
}

Test(sample, the_length_is_the_body_s_and_the_host_may_be_given)
{
    const char *const headers[] = {"content-length: 99", "Transfer-Encoding: chunked",
                                   "HOST: hooks.example.com"};
    buf_init(&wire, 1000);
    cr_assert_null(write_parts("/", headers, 3, ""));
    expect("POST / HTTP/1.1\r\nHOST: hooks.example.com\r\nContent-Length: 0\r\n\r\n");
}

Test(sample, headers_that_are_none)
{
    const char *const wrong[] = {":a", "a", ""};
    buf_init(&wire, 1000);
    for (size_t i = 0; i < 3; i++)
        cr_assert_str_eq(write_parts("/", &wrong[i], 1, ""), "a header is written \"Name: value\"");
    cr_assert_eq(buf_len(&wire), 0);
}

Test(sample, no_room)
{
    buf_init(&wire, 40);
    cr_assert_str_eq(write_parts("/", NULL, 0, "xyz"), "larger than the limits of this route");
}
