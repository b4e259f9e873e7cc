/* SPDX-License-Identifier: Apache-2.0 */
/* The table of schemes. Private to policy/. */
#ifndef POSTERN_POLICY_VERIFY_SCHEMES_H
#define POSTERN_POLICY_VERIFY_SCHEMES_H

#include "verifier.h"

/* The row of a scheme; VERIFY_NONE has one that can't check, and so have values beyond the enum. */
const struct verify_row *verify_row(enum verify_scheme scheme);

#endif
