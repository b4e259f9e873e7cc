/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of a route's rate limit: two rates, and whose requests are counted together.
 */
#include "readers.h"
#include "text.h"

SETTING_READER(read_route_rate)
{
    struct rate_opts *rate = target;
    struct pace_opts pace = {.interval_us = rate->interval_us, .burst = rate->burst};
    read_rate(build, setting, node, &pace);
    rate->interval_us = pace.interval_us;
    rate->burst = pace.burst;
}

SETTING_READER(read_duplicate_rate)
{
    struct rate_opts *rate = target;
    struct pace_opts pace = {.interval_us = rate->duplicate_interval_us,
                             .burst = rate->duplicate_burst};
    read_rate(build, setting, node, &pace);
    rate->duplicate_interval_us = pace.interval_us;
    rate->duplicate_burst = pace.burst;
}

SETTING_READER(read_per)
{
    struct rate_opts *rate = target;
    struct node *child = node->kind == NODE_MAP && node->count == 1 ? node->first : NULL;
    if (node->kind == NODE_SCALAR && slice_eq(node->text, SLICE("client"))) {
        rate->per = LIMIT_PER_CLIENT;
    } else if (node->kind == NODE_SCALAR && slice_eq(node->text, SLICE("route"))) {
        rate->per = LIMIT_PER_ROUTE;
    } else if (child && slice_eq(child->key, SLICE("header"))) {
        rate->per = LIMIT_PER_HEADER;
        if (child->kind != NODE_BROKEN && !header_name_read(build, child, &rate->header))
            node->refused = true;
    } else {
        build_refuse(build, node, "%s must be client, route or a header", setting->path);
        report_hint(build->report, "client, route, {header: X-Tenant}");
    }
}
