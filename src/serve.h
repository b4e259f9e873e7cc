/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern serve`: the process.
 */
#ifndef POSTERN_SRC_SERVE_H
#define POSTERN_SRC_SERVE_H

/* Runs until a signal ends it. Returns the exit status: 0 everything was flushed, 1 it could not
 * start or records were lost, 78 bad config. */
int serve(const char *config_path);

#endif
