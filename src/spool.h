/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file the spool is: the one that was configured, or the first default one that no other
 * gateway on this machine uses. Part of the composition root.
 */
#ifndef POSTERN_SRC_SPOOL_H
#define POSTERN_SRC_SPOOL_H

#include <postern/config/config.h>

/* Opens it. *ret_store stays NULL without a spool: switched off, or (with a warning) the default
 * one can't be opened. EXIT_FAILURE, with the reason on stderr, when a configured one can't. */
int open_spool(const struct config *config, struct log *log, struct sqlite_store **ret_store);

#endif
