/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of what concerns the process as a whole: workers, listeners, trusted proxies, admin
 * access, log format; and the text checks that several scopes share.
 */
#include "readers.h"
#include "text.h"
#include "values.h"

#include <sched.h>

#define TOKEN_MIN_BYTES 16u /* below it there is a warning */

/* Processors this process may run on: what a container's cpuset leaves, not what the machine
 * has. */
static uint32_t usable_processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1; /* more than 1024 of them: then the number is written out */
    int count = CPU_COUNT(&set);
    return count > 0 ? (uint32_t)count : 1;
}

SETTING_READER(read_workers)
{
    uint32_t *workers = target;
    uint64_t number;
    if (!build_is_value(build, setting, node))
        return;
    if (slice_eq(node->text, SLICE("auto"))) {
        number = usable_processors();
        *workers = (uint32_t)(number < setting->max ? number : setting->max);
    } else if (value_count(node->text, &number) || number < setting->min || number > setting->max) {
        build_refuse(build, node, "workers must be auto or a number from 1 to 256, not \"%.*s\"",
                     SHOWN(node->text));
    } else {
        *workers = (uint32_t)number;
    }
}

static void refuse_address(struct build *build, struct node *node)
{
    build_refuse(build, node, "\"%.*s\" is not an address and port", SHOWN(node->text));
    if (node->text.len > 0 && node->text.data[0] == ':')
        report_hint(build->report, "did you mean \"0.0.0.0%.*s\"?", SHOWN(node->text));
    else
        report_hint(build->report, "write numbers: 0.0.0.0:8080, \"[::]:8080\", 127.0.0.1:9901");
}

SETTING_READER(read_address)
{
    struct address *address = target;
    if (build_is_value(build, setting, node) && address_parse(node->text, address) != STATUS_OK)
        refuse_address(build, node);
}

/* The earlier listener whose address has the same bytes, or NULL. Port 0 is a new one each time. */
static const struct node *same_listener(const struct node *list, const struct node *item)
{
    const struct node *address = node_child(item, SLICE("address"));
    if (!address)
        return NULL;
    for (const struct node *other = list->first; other != item; other = other->next) {
        const struct node *its = node_child(other, SLICE("address"));
        if (its && slice_eq(its->text, address->text))
            return its;
    }
    return NULL;
}

/* A list of one, out of the pair that stands without one. */
static void take_single(struct build *build, struct listener_settings *settings)
{
    if (settings->single.certificate.len == 0 || settings->opts.tls.certificate_count > 0)
        return;
    struct tls_certificate *certificate = build_alloc(build, sizeof(*certificate));
    if (!certificate)
        return;
    *certificate = settings->single;
    settings->opts.tls.certificates = certificate;
    settings->opts.tls.certificate_count = 1;
}

static void read_listener(struct build *build, const struct node *list, struct node *item)
{
    struct config *config = build->config;
    struct listener_settings settings = {.single = {.key = {.len = 0}}};
    settings_read(build, &SCOPE_LISTENER, item, &settings);
    take_single(build, &settings);
    build->listen_nodes[config->listen_count] = item;
    config->listen[config->listen_count++] = settings.opts;
    const struct node *same = same_listener(list, item);
    if (!same ||
        (same->text.len > 1 && slice_eq(slice_skip(same->text, same->text.len - 2), SLICE(":0"))))
        return;
    build_refuse(build, node_child(item, SLICE("address")), "the same address twice");
    report_hint(build->report, "it is given on line %u already", same->at.line);
}

SETTING_READER(read_listeners)
{
    struct config *config = target;
    if (node->kind != NODE_LIST || node->count == 0 || node->count > BUILD_MAX_LISTENERS) {
        build_refuse(build, node, "listen must be a list of 1 to %u listeners",
                     BUILD_MAX_LISTENERS);
        report_hint(build->report, "give it as %s", setting->form);
        return;
    }
    config->listen = build_alloc(build, node->count * sizeof(struct listen_opts));
    build->listen_nodes = build_alloc(build, node->count * sizeof(struct node *));
    if (!config->listen || !build->listen_nodes)
        return;
    for (struct node *item = node->first; item; item = item->next) {
        if (item->kind == NODE_MAP)
            read_listener(build, node, item);
        else if (item->kind != NODE_BROKEN)
            build_refuse(build, item, "a listener must be a map: {address: 0.0.0.0:8080}");
    }
}

/* The networks of the file while they are read. */
struct networks {
    struct network *list;
    size_t count;
};

static void read_network(struct build *build, struct node *item, void *target)
{
    struct networks *networks = target;
    if (network_parse(item->text, &networks->list[networks->count]) != STATUS_OK) {
        build_refuse(build, item, "\"%.*s\" is not an address or network", SHOWN(item->text));
        report_hint(build->report, "write 10.0.0.5, 10.0.0.0/8, \"::1\" or \"2001:db8::/32\", with "
                                   "no bits set below the prefix");
        return;
    }
    networks->count++;
    if (item->text.len < 2 || !slice_eq(slice_skip(item->text, item->text.len - 2), SLICE("/0")))
        return;
    report_finding(build->report, SEVERITY_WARNING, item->at,
                   "everyone is a trusted proxy: any client may say that it is another");
}

SETTING_READER(read_proxies)
{
    struct config *config = target;
    size_t room = node_item_count(node) < BUILD_MAX_PROXIES ? node_item_count(node)
                                                            : BUILD_MAX_PROXIES;
    struct networks networks = {.list = build_alloc(build, room * sizeof(struct network))};
    if (!networks.list)
        return;
    build_read_items(build, setting, node, BUILD_MAX_PROXIES, read_network, &networks);
    config->trusted_proxies = networks.list;
    config->trusted_proxy_count = networks.count;
}

SETTING_READER(read_token)
{
    struct slice *token = target;
    if (!build_is_value(build, setting, node))
        return;
    if (!secret_is_reference(node->text)) {
        report_conceal(build->report, node->at.line, node->end_line);
        build_refuse(build, node, "%s must be env:NAME or file:PATH, not the secret itself",
                     setting->path);
        secret_wipe(node->text);
        return;
    }
    struct slice secret;
    if (!secret_read(build, node, &secret))
        return;
    if (secret.len < TOKEN_MIN_BYTES)
        report_finding(build->report, SEVERITY_WARNING, node->at,
                       "%s is shorter than %u characters: it can be tried through", setting->path,
                       TOKEN_MIN_BYTES);
    *token = build_copy(build, secret);
}

SETTING_READER(read_log_format)
{
    static const struct word words[] = {
        {"json", LOG_FORMAT_JSON, false}, {"text", LOG_FORMAT_TEXT, false}, {NULL, 0, false}};
    struct config *config = target;
    if (!build_is_value(build, setting, node))
        return;
    const struct word *word = words;
    while (word->text && !slice_eq(node->text, slice_str(word->text)))
        word++;
    bool is_auto = slice_eq(node->text, SLICE("auto"));
    if (word->text || is_auto) {
        config->log_format_auto = is_auto;
        config->log_format = word->text ? (enum log_format)word->value : LOG_FORMAT_JSON;
        return;
    }
    build_refuse(build, node, "log.format must be auto | json | text, not \"%.*s\"",
                 SHOWN(node->text));
}

const char *check_name(struct slice text)
{
    bool fits = text.len >= 1 && text.len <= 64;
    for (size_t i = 0; i < text.len && fits; i++) {
        char c = text.data[i];
        fits = (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
               c == '.' || c == '_' || c == '-';
    }
    return fits ? NULL : "1 to 64 letters, digits, \".\", \"_\" or \"-\"";
}

const char *check_file_path(struct slice text)
{
    return text.len > 0 && text.len < 4096 ? NULL : "a file, shorter than 4096 characters";
}
