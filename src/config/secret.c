/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets from where the file says they are. Never part of a message; every copy lies in the
 * build's scratch memory and is wiped there when the build ends.
 */
#include "build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SECRET_MAX_BYTES 65536u /* of a file that is one secret */
#define PATH_MAX_BYTES 4096u

/* A copy of a secret, in scratch memory. */
struct secret_note {
    struct secret_note *next;
    struct slice secret;
};

bool secret_is_reference(struct slice text)
{
    return slice_starts(text, SLICE("env:")) || slice_starts(text, SLICE("file:"));
}

void secret_wipe(struct slice secret)
{
    union {
        const char *borrowed;
        void *bytes;
    } at = {.borrowed = secret.data};
    if (secret.len > 0)
        explicit_bzero(at.bytes, secret.len);
}

void secrets_wipe(const struct build *build)
{
    for (const struct secret_note *note = build->secrets; note; note = note->next)
        secret_wipe(note->secret);
}

/* Notes a copy for wiping; what can't be noted is wiped at once. */
static bool note(struct build *build, struct slice secret)
{
    struct secret_note *note = arena_alloc(build->scratch, sizeof(*note));
    if (!note) {
        secret_wipe(secret);
        build->no_memory = true;
        return false;
    }
    *note = (struct secret_note){.next = build->secrets, .secret = secret};
    build->secrets = note;
    return true;
}

static bool keep(struct build *build, struct slice secret, struct slice *ret_secret)
{
    if (!arena_copy(build->scratch, secret, ret_secret)) {
        build->no_memory = true;
        return false;
    }
    return note(build, *ret_secret);
}

/* The text after "env:" or "file:" with a NUL. */
static bool name_of(struct slice text, size_t prefix, char *ret_name, size_t size)
{
    struct slice name = slice_skip(text, prefix);
    if (name.len == 0 || name.len >= size)
        return false;
    memcpy(ret_name, name.data, name.len);
    ret_name[name.len] = '\0';
    return true;
}

/* What editors and `echo` leave at the end of a file. */
static struct slice without_line_end(struct slice text)
{
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    return text;
}

static bool has_control_characters(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20)
            return true;
    return false;
}

/* Keeps what was found at `place`, a file or a variable. */
static bool keep_content(struct build *build, struct node *node, const char *place,
                         struct slice content, struct slice *ret_secret)
{
    content = without_line_end(content);
    if (content.len == 0)
        build_refuse(build, node, "the secret in %.200s is empty", place);
    else if (has_control_characters(content))
        build_refuse(build, node, "the secret in %.200s is not one line of text", place);
    else
        return keep(build, content, ret_secret);
    return false;
}

static bool read_env(struct build *build, struct node *node, struct slice *ret_secret)
{
    char name[256];
    if (!name_of(node->text, strlen("env:"), name, sizeof(name))) {
        build_refuse(build, node, "env: needs the name of an environment variable");
        return false;
    }
    const char *value = getenv(name);
    if (value)
        return keep_content(build, node, name, slice_str(value), ret_secret);
    build_refuse(build, node, "the environment variable %s is not set", name);
    return false;
}

/* Reads at most `size` bytes. STATUS_IO: errno says why. STATUS_FULL: there are more. */
static enum status read_all(const char *path, char *bytes, size_t size, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return STATUS_IO;
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len < size) {
        got = read(fd, bytes + len, size - len);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            len += (size_t)got;
    }
    int failure = errno;
    close(fd);
    errno = failure;
    if (got < 0)
        return STATUS_IO;
    *ret_len = len;
    return got == 0 ? STATUS_OK : STATUS_FULL;
}

static bool read_file(struct build *build, struct node *node, struct slice *ret_secret)
{
    char path[PATH_MAX_BYTES];
    if (!name_of(node->text, strlen("file:"), path, sizeof(path))) {
        build_refuse(build, node, "file: needs the path of a file");
        return false;
    }
    char *bytes = malloc(SECRET_MAX_BYTES);
    if (!bytes) {
        build->no_memory = true;
        return false;
    }
    size_t len = 0;
    bool kept = false;
    enum status status = read_all(path, bytes, SECRET_MAX_BYTES, &len);
    if (status == STATUS_OK)
        kept = keep_content(build, node, path, slice_of(bytes, len), ret_secret);
    else if (status == STATUS_FULL)
        build_refuse(build, node, "%.200s is larger than a secret", path);
    else
        build_refuse(build, node, "can't read %.200s: %s", path, strerror(errno));
    explicit_bzero(bytes, SECRET_MAX_BYTES);
    free(bytes);
    return kept;
}

bool secret_read(struct build *build, struct node *node, struct slice *ret_secret)
{
    if (slice_starts(node->text, SLICE("env:")))
        return read_env(build, node, ret_secret);
    if (slice_starts(node->text, SLICE("file:")))
        return read_file(build, node, ret_secret);
    *ret_secret = node->text;
    return note(build, node->text);
}
