/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which header fields are credentials: their values open a door, so people and the audit see "***".
 * The one place for this rule. Signatures prove a body and open no door: they are none.
 */
#ifndef POSTERN_POLICY_CREDENTIAL_H
#define POSTERN_POLICY_CREDENTIAL_H

#include <postern/base/slice.h>
#include <stdbool.h>

/* What stands in the place of a credential's value. */
#define CREDENTIAL_MASK SLICE("***")

/* True when a field of this name (any case) carries a credential: by the end of the name, since
 * every sender has its own beginning ("X-Gitlab-Token"). */
bool credential_is_field(struct slice name);

#endif
