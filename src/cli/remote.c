/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the admin listener is: out of the gateway's own configuration, or from options. A token is
 * never an argument itself, since arguments are there for all of the machine to read.
 */
#include "remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_URL "http://127.0.0.1:9901"

static int complain(const struct remote *remote, const char *what, const char *why, int status)
{
    (void)fprintf(remote->host->err, "postern %s: %s: %s\n", remote->command, what, why);
    return status;
}

/* ---- the address ---- */

/* Cuts "host:port" or "[v6]:port" at its last colon. */
static bool set_authority(struct remote *remote, struct slice authority)
{
    size_t len = authority.len;
    unsigned port = 0;
    while (len > 0 && authority.data[len - 1] != ':')
        len--;
    if (len < 2 || authority.len >= sizeof remote->authority || authority.len - len > 5)
        return false;
    for (size_t i = len; i < authority.len; i++) {
        if (authority.data[i] < '0' || authority.data[i] > '9')
            return false;
        port = port * 10 + (unsigned)(authority.data[i] - '0');
    }
    struct slice name = slice_of(authority.data, len - 1);
    if (name.data[0] == '[' && name.data[name.len - 1] == ']')
        name = slice_of(name.data + 1, name.len - 2);
    if (port == 0 || port > UINT16_MAX || name.len == 0 || name.len >= sizeof remote->name)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] <= ' ' || strchr("/@?#[]\\\x7f", name.data[i]))
            return false;
    (void)snprintf(remote->name, sizeof remote->name, "%.*s", (int)name.len, name.data);
    (void)snprintf(remote->authority, sizeof remote->authority, "%.*s", (int)authority.len,
                   authority.data);
    remote->port = (uint16_t)port;
    return true;
}

static int set_url(struct remote *remote, const char *url)
{
    struct slice rest = slice_str(url);
    if (slice_starts(rest, SLICE("https://")))
        return complain(remote, url,
                        "the admin listener speaks plain HTTP; reach it over loopback or a tunnel",
                        CLI_USAGE);
    if (slice_starts(rest, SLICE("http://")))
        rest = slice_skip(rest, strlen("http://"));
    if (rest.len > 0 && rest.data[rest.len - 1] == '/')
        rest.len--;
    if (!set_authority(remote, rest))
        return complain(remote, url, "write it as http://HOST:PORT", CLI_USAGE);
    return CLI_OK;
}

/* ---- the token ---- */

/* What can't stand in a header field, or is none. */
static bool is_token(struct slice token)
{
    for (size_t i = 0; i < token.len; i++)
        if ((unsigned char)token.data[i] < 0x20 || token.data[i] == 0x7f)
            return false;
    return token.len > 0;
}

static int take_token(struct remote *remote, const char *where, struct slice token)
{
    while (token.len > 0 &&
           (token.data[token.len - 1] == '\n' || token.data[token.len - 1] == '\r'))
        token.len--;
    if (token.len >= sizeof remote->token || !is_token(token))
        return complain(remote, where, "there is no token in it", CLI_FAILED);
    if (token.data != remote->token)
        memcpy(remote->token, token.data, token.len);
    remote->token[token.len] = '\0';
    return CLI_OK;
}

static int read_token_file(struct remote *remote, const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return complain(remote, path, strerror(errno), CLI_FAILED);
    (void)setvbuf(file, NULL, _IONBF, 0); /* no copy of the secret stays in a buffer */
    size_t len = fread(remote->token, 1, sizeof remote->token, file);
    int error = ferror(file) ? errno : 0;
    (void)fclose(file);
    if (error)
        return complain(remote, path, strerror(error), CLI_FAILED);
    return take_token(remote, path, slice_of(remote->token, len));
}

static int read_token(struct remote *remote, const char *reference)
{
    if (strncmp(reference, "file:", 5) == 0)
        return read_token_file(remote, reference + 5);
    if (strncmp(reference, "env:", 4) != 0)
        return complain(remote, "--token", "write it as env:NAME or file:PATH", CLI_USAGE);
    const char *value = getenv(reference + 4);
    if (!value)
        return complain(remote, reference, "there is no such variable", CLI_FAILED);
    return take_token(remote, reference, slice_str(value));
}

/* ---- both ---- */

static int take_config(struct remote *remote, const char *path)
{
    char address[ADDRESS_TEXT_SIZE];
    struct config *config;
    int status = cli_load_config(path, remote->host->err, &config);
    if (status != CLI_OK)
        return status;
    if (!config->admin_enabled) {
        status =
            complain(remote, path, "it has no admin listener (admin.enabled: false)", CLI_FAILED);
    } else {
        address_format(&config->admin, address);
        status = set_url(remote, address);
        if (status == CLI_OK && config->admin_token.len > 0)
            status = take_token(remote, "admin.token", config->admin_token);
    }
    config_free(config);
    return status;
}

int remote_init(struct remote *remote, const struct command *command, const struct cli_host *host,
                const struct remote_opts *opts)
{
    *remote = (struct remote){.host = host, .command = command->name};
    int status = CLI_OK;
    if (opts->config && opts->admin)
        return complain(remote, "--admin", "give this or --config, not both", CLI_USAGE);
    if (opts->config)
        status = take_config(remote, opts->config);
    else
        status = set_url(remote, opts->admin ? opts->admin : DEFAULT_URL);
    if (status == CLI_OK && opts->token)
        status = read_token(remote, opts->token);
    return status;
}

void remote_done(struct remote *remote)
{
    explicit_bzero(remote->token, sizeof remote->token);
}
