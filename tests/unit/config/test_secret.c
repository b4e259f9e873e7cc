/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/secret: variables and files, there and missing, and that no secret is ever
 * told. */
#include "build.h"
#include "parsing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/postern-secret-XXXXXX";

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void remove_folder(void)
{
    unlink(path_of("secret"));
    rmdir(folder);
}

TestSuite(secret, .init = make_folder, .fini = remove_folder);

static void write_secret(const char *bytes, size_t len)
{
    FILE *file = fopen(path_of("secret"), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}

static struct parsed parse_token(const char *token)
{
    char top[256];
    snprintf(top, sizeof(top), "admin: {token: \"%s\"}\n", token);
    return parse_with(top, "", "");
}

static struct parsed parse_token_file(void)
{
    char token[160];
    snprintf(token, sizeof(token), "file:%s", path_of("secret"));
    return parse_token(token);
}

static void token_is(struct parsed *parsed, const char *expected)
{
    assert_clean(*parsed);
    cr_assert(slice_eq(parsed->config->admin_token, slice_str(expected)));
    parsed_done(parsed);
}

static void token_error_is(struct parsed *parsed, const char *words)
{
    assert_one_error(*parsed, words);
    cr_assert(strstr(parsed->report, "f.yaml:9:16: error"), "%s", parsed->report);
    parsed_done(parsed);
}

Test(secret, of_a_variable)
{
    setenv("POSTERN_TEST_TOKEN", "sixteen-or-more-characters", 1);
    struct parsed parsed = parse_token("env:POSTERN_TEST_TOKEN");
    token_is(&parsed, "sixteen-or-more-characters");
    setenv("POSTERN_TEST_TOKEN", "sixteen-or-more-characters\n", 1);
    parsed = parse_token("env:POSTERN_TEST_TOKEN");
    token_is(&parsed, "sixteen-or-more-characters");
}

Test(secret, of_a_variable_that_is_missing_or_empty)
{
    struct parsed parsed = parse_token("env:POSTERN_TEST_NOT_SET");
    token_error_is(&parsed, "the environment variable POSTERN_TEST_NOT_SET is not set");
    setenv("POSTERN_TEST_TOKEN", "", 1);
    parsed = parse_token("env:POSTERN_TEST_TOKEN");
    token_error_is(&parsed, "the secret in POSTERN_TEST_TOKEN is empty");
    parsed = parse_token("env:");
    token_error_is(&parsed, "env: needs the name");
}

Test(secret, of_a_file)
{
    write_secret("sixteen-or-more-characters", 26);
    struct parsed parsed = parse_token_file();
    token_is(&parsed, "sixteen-or-more-characters");
    write_secret("sixteen-or-more-characters\r\n", 28);
    parsed = parse_token_file();
    token_is(&parsed, "sixteen-or-more-characters");
    write_secret(" sixteen-or-more-characters ", 28);
    parsed = parse_token_file();
    token_is(&parsed, " sixteen-or-more-characters ");
}

Test(secret, of_a_file_that_can_not_be_read)
{
    struct parsed parsed = parse_token_file();
    token_error_is(&parsed, "No such file or directory");
    parsed = parse_token("file:");
    token_error_is(&parsed, "file: needs the path");
    char token[160];
    snprintf(token, sizeof(token), "file:%s", folder);
    parsed = parse_token(token);
    token_error_is(&parsed, "Is a directory");
}

Test(secret, of_a_file_that_is_no_secret)
{
    write_secret("", 0);
    struct parsed parsed = parse_token_file();
    token_error_is(&parsed, "is empty");
    write_secret("\n", 1);
    parsed = parse_token_file();
    token_error_is(&parsed, "is empty");
    write_secret("hidden-line-1\nhidden-line-2\n", 28);
    parsed = parse_token_file();
    cr_assert_null(strstr(parsed.report, "hidden"), "%s", parsed.report);
    token_error_is(&parsed, "is not one line of text");
    write_secret("hidden\0x", 8);
    parsed = parse_token_file();
    token_error_is(&parsed, "is not one line of text");
}

Test(secret, of_a_file_at_and_above_its_largest)
{
    char *bytes = malloc(65536);
    cr_assert_not_null(bytes);
    memset(bytes, 'a', 65536);
    write_secret(bytes, 65535);
    struct parsed parsed = parse_token_file();
    assert_clean(parsed);
    cr_assert_eq(parsed.config->admin_token.len, 65535);
    parsed_done(&parsed);
    write_secret(bytes, 65536);
    parsed = parse_token_file();
    token_error_is(&parsed, "is larger than a secret");
    free(bytes);
}

Test(secret, a_path_at_and_above_its_longest)
{
    char token[8 + 4096];
    memset(token, 'a', sizeof(token));
    memcpy(token, "file:/", 6);
    char text[8192];
    for (size_t len = 4095; len <= 4096; len++) {
        snprintf(text, sizeof(text), "admin: {token: \"%.*s\"}\n", (int)(5 + len), token);
        struct parsed parsed = parse_with(text, "", "");
        assert_one_error(parsed, len == 4095 ? "File name too long" : "needs the path of a file");
        parsed_done(&parsed);
    }
}

Test(secret, a_literal_token_is_refused_and_not_told)
{
    struct parsed parsed = parse_token("hushhushhushhush");
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    token_error_is(&parsed, "admin.token must be env:NAME or file:PATH, not the secret itself");
}

Test(secret, a_literal_token_is_not_told_by_another_error_of_its_line)
{
    struct parsed parsed = parse(SLICE("admin:\n  token:\n    'hush\n    hush'\nx: 1\n"));
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    parsed_done(&parsed);
    parsed = parse(SLICE("admin: {token: 'hush', adress: x}\n"));
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    parsed_done(&parsed);
    parsed = parse(SLICE("admin: {token: 'hush', adress: [}\n"));
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    parsed_done(&parsed);
}

Test(secret, a_short_token_is_a_warning)
{
    setenv("POSTERN_TEST_TOKEN", "fifteen-charact", 1);
    struct parsed parsed = parse_token("env:POSTERN_TEST_TOKEN");
    assert_one_warning(parsed, "admin.token is shorter than 16 characters");
    cr_assert_null(strstr(parsed.report, "fifteen"));
    parsed_done(&parsed);
    setenv("POSTERN_TEST_TOKEN", "sixteen-characte", 1);
    parsed = parse_token("env:POSTERN_TEST_TOKEN");
    token_is(&parsed, "sixteen-characte");
}

Test(secret, is_wiped)
{
    char bytes[] = "hush";
    secret_wipe(slice_of(bytes, 4));
    cr_assert_eq(memcmp(bytes, "\0\0\0\0", 4), 0);
    secret_wipe(slice_of(NULL, 0));
}
