/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract on PostgreSQL: taking and ending; the rest is in queue_postgres_keeping.c,
 * what only PostgreSQL can show in queue_postgres_faults.c.
 */
#include "support/queue_rig.h"
#include "support/queue_suite.h"

#include <criterion/criterion.h>

static void open_rig(void)
{
    queue_rig_open(&queue_kind_postgres);
}

TestSuite(queue_postgres, .init = open_rig, .fini = queue_rig_close);

#define SUITE_TEST(name)                                                                           \
    Test(queue_postgres, name)                                                                     \
    {                                                                                              \
        queue_suite_##name();                                                                      \
    }
QUEUE_SUITE_TAKING(SUITE_TEST)
QUEUE_SUITE_ENDING(SUITE_TEST)
