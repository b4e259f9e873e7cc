/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of store/limit_command: the bytes of a command, the room it asks for, every kind of
 * reply. What the script does is shown by a real server in tests/contract/limiter. */
#include "limit_cell.h"
#include "limit_clock.h"
#include "limit_command.h"

#include <criterion/criterion.h>

static struct limit_commands commands;

static void prepare(void)
{
    limit_commands_init(&commands, SLICE("p:x"));
    memset(commands.script.sha, 'f', sizeof commands.script.sha);
}

TestSuite(limit_command, .init = prepare);

static struct slice command_of(const struct limit_op *op)
{
    static char text[4096];
    size_t len = (size_t)(limit_command_put(&commands, text, op) - text);
    cr_expect_leq(len, limit_command_max(&commands, op));
    return slice_of(text, len);
}

Test(limit_command, a_take)
{
    struct limit_op op = limit_op_of(0, 1000, 7, LIMIT_TAKE);
    memcpy(op.id, "\xef\xcd\xab\x89\x67\x45\x23\x01", 8);
    cr_assert(slice_eq(command_of(&op),
                       SLICE("*7\r\n$7\r\nEVALSHA\r\n"
                             "$40\r\nffffffffffffffffffffffffffffffffffffffff\r\n$1\r\n1\r\n"
                             "$44\r\np:x:limit:{efcdab89674523010000000000000000}\r\n"
                             "$4\r\n1000\r\n$4\r\n7000\r\n$1\r\n0\r\n")));
}

Test(limit_command, a_give_back)
{
    struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_GIVE_BACK);
    op.back_us = 999;
    struct slice text = command_of(&op);
    cr_assert(slice_eq(slice_skip(text, text.len - 9), SLICE("$3\r\n999\r\n")));
}

Test(limit_command, the_source_goes_along_when_it_is_sent_again)
{
    struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_TAKE);
    op.resent = true;
    struct slice text = command_of(&op);
    cr_assert(slice_starts(text, SLICE("*7\r\n$4\r\nEVAL\r\n$")));
    cr_assert_not_null(
        memmem(text.data, text.len, commands.script.source.data, commands.script.source.len));
}

Test(limit_command, the_largest_numbers_fit)
{
    struct limit_op op = limit_op_of(UINT64_MAX, LIMIT_REACH_MAX_US, UINT32_MAX, LIMIT_TAKE);
    (void)command_of(&op);
    op.resent = true;
    (void)command_of(&op);
    op.verb = LIMIT_GIVE_BACK;
    op.back_us = LIMIT_REACH_MAX_US;
    (void)command_of(&op);
}

/* ---- replies ---- */

static enum limit_taken take(struct limit_op *op, enum redis_reply_type type, int64_t integer,
                             const char *text)
{
    struct redis_reply reply = {.type = type, .integer = integer, .text = slice_str(text)};
    return limit_command_take(op, &reply);
}

Test(limit_command, allowed)
{
    struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_TAKE);
    op.local = true;
    cr_assert_eq(take(&op, REDIS_INTEGER, 1500, ""), LIMIT_TAKEN);
    cr_assert(op.allowed && !op.local);
    cr_assert_eq(op.remaining, 5);
    cr_assert_eq(op.wait_us, 0);
    cr_assert_eq(op.recovered_us, 1500);
}

Test(limit_command, refused)
{
    struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_TAKE);
    cr_assert_eq(take(&op, REDIS_INTEGER, -6999, ""), LIMIT_TAKEN);
    cr_assert_not(op.allowed);
    cr_assert_eq(op.remaining, 0);
    cr_assert_eq(op.wait_us, 999);
    cr_assert_eq(op.recovered_us, 6999);
}

Test(limit_command, given_back_to_an_idle_cell)
{
    struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_GIVE_BACK);
    cr_assert_eq(take(&op, REDIS_INTEGER, 0, ""), LIMIT_TAKEN);
    cr_assert(op.allowed);
    cr_assert_eq(op.remaining, 7);
    cr_assert_eq(op.recovered_us, 0);
}

Test(limit_command, a_lost_script_is_sent_again_once)
{
    struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_TAKE);
    cr_assert_eq(take(&op, REDIS_ERROR, 0, "NOSCRIPT No matching script."), LIMIT_TAKEN_SEND_AGAIN);
    cr_assert(op.resent);
    cr_assert_eq(take(&op, REDIS_ERROR, 0, "NOSCRIPT No matching script."), LIMIT_TAKEN_ERROR);
}

Test(limit_command, errors)
{
    static const char *const errors[] = {"ERR x",       "OOM x",    "READONLY x",
                                         "WRONGTYPE x", "NOPERM x", ""};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_TAKE);
        cr_expect_eq(take(&op, REDIS_ERROR, 0, errors[i]), LIMIT_TAKEN_ERROR, "%s", errors[i]);
        cr_expect_not(op.resent);
    }
}

Test(limit_command, nonsense)
{
    static const enum redis_reply_type types[] = {REDIS_NIL, REDIS_STRING, REDIS_STATUS,
                                                  REDIS_OTHER};
    struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_TAKE);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        cr_expect_eq(take(&op, types[i], 1, "1"), LIMIT_TAKEN_NONSENSE, "%zu", i);
    cr_expect_eq(take(&op, REDIS_INTEGER, INT64_MIN, ""), LIMIT_TAKEN_NONSENSE);
}

/* A broken server's numbers are taken as they are, and nothing overflows. */
Test(limit_command, integers_out_of_reach)
{
    struct limit_op op = limit_op_of(1, 1000, 7, LIMIT_TAKE);
    cr_assert_eq(take(&op, REDIS_INTEGER, INT64_MAX, ""), LIMIT_TAKEN);
    cr_assert_eq(op.remaining, 0);
    cr_assert_eq(take(&op, REDIS_INTEGER, -INT64_MAX, ""), LIMIT_TAKEN);
    cr_assert_eq(op.wait_us, 1000);
}
