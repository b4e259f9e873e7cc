/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of how queued events are delivered: at which rate, and signed with which key.
 */
#include "readers.h"
#include "text.h"
#include "values.h"

#include <postern/policy/sign.h>

#define SECOND_US UINT64_C(1000000)
/* Intervals are whole microseconds: at this rate they are still within 1 % of what was asked. */
#define MAX_PER_SECOND UINT64_C(10000)

static void refuse_rate(struct build *build, const struct setting *setting, struct node *node,
                        enum value_fault fault)
{
    if (fault == VALUE_NO_UNIT) {
        build_refuse(build, node, "missing unit: %s is \"%.*s\"", setting->path, SHOWN(node->text));
        report_hint(build->report, "write it with one, as in \"%.*s/s\"; units are %s",
                    SHOWN(node->text), VALUE_RATE_UNITS);
        return;
    }
    build_refuse(build, node, "%s must be a whole number with a unit, not \"%.*s\"", setting->path,
                 SHOWN(node->text));
    report_hint(build->report, "units are %s, as in 100/s", VALUE_RATE_UNITS);
}

SETTING_READER(read_rate)
{
    struct pace_opts *pace = target;
    uint64_t count = 0, period_us = 0;
    if (!build_is_value(build, setting, node))
        return;
    enum value_fault fault = value_rate(node->text, &count, &period_us);
    if (fault && fault != VALUE_TOO_LARGE) {
        refuse_rate(build, setting, node, fault);
    } else if (fault || count == 0 || count > MAX_PER_SECOND * (period_us / SECOND_US)) {
        build_refuse(build, node, "%s must be from 1/h to 10000/s, not %.*s", setting->path,
                     SHOWN(node->text));
        report_hint(build->report, "leave the line out for no limit");
    } else {
        uint64_t per_second = count * SECOND_US / period_us;
        pace->interval_us = (period_us + count - 1) / count; /* rather slower than faster */
        pace->burst = per_second > 0 ? (uint32_t)per_second : 1;
    }
}

SETTING_READER(read_sign_key)
{
    struct slice *key = target;
    struct slice secret;
    if (node->kind != NODE_SCALAR || !secret_is_reference(node->text))
        report_conceal(build->report, node->at.line, node->end_line);
    if (!build_is_value(build, setting, node) || !secret_read(build, node, &secret))
        return;
    enum status status = sign_secret(secret, build->arena, key);
    build->no_memory |= status == STATUS_NO_MEMORY;
    if (status != STATUS_INVALID)
        return;
    build_refuse(build, node, "%s can't be used to sign", setting->path);
    report_hint(build->report,
                "it has to be \"whsec_\" and the Base64 of 24 to 64 bytes, or a text "
                "of at least 16 bytes");
}
