/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of cli/remote_call against a peer that answers what the test says: whatever answers at
 * the address, the command ends with a word about it.
 */
#include "console.h"
#include "remote.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

static int listener;
static pthread_t thread;
static const char *reply; /* sent once the request's head is read; then the connection ends */
static char request[4096];

static struct remote remote;
static struct cli_host host;
static struct remote_answer answer;
static char *said;
static size_t said_bytes;

static void set_up(void)
{
    static const struct command command = {.name = "test"};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char url[64];
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    const struct remote_opts opts = {.admin = url};
    host.err = open_memstream(&said, &said_bytes);
    cr_assert_eq(remote_init(&remote, &command, &host, &opts), CLI_OK);
    buf_init(&answer.body, 64);
}

static void tear_down(void)
{
    fclose(host.err);
    free(said);
    buf_done(&answer.body);
    close(listener);
}

TestSuite(remote_call, .init = set_up, .fini = tear_down);

/* Takes one connection, reads a request's head, replies, closes. */
static void *serve_one(void *arg)
{
    size_t len = 0;
    int fd = accept(listener, NULL, NULL);
    while (len < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(fd, request + len, sizeof request - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    (void)send(fd, reply, strlen(reply), MSG_NOSIGNAL);
    close(fd);
    return arg;
}

/* The exit status of one call that is answered with `text`. */
static int call(const char *method, const char *text)
{
    struct buf target;
    buf_init(&target, 256);
    remote_add_path(&target, "stats");
    reply = text;
    memset(request, 0, sizeof request);
    buf_clear(&answer.body);
    cr_assert_eq(pthread_create(&thread, NULL, serve_one, NULL), 0);
    int status = remote_call(&remote, method, &target, &answer);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    buf_done(&target);
    fflush(host.err);
    return status;
}

Test(remote_call, a_request_and_its_answer)
{
    strcpy(remote.token, "s3cret");
    cr_assert_eq(call("POST", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), CLI_OK);
    cr_expect(slice_eq(buf_slice(&answer.body), SLICE("{}")));
    cr_expect(!answer.is_uncertain);
    cr_expect_eq(strncmp(request, "POST /api/v1/stats HTTP/1.1\r\n", 29), 0, "%s", request);
    assert_holds(request, "Authorization: Bearer s3cret\r\n");
    assert_holds(request, "Content-Length: 0\r\n");
    assert_holds(request, remote.authority);
    cr_expect_str_empty(said);
}

Test(remote_call, a_get_has_no_length_and_no_token_when_there_is_none)
{
    cr_assert_eq(call("GET", "HTTP/1.1 204 No Content\r\n\r\n"), CLI_OK);
    cr_expect_null(strstr(request, "Content-Length"));
    cr_expect_null(strstr(request, "Authorization"));
}

Test(remote_call, an_answer_as_large_as_there_is_room_and_one_larger)
{
    char text[256];
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n%064d", 0);
    cr_expect_eq(call("GET", text), CLI_OK);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n%065d", 0);
    cr_expect_eq(call("GET", text), CLI_FAILED);
    assert_holds(said, "postern test: the answer is too large\n");
}

Test(remote_call, what_breaks_off_is_uncertain)
{
    cr_expect_eq(call("POST", ""), CLI_FAILED);
    cr_expect(answer.is_uncertain);
    assert_holds(said, "the connection broke before the answer ended");
    cr_expect_eq(call("POST", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}"), CLI_FAILED);
    cr_expect(answer.is_uncertain);
}

Test(remote_call, what_is_no_http)
{
    cr_expect_eq(call("GET", "SSH-2.0-OpenSSH_9.2\r\n\r\n"), CLI_FAILED);
    assert_holds(said, "what answers is no HTTP server");
}

Test(remote_call, problems)
{
    cr_expect_eq(call("GET", "HTTP/1.1 409 Conflict\r\nContent-Length: 23\r\n\r\n"
                             "{\"detail\":\"not \\u001b\"}"),
                 CLI_FAILED);
    assert_holds(said, "postern test: not \\x1b (status 409)\n");
    cr_expect(!answer.is_uncertain);
    cr_expect_eq(call("GET", "HTTP/1.1 400 Bad Request\r\nContent-Length: 14\r\n\r\n"
                             "{\"detail\":\"x\"}"),
                 CLI_USAGE);
    cr_expect_eq(call("GET", "HTTP/1.1 503 Gone\r\nContent-Length: 14\r\n\r\n{\"detail\":\"y\"}"),
                 CLI_FAILED);
    cr_expect(answer.is_uncertain);
}

Test(remote_call, somebody_elses_server)
{
    cr_expect_eq(call("GET", "HTTP/1.1 302 Found\r\nContent-Length: 6\r\n\r\n<html>"), CLI_FAILED);
    assert_holds(said, "is no admin listener of Postern's, it seems (status 302)\n");
    cr_expect_eq(call("GET", "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n{\"detail\":1}"),
                 CLI_FAILED);
    assert_holds(said, "(status 404)\n");
}
