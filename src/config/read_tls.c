/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of TLS: its files, of which only that they can be read is looked at here (what is in them
 * is io/tls's, when the contexts are made), certificates by the list, names of servers.
 */
#include "readers.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* NULL, or why the file can't be read. O_NONBLOCK: a pipe would keep us waiting for its writer. */
static const char *why_unreadable(const char *path)
{
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return strerror(errno);
    const char *why = fstat(fd, &found) != 0   ? strerror(errno)
                      : S_ISREG(found.st_mode) ? NULL
                                               : "it is not a file";
    close(fd);
    return why;
}

SETTING_READER(read_tls_file)
{
    struct slice *file = target;
    char path[4096];
    if (!build_is_value(build, setting, node))
        return;
    const char *needed = check_file_path(node->text);
    if (needed) {
        build_refuse(build, node, "%s must be %s", setting->path, needed);
        return;
    }
    memcpy(path, node->text.data, node->text.len);
    path[node->text.len] = '\0';
    const char *why = why_unreadable(path);
    if (why)
        build_refuse(build, node, "%s: can't read %.160s: %s", setting->path, path, why);
    else
        *file = build_copy(build, node->text);
}

SETTING_READER(read_server_name)
{
    struct slice *name = target;
    if (!build_is_value(build, setting, node))
        return;
    struct ip ip;
    bool is_name = host_is_name(node->text) && !slice_starts(node->text, SLICE("*."));
    if (is_name || ip_parse(node->text, &ip) == STATUS_OK)
        *name = build_copy(build, node->text);
    else
        build_refuse(build, node, "%s must be a host name or numeric address, not \"%.*s\"",
                     setting->path, SHOWN(node->text));
}

SETTING_READER(read_certificates)
{
    struct tls_server_opts *tls = target;
    if (node->kind != NODE_LIST || node->count == 0 || node->count > TLS_MAX_CERTIFICATES) {
        build_refuse(build, node, "%s must be a list of 1 to %u certificates", setting->path,
                     TLS_MAX_CERTIFICATES);
        report_hint(build->report, "give it as %s", setting->form);
        return;
    }
    struct tls_certificate *certificates = build_alloc(build, node->count * sizeof(*certificates));
    if (!certificates)
        return;
    tls->certificates = certificates;
    for (struct node *item = node->first; item; item = item->next) {
        if (item->kind == NODE_MAP)
            settings_read(build, &SCOPE_CERTIFICATE, item, &certificates[tls->certificate_count++]);
        else if (item->kind != NODE_BROKEN)
            build_refuse(build, item, "a certificate must be a map: {certificate: …, key: …}");
        node->refused |= item->refused;
    }
}
