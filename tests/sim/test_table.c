/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the step table: every step is whole, and the rules that need no run hold.
 */
#include "sim.h"
#include <criterion/criterion.h>

Test(table, every_step_is_whole)
{
    for (int i = 0; i < EX_STATES; i++) {
        const struct ex_step *step = &ex_steps[i];
        cr_assert_not_null(step->name, "step %d has no name", i);
        cr_assert(step->begin && step->finish && step->late && step->timeout && step->deadline,
                  "step %s lacks an entry", step->name);
    }
}

Test(table, names_are_distinct)
{
    for (int i = 0; i < EX_STATES; i++)
        for (int j = i + 1; j < EX_STATES; j++)
            cr_assert_str_neq(ex_steps[i].name, ex_steps[j].name);
}

/* Before the claim a vanished client ends the exchange; once there may be a claim to settle, never.
 */
Test(table, a_vanished_client_aborts_only_before_the_work)
{
    for (int i = 0; i < EX_STATES; i++) {
        enum gone_rule expected = i <= EX_REPEAT ? GONE_ABORT : GONE_DETACH;
        cr_assert_eq(ex_steps[i].gone, expected, "step %s", ex_steps[i].name);
    }
}

/* A step that can wait has a deadline of its own; forward's are the upstream's, respond's begins
 * when the client falls behind. */
Test(table, waiting_steps_have_deadlines)
{
    struct sim *sim = sim_open("", "");
    struct sim_client *client = sim_begin(sim, "POST", "/hook", 3, "");
    const enum ex_state waiting[] = {EX_RECEIVE, EX_ADMIT,  EX_VERIFY, EX_CLAIM,  EX_REPEAT,
                                     EX_ENQUEUE, EX_RECORD, EX_SETTLE, EX_RELEASE};
    client->ex->park_until_ms = UINT64_MAX;
    for (size_t i = 0; i < sizeof waiting / sizeof waiting[0]; i++)
        cr_assert_gt(ex_steps[waiting[i]].deadline(client->ex), loop_now_ms(sim->loop), "step %s",
                     ex_steps[waiting[i]].name);
    cr_assert_gt(ex_steps[EX_PARK].deadline(client->ex), loop_now_ms(sim->loop));
    sim_leave(client);
    sim_client_free(client);
    sim_close(sim);
}
