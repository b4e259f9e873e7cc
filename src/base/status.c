/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for enum status, as they stand in log lines and in `postern check`. Nothing decides by
 * them; whoever needs to decide looks at the number.
 */
#include <postern/base/status.h>

const char *status_text(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_NO_MEMORY:
        return "out of memory";
    case STATUS_FULL:
        return "full";
    case STATUS_INVALID:
        return "invalid";
    case STATUS_UNAVAILABLE:
        return "unavailable";
    case STATUS_TIMED_OUT:
        return "timed out";
    case STATUS_REFUSED:
        return "refused";
    case STATUS_IO:
        return "i/o error";
    case STATUS_CLOSING:
        return "closing";
    }
    return "unknown status";
}
