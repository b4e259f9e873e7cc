/* SPDX-License-Identifier: Apache-2.0 */
/* For the cli tests: a command line in; exit status, output and errors out. */
#ifndef POSTERN_TESTS_CLI_CONSOLE_H
#define POSTERN_TESTS_CLI_CONSOLE_H

#include <postern/cli/cli.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_ARGUMENTS 80

struct console {
    int status;
    char *out, *err;
    size_t out_bytes, err_bytes;
};

static const char *served_path; /* what `serve` was called with; NULL: it was not */

static inline int note_serve(const char *path)
{
    served_path = path;
    return 42;
}

/* Runs "postern" with these arguments (ended by NULL) and `input` on standard input. */
static inline struct console run(struct slice input, const char *const *arguments)
{
    struct console console = {.out = NULL};
    char *argv[MAX_ARGUMENTS + 2] = {strdup("postern")};
    int argc = 1;
    for (; arguments[argc - 1]; argc++) {
        cr_assert_leq(argc, MAX_ARGUMENTS);
        argv[argc] = strdup(arguments[argc - 1]);
    }
    FILE *in = tmpfile();
    cr_assert_not_null(in);
    cr_assert_eq(fwrite(input.data, 1, input.len, in), input.len);
    rewind(in);
    struct cli_host host = {.version = "1.2.3",
                            .serve = note_serve,
                            .in = in,
                            .out = open_memstream(&console.out, &console.out_bytes),
                            .err = open_memstream(&console.err, &console.err_bytes)};
    console.status = cli_main(argc, argv, &host);
    fclose(host.in);
    fclose(host.out);
    fclose(host.err);
    while (argc-- > 0)
        free(argv[argc]);
    return console;
}

static inline void console_done(struct console *console)
{
    free(console->out);
    free(console->err);
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs with empty input. */
#define RUN(...) run(SLICE(""), ARGUMENTS(__VA_ARGS__))

#define assert_holds(text, words) cr_assert(strstr(text, words), "\"%s\" lacks: %s", text, words)

/* The status, and what standard output and standard error hold; NULL: nothing at all. */
static inline void expect(struct console console, int status, const char *out, const char *err)
{
    cr_assert_eq(console.status, status, "%d: %s%s", console.status, console.out, console.err);
    if (out)
        assert_holds(console.out, out);
    else
        cr_assert_str_empty(console.out);
    if (err)
        assert_holds(console.err, err);
    else
        cr_assert_str_empty(console.err);
    console_done(&console);
}

/* A file that is gone with the test. */
static char file_path[] = "/tmp/postern-cli-XXXXXX";

static inline void file_make(const char *text)
{
    int fd = mkstemp(file_path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static inline void file_remove(void)
{
    unlink(file_path);
}

#endif
