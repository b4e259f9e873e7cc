/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault points of test builds; empty in a release. SIGKILL rather than abort or exit: nothing
 * may be flushed, closed or handed back on the way out, as in a power cut.
 */
#include <postern/base/fault.h>

#include <postern/base/slice.h>

#ifdef POSTERN_FAULTS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct slice armed;       /* the name in the environment; empty when there is none */
static atomic_ulong visits_left; /* it happens on the visit that finds 1 */
static bool stops;               /* rather than dies */

static void read_environment(void)
{
    const char *text = getenv("POSTERN_FAULT");
    const char *colon = text ? strchr(text, ':') : NULL;
    char *end = NULL;
    armed = colon ? slice_of(text, (size_t)(colon - text)) : slice_str(text);
    atomic_store(&visits_left, colon ? strtoul(colon + 1, &end, 10) : 1);
    stops = end && strcmp(end, ":stop") == 0;
}

void fault_hit(const char *name)
{
    pthread_once(&once, read_environment);
    if (armed.len == 0 || !slice_eq(armed, slice_str(name)))
        return;
    if (atomic_fetch_sub(&visits_left, 1) != 1)
        return;
    if (stops)
        (void)raise(SIGSTOP); /* this thread is not a step further when the process goes on */
    else
        kill(getpid(), SIGKILL);
}

#endif
