/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands as they go over the wire, byte for byte, and that none outgrows what was reserved for
 * it.
 */
#include "redis_command.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define KEY "$44\r\npre:{route}:01000000000000000000000000000000\r\n"
#define TOKEN "$34\r\np:02000000000000000000000000000000\r\n"

static struct redis_commands commands;
static struct dedup_op op;

static void prepare(void)
{
    redis_commands_init(&commands, SLICE("pre"));
    for (size_t i = 0; i < REDIS_SCRIPTS; i++)
        memcpy(commands.scripts[i].sha, SHA, REDIS_SHA_LEN);
    op = (struct dedup_op){.route = SLICE("route"), .lease_ms = 30000, .window_ms = 86400000};
    op.key.digest[0] = 1;
    op.token.bytes[0] = 2;
    op.since_ms = 1000;
    op.ends_at_ms = op.since_ms + op.window_ms;
    op.done = (struct dedup_first){.event_id = op.token, .status = 202, .accepted_at_ms = 17};
}

TestSuite(redis_command, .init = prepare);

static void check(unsigned verb, const char *expected)
{
    char text[2048];
    op.verb = (uint8_t)verb;
    size_t max = redis_command_max(&commands, &op);
    cr_assert_leq(max, sizeof text);
    size_t len = (size_t)(redis_command_put(&commands, text, &op) - text);
    cr_assert_leq(len, max);
    cr_assert(slice_eq(slice_of(text, len), slice_str(expected)), "%.*s", (int)len, text);
}

Test(redis_command, claim)
{
    check(VERB_CLAIM,
          "*7\r\n$3\r\nSET\r\n" KEY TOKEN "$2\r\nNX\r\n$3\r\nGET\r\n$2\r\nPX\r\n$5\r\n30000\r\n");
}

Test(redis_command, renew)
{
    const char *expected = "*6\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n$1\r\n1\r\n" KEY TOKEN
                           "$5\r\n30000\r\n";
    check(VERB_RENEW, expected);
    check(VERB_CLAIM_AGAIN, expected);
}

Test(redis_command, settle)
{
    check(VERB_SETTLE, "*7\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n$1\r\n1\r\n" KEY TOKEN
                       "$50\r\nd:02000000000000000000000000000000:202:17:86400000\r\n"
                       "$8\r\n86400000\r\n");
}

#define DONE "$50\r\nd:02000000000000000000000000000000:202:17:86400000\r\n"

Test(redis_command, a_debt_is_settled_for_what_is_left_of_the_window)
{
    op.since_ms += 86000000;
    check(VERB_DEBT,
          "*7\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n$1\r\n1\r\n" KEY TOKEN DONE "$6\r\n400000\r\n");
    op.since_ms = op.ends_at_ms;
    check(VERB_DEBT,
          "*7\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n$1\r\n1\r\n" KEY TOKEN DONE "$1\r\n1\r\n");
}

Test(redis_command, release)
{
    const char *expected = "*5\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n$1\r\n1\r\n" KEY TOKEN;
    check(VERB_RELEASE, expected);
    check(VERB_DOUBT, expected);
    check(VERB_DOUBT | VERB_WAIVED, expected);
}

Test(redis_command, forget)
{
    check(VERB_FORGET, "*2\r\n$3\r\nDEL\r\n" KEY);
}

Test(redis_command, peek)
{
    check(VERB_PEEK, "*2\r\n$3\r\nGET\r\n" KEY);
}

#define NOTED_TOKEN "$38\r\np:02000000000000000000000000000000;\r\n\"\r\n"

Test(redis_command, notes)
{
    op.note = SLICE("\r\n\"");
    check(VERB_CLAIM, "*7\r\n$3\r\nSET\r\n" KEY NOTED_TOKEN
                      "$2\r\nNX\r\n$3\r\nGET\r\n$2\r\nPX\r\n$5\r\n30000\r\n");
    check(VERB_RENEW,
          "*6\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n$1\r\n1\r\n" KEY NOTED_TOKEN "$5\r\n30000\r\n");
    check(VERB_SETTLE, "*7\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n$1\r\n1\r\n" KEY TOKEN
                       "$54\r\nd:02000000000000000000000000000000:202:17:86400000;\r\n\"\r\n"
                       "$8\r\n86400000\r\n");
    check(VERB_RELEASE, "*5\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n$1\r\n1\r\n" KEY TOKEN);
    check(VERB_FORGET, "*2\r\n$3\r\nDEL\r\n" KEY);
}

Test(redis_command, room_for_a_note_is_only_reserved_where_it_is_sent)
{
    op.note = slice_of(NULL, DEDUP_NOTE_MAX);
    op.verb = VERB_RELEASE;
    cr_assert_lt(redis_command_max(&commands, &op), 1024);
    op.verb = VERB_PEEK;
    cr_assert_lt(redis_command_max(&commands, &op), 1024);
    op.verb = VERB_DEBT;
    cr_assert_gt(redis_command_max(&commands, &op), DEDUP_NOTE_MAX);
}

Test(redis_command, a_script_sent_again_comes_with_its_source)
{
    char expected[1024];
    struct slice source = commands.scripts[2].source;
    snprintf(expected, sizeof expected, "*5\r\n$4\r\nEVAL\r\n$%zu\r\n%.*s\r\n$1\r\n1\r\n%s%s",
             source.len, (int)source.len, source.data, KEY, TOKEN);
    check(VERB_RELEASE | VERB_RESENT, expected);
}

/* Under AddressSanitizer an overrun of the reserved bytes is seen here. */
Test(redis_command, the_longest_commands_fit_their_reservation)
{
    op.lease_ms = UINT32_MAX;
    op.window_ms = UINT64_MAX;
    op.ends_at_ms = UINT64_MAX;
    op.since_ms = 0;
    op.done.status = UINT16_MAX;
    op.done.accepted_at_ms = UINT64_MAX;
    op.route = SLICE("");
    op.note = SLICE("note");
    commands.prefix = SLICE("");
    for (unsigned verb = VERB_CLAIM; verb <= VERB_DEBT; verb++) {
        for (unsigned resent = 0; resent <= VERB_RESENT; resent += VERB_RESENT) {
            op.verb = (uint8_t)(verb | resent);
            size_t max = redis_command_max(&commands, &op);
            char *text = malloc(max);
            cr_assert_leq((size_t)(redis_command_put(&commands, text, &op) - text), max);
            free(text);
        }
    }
}
