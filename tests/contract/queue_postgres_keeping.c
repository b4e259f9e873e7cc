/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract on PostgreSQL: leases, upkeep, the end. Apart from the rest only because
 * each test takes a new server, and a program has to end in time.
 */
#include "support/queue_rig.h"
#include "support/queue_suite.h"

#include <criterion/criterion.h>

static void open_rig(void)
{
    queue_rig_open(&queue_kind_postgres);
}

TestSuite(queue_postgres_keeping, .init = open_rig, .fini = queue_rig_close);

#define SUITE_TEST(name)                                                                           \
    Test(queue_postgres_keeping, name)                                                             \
    {                                                                                              \
        queue_suite_##name();                                                                      \
    }
QUEUE_SUITE_KEEPING(SUITE_TEST)
