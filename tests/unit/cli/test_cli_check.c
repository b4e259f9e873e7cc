/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of cli/cli_check: a good file, one with warnings, a bad one, none; the reference. */
#include "console.h"

#define GOOD                                                                                       \
    "listen: [{address: 127.0.0.1:1}]\n"                                                           \
    "upstreams: {a: {endpoints: http://h}}\n"                                                      \
    "routes: [{name: events, upstream: a, match: {path: /}, key: {json: id}}]\n"

TestSuite(cli_check, .fini = file_remove);

Test(cli_check, a_good_file)
{
    file_make(GOOD);
    expect(RUN("check", "-c", file_path), CLI_OK,
           "route events: / -> a, key json[id], window 24h, lease 30s, ack async\n", NULL);
    expect(RUN("check", "-q", "-c", file_path), CLI_OK, NULL, NULL);
}

Test(cli_check, a_file_with_a_warning)
{
    file_make(GOOD "journal: {spool: {path: /s}}\n");
    expect(RUN("check", "-c", file_path), CLI_OK, "route events", ":4:18: warning: ");
}

Test(cli_check, a_bad_file)
{
    file_make(GOOD "wrokers: 1\n");
    expect(RUN("check", "-c", file_path), CLI_BAD_CONFIG, NULL,
           ":4:1: error: unknown key \"wrokers\"\n");
}

Test(cli_check, no_file)
{
    expect(RUN("check", "-c", "/nonexistent"), CLI_BAD_CONFIG, NULL,
           "/nonexistent: error: can't read it");
    expect(RUN("check"), CLI_USAGE, NULL, "postern check: give the file with --config FILE");
    expect(RUN("check", "-c"), CLI_USAGE, NULL, "-c needs a value");
}

Test(cli_check, the_reference_needs_no_file)
{
    expect(RUN("check", "--reference"), CLI_OK, "| `routes` | **required** |", NULL);
}
