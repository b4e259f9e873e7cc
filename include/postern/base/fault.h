/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named points at which a test may kill or stop the process, for the crash matrix in tests/fault:
 * what promises to survive a crash is killed right before and after each step that matters. Only
 * builds with -DPOSTERN_FAULTS=ON have them; elsewhere FAULT_POINT is ((void)0), so a release holds
 * neither the code nor the names. The lint test for that: in a build without the option, `nm` of
 * the binary shows no symbol `fault_hit` and `strings` no "POSTERN_FAULT".
 *
 *   POSTERN_FAULT=after_claim     postern serve …    dies the first time it gets there
 *   POSTERN_FAULT=after_claim:3   postern serve …    dies the third time
 *   POSTERN_FAULT=after_claim:3:stop                 stands still there until SIGCONT
 */
#ifndef POSTERN_BASE_FAULT_H
#define POSTERN_BASE_FAULT_H

#ifdef POSTERN_FAULTS

/* Counts a visit of the point `name`; kills the process with SIGKILL, or stops it with SIGSTOP,
 * when the environment variable POSTERN_FAULT (read once) names this visit. Any thread. */
void fault_hit(const char *name);

#define FAULT_POINT(name) fault_hit(name)

#else

#define FAULT_POINT(name) ((void)0)

#endif

#endif
