/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration was warned of, as lines of the log: whoever collects the log gets one
 * object a line, and a person at a terminal sees the same.
 */
#ifndef POSTERN_SRC_WARNINGS_H
#define POSTERN_SRC_WARNINGS_H

#include <postern/base/log.h>
#include <postern/base/slice.h>

/* Logs each warning of a report of config_load that found no error: where, what, and the hint. The
 * excerpts of the file are left out. */
void warnings_log(struct log *log, struct slice report);

#endif
