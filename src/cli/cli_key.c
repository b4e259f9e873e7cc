/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern key`: what the gateway would do with a request, and why. By the gateway's own functions
 * on the configuration given; the running gateway is asked on request, and its store with it.
 */
#include "cli_explain.h"
#include "commands.h"
#include "remote.h"
#include "sample.h"

#include <errno.h>
#include <postern/base/clock.h>
#include <string.h>

#define MAX_HEADERS 64u
#define JSON_BYTES ((size_t)16 << 20)

enum {
    OPTION_CONFIG,
    OPTION_ROUTE,
    OPTION_BODY,
    OPTION_HEADER,
    OPTION_PATH,
    OPTION_JSON,
    OPTION_ASK,
    OPTION_ADMIN,
    OPTION_TOKEN,
    OPTION_COUNT
};

/* What the options said. */
struct question {
    const struct command *command;
    const struct cli_host *host;
    const char *config, *route, *body, *path;
    const char *headers[MAX_HEADERS];
    size_t header_count;
    bool as_json, asks;
    struct remote_opts remote;
};

/* What is under way. */
struct trial {
    const struct question *question;
    const struct config *config;
    const struct route_opts *route;
    struct arena arena;
    struct buf wire;
    struct explain_request request;
    struct explanation told;
};

static int complain(const struct question *question, const char *what, const char *why)
{
    (void)fprintf(question->host->err, "postern key: %s: %s\n", what, why);
    return CLI_FAILED;
}

/* ---- the request ---- */

static bool is_assembled(const struct question *question)
{
    return question->body || question->path || question->header_count > 0;
}

static const char *read_body(const struct question *question, struct buf *body)
{
    if (strcmp(question->body, "-") == 0)
        return sample_read(body, question->host->in);
    FILE *file = fopen(question->body, "rbe");
    if (!file)
        return strerror(errno);
    const char *problem = sample_read(body, file);
    (void)fclose(file);
    return problem;
}

static int put_together(struct trial *trial)
{
    const struct question *question = trial->question;
    struct buf body;
    buf_init(&body, (size_t)trial->route->body_bytes);
    const char *problem = question->body ? read_body(question, &body) : NULL;
    int status = problem ? complain(question, question->body, problem) : CLI_OK;
    if (status == CLI_OK) {
        struct sample_parts parts = {.target = question->path ? question->path : "/",
                                     .headers = question->headers,
                                     .header_count = question->header_count,
                                     .body = buf_slice(&body)};
        problem = sample_write(&trial->wire, &parts);
        status = problem ? complain(question, "--header", problem) : CLI_OK;
    }
    buf_done(&body);
    return status;
}

static const char *source_of(const struct question *question)
{
    return is_assembled(question) ? "the request" : "the request on standard input";
}

static int fill_wire(struct trial *trial)
{
    const struct question *question = trial->question;
    if (is_assembled(question))
        return put_together(trial);
    const char *problem = sample_read(&trial->wire, question->host->in);
    return problem ? complain(question, source_of(question), problem) : CLI_OK;
}

static int read_sample(struct trial *trial)
{
    const struct question *question = trial->question;
    const struct http_limits *limits = &trial->config->http;
    size_t body_bytes = (size_t)trial->route->body_bytes;
    uint16_t refused;
    buf_init(&trial->wire, explain_wire_max(limits, body_bytes));
    int status = fill_wire(trial);
    if (status != CLI_OK)
        return status;
    const char *problem = explain_read(&trial->request, buf_slice(&trial->wire), limits, body_bytes,
                                       &trial->arena, &refused);
    trial->request.is_assembled = is_assembled(question);
    return problem ? complain(question, source_of(question), problem) : CLI_OK;
}

/* What differs from a request that really comes in. */
static void note_differences(const struct trial *trial)
{
    const struct explanation *told = &trial->told;
    FILE *err = trial->question->host->err;
    if (trial->request.guessed_body)
        (void)fprintf(err,
                      "note: no Content-Length, what follows the head is taken for the body\n");
    if (trial->request.unread_bytes > 0)
        (void)fprintf(err, "note: %zu bytes behind the request are not part of it\n",
                      trial->request.unread_bytes);
    if (told->is_assembled && told->route->scope_count > 0)
        (void)fprintf(err, "note: the scope is taken of a POST to the path given\n");
    if (told->is_assembled)
        return;
    if (!told->matched)
        (void)fprintf(err, "note: no route matches this request, it would get 404\n");
    else if (told->matched != told->route)
        (void)fprintf(err, "note: this request would take the route \"%.*s\"\n",
                      (int)told->matched->name.len, told->matched->name.data);
}

/* ---- the answer ---- */

static int print_json(const struct trial *trial)
{
    struct buf text;
    struct json_writer writer = {.buf = &text};
    buf_init(&text, JSON_BYTES);
    explain_write(&trial->told, &writer);
    if (writer.status == STATUS_OK)
        (void)fprintf(trial->question->host->out, "%.*s\n", (int)buf_len(&text),
                      buf_slice(&text).data);
    buf_done(&text);
    return writer.status == STATUS_OK ? CLI_OK
                                      : complain(trial->question, "--json", "out of memory");
}

static int print_asked(struct trial *trial, struct slice answer)
{
    const struct cli_host *host = trial->question->host;
    char hex[EVENT_KEY_HEX];
    struct slice key;
    hex_format(slice_of(trial->told.key.key.digest, EVENT_KEY_BYTES), hex);
    if (trial->question->as_json) {
        (void)fwrite(answer.data, 1, answer.len, host->out);
        return CLI_OK;
    }
    print_explanation(host->out, &trial->told);
    if (!print_verdict(host->out, answer, &trial->arena, &key))
        return complain(trial->question, "--ask", "the answer can't be read");
    if (!slice_eq(key, slice_of(hex, trial->told.rule ? sizeof hex : 0)))
        (void)fprintf(host->err, "note: the running gateway makes another key of it: its "
                                 "configuration is another one\n");
    return CLI_OK;
}

/* The request goes to the gateway as it is: what that says is by its own configuration. */
static int ask(struct trial *trial)
{
    const struct question *question = trial->question;
    struct remote_answer answer;
    struct remote remote;
    struct buf target;
    buf_init(&target, REMOTE_TARGET_BYTES);
    buf_init(&answer.body, REMOTE_ANSWER_BYTES);
    remote_add_path(&target, "explain");
    remote_add_parameter(&target, "route", question->route);
    int status = remote_init(&remote, question->command, question->host, &question->remote);
    if (status == CLI_OK)
        status = remote_post(&remote, &target, "message/http", buf_slice(&trial->wire), &answer);
    if (status == CLI_OK)
        status = print_asked(trial, buf_slice(&answer.body));
    remote_done(&remote);
    buf_done(&answer.body);
    buf_done(&target);
    return status;
}

static int print_answer(struct trial *trial)
{
    if (trial->question->asks)
        return ask(trial);
    if (trial->question->as_json)
        return print_json(trial);
    print_explanation(trial->question->host->out, &trial->told);
    print_end(trial->question->host->out, &trial->told);
    return CLI_OK;
}

/* ---- all of it ---- */

static int try(struct trial *trial)
{
    struct clock clock;
    clock_refresh(&clock);
    int status = read_sample(trial);
    if (status != CLI_OK)
        return status;
    if (explain_make(trial->config, trial->route, &trial->request, clock.wall_ms, &trial->arena,
                     &trial->told) != STATUS_OK)
        return complain(trial->question, "the request", "out of memory, or OpenSSL failed");
    note_differences(trial);
    status = print_answer(trial);
    return status == CLI_OK && !trial->told.rule ? CLI_FAILED : status;
}

static int try_on(const struct question *question, const struct config *config,
                  const struct route_opts *route)
{
    struct trial trial = {.question = question, .config = config, .route = route};
    arena_init(&trial.arena, 16384, EXPLAIN_ARENA_BYTES + 2 * config->http.head_bytes);
    int status = try(&trial);
    explain_done(&trial.told);
    explain_request_done(&trial.request);
    buf_done(&trial.wire);
    arena_done(&trial.arena);
    return status;
}

static int run(const struct question *question)
{
    struct config *config;
    int loaded = cli_load_config(question->config, question->host->err, &config);
    if (loaded != CLI_OK)
        return loaded;
    const struct route_opts *route =
        route_named(config->routes, config->route_count, slice_str(question->route));
    int status = route ? try_on(question, config, route)
                       : complain(question, question->route, "there is no route of this name");
    config_free(config);
    return status;
}

/* An address of its own stands for the configuration's. */
static void take_options(struct question *question, const struct option *options)
{
    question->header_count = options[OPTION_HEADER].count;
    question->as_json = options[OPTION_JSON].count > 0;
    question->asks =
        options[OPTION_ASK].count + options[OPTION_ADMIN].count + options[OPTION_TOKEN].count > 0;
    if (!question->remote.admin)
        question->remote.config = question->config;
}

int command_key(const struct command *command, const struct cli_host *host, int argc, char **argv)
{
    struct question question = {.command = command, .host = host};
    struct option options[OPTION_COUNT] = {
        [OPTION_CONFIG] = {"config", 'c', "FILE", "the configuration", true, &question.config, 1, 0,
                           false},
        [OPTION_ROUTE] = {"route", 'r', "NAME", "the route whose rules are tried", true,
                          &question.route, 1, 0, false},
        [OPTION_BODY] = {"body", 0, "FILE", "the body; - is standard input", false, &question.body,
                         1, 0, false},
        [OPTION_HEADER] = {"header", 'H', "'NAME: VALUE'", "a header; may be repeated", false,
                           question.headers, MAX_HEADERS, 0, false},
        [OPTION_PATH] = {"path", 0, "/PATH?QUERY", "path and query", false, &question.path, 1, 0,
                         false},
        [OPTION_JSON] = {.name = "json", .help = "print JSON", .max = 1},
        [OPTION_ASK] = {.name = "ask",
                        .help = "ask the running gateway too, and its store for the verdict",
                        .max = 1},
        [OPTION_ADMIN] = {"admin", 0, "URL", "its admin listener, if not FILE's; as --ask", false,
                          &question.remote.admin, 1, 0, false},
        [OPTION_TOKEN] = {"token", 0, "REF", "its token: env:NAME or file:PATH; as --ask", false,
                          &question.remote.token, 1, 0, false},
    };
    int status;
    if (!options_read(command, host, argc, argv, options, OPTION_COUNT, &status))
        return status;
    take_options(&question, options);
    return run(&question);
}
