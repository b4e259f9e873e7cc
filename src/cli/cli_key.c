/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern key`: which key a request has on a route, and why. The same reader, rules and digest as
 * in the gateway; no store is asked.
 */
#include "commands.h"
#include "sample.h"

#include <postern/base/uuid.h>

#include <errno.h>
#include <string.h>

#define MAX_HEADERS 64u
#define ARENA_BYTES ((size_t)64 << 20)
#define SHOWN_BYTES 200u                  /* of one part; a payload can be large */
#define CANONICAL_BYTES ((size_t)1 << 20) /* of a canonical form, which is shown whole */

enum { OPTION_CONFIG, OPTION_ROUTE, OPTION_BODY, OPTION_HEADER, OPTION_PATH, OPTION_COUNT };

/* What the options said. */
struct request {
    const char *config, *route, *body, *path;
    const char *headers[MAX_HEADERS];
    size_t header_count;
};

static const struct route_opts *find_route(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (slice_eq(config->routes[i].name, slice_str(name)))
            return &config->routes[i];
    return NULL;
}

static int complain(const struct cli_host *host, const char *what, const char *why)
{
    (void)fprintf(host->err, "postern key: %s: %s\n", what, why);
    return CLI_FAILED;
}

/* ---- the request ---- */

static const char *read_body_file(struct sample *sample, const char *path, FILE *standard_input)
{
    if (strcmp(path, "-") == 0)
        return sample_read_body(sample, standard_input);
    FILE *file = fopen(path, "rbe");
    if (!file)
        return strerror(errno);
    const char *problem = sample_read_body(sample, file);
    (void)fclose(file);
    return problem;
}

static int put_together(const struct cli_host *host, const struct request *request,
                        struct sample *sample, struct arena *arena)
{
    const char *problem = sample_set_fields(sample, request->headers, request->header_count, arena);
    if (problem)
        return complain(host, "--header", problem);
    sample_set_target(sample, request->path ? request->path : "/");
    if (!request->body)
        return CLI_OK;
    problem = read_body_file(sample, request->body, host->in);
    return problem ? complain(host, request->body, problem) : CLI_OK;
}

static int read_sample(const struct cli_host *host, const struct request *request,
                       const struct config *config, struct sample *sample, struct arena *arena)
{
    if (request->body || request->path || request->header_count > 0)
        return put_together(host, request, sample, arena);
    const char *problem = sample_read_wire(sample, host->in, &config->http, arena);
    return problem ? complain(host, "the request on standard input", problem) : CLI_OK;
}

/* What differs from a request that really comes in. */
static void note_differences(const struct cli_host *host, const struct config *config,
                             const struct route_opts *route, const struct sample *sample)
{
    if (sample->guessed_body)
        (void)fprintf(host->err,
                      "note: no Content-Length, what follows the head is taken for the body\n");
    if (!sample->has_wire && route->scope_count > 0)
        (void)fprintf(host->err, "note: the scope is taken of a POST to the path given\n");
    if (!sample->has_wire)
        return;
    size_t taken =
        route_find(config->routes, config->route_count, sample->host, sample->method, sample->path);
    if (taken == SIZE_MAX)
        (void)fprintf(host->err, "note: no route matches this request, it would get 404\n");
    else if (&config->routes[taken] != route)
        (void)fprintf(host->err, "note: this request would take the route \"%.*s\"\n",
                      (int)config->routes[taken].name.len, config->routes[taken].name.data);
}

/* ---- the answer ---- */

/* Printable bytes as they are, the rest as \xNN. */
static void print_value(struct slice value, FILE *out)
{
    size_t len = value.len < SHOWN_BYTES ? value.len : SHOWN_BYTES;
    (void)fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c == '"' || c == '\\')
            (void)fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            (void)fprintf(out, "\\x%02x", c);
        else
            (void)fputc(c, out);
    }
    (void)fprintf(out, value.len > len ? "\"... (%zu bytes)\n" : "\"\n", value.len);
}

struct text_sink {
    struct canonical_sink sink;
    struct buf *text;
};

static bool append_text(struct canonical_sink *sink, struct slice piece)
{
    struct text_sink *to = container_of(sink, struct text_sink, sink);
    return buf_append(to->text, piece) == STATUS_OK;
}

/* What is hashed of a canonical payload. */
static void print_canonical(const struct key_rule *rule, struct slice body, FILE *out)
{
    struct buf text;
    buf_init(&text, CANONICAL_BYTES);
    struct text_sink to = {.sink = {append_text}, .text = &text};
    const struct json_selection selection = key_selection(rule);
    size_t weight;
    (void)fprintf(out, "form    ");
    if (canonical_write(body, &selection, &to.sink, &weight) == JSON_OK)
        (void)fwrite(buf_slice(&text).data, 1, buf_len(&text), out);
    else
        (void)fprintf(out, "(too long to be shown)");
    (void)fputc('\n', out);
    buf_done(&text);
}

static void print_key(const struct cli_host *host, const struct config *config,
                      const struct route_opts *route, const struct key_rule *rule,
                      const struct key_result *result)
{
    char hex[EVENT_KEY_HEX + 1] = "";
    hex_format(slice_of(result->key.digest, sizeof(result->key.digest)), hex);
    for (size_t i = 0; i < result->value_count; i++) {
        (void)fprintf(host->out, "value   ");
        print_value(result->values[i], host->out);
    }
    if (rule->canonical)
        print_canonical(rule, result->values[0], host->out);
    (void)fprintf(host->out, "key     %s\n", hex);
    (void)fprintf(host->out, "redis   %.*s:{%.*s}:%s\n", (int)config->redis.prefix.len,
                  config->redis.prefix.data, (int)route->name.len, route->name.data, hex);
}

static void print_miss(const struct cli_host *host, const struct key_result *result)
{
    (void)fprintf(host->out, "no key  %s", key_miss_text(result->miss));
    if (result->miss == KEY_MISS_NOT_JSON)
        (void)fprintf(host->out, " (%s)", json_result_text(result->json));
    (void)fprintf(host->out, "\n");
}

/* Without a key the route's `missing` says what happens; only `payload` still makes one. */
static int try_missing(const struct cli_host *host, const struct config *config,
                       const struct route_opts *route, const struct key_input *input,
                       struct digester *digester, struct arena *arena)
{
    static const struct key_rule payload = {.kind = KEY_PAYLOAD};
    static const char *const texts[] = {
        [MISSING_PASS] = "missing: pass (it would go through undeduplicated)",
        [MISSING_PAYLOAD] = "missing: payload (its body is the key)",
        [MISSING_REJECT] = "missing: reject (it would get 400)"};
    (void)fprintf(host->out, "rule    %s\n", texts[route->missing]);
    if (route->missing != MISSING_PAYLOAD)
        return CLI_FAILED;
    struct key_result result = key_make(&payload, 1, input, digester, arena);
    if (result.found)
        print_key(host, config, route, &payload, &result);
    else
        print_miss(host, &result);
    return result.found ? CLI_OK : CLI_FAILED;
}

static int tell(const struct cli_host *host, const struct config *config,
                const struct route_opts *route, const struct key_input *input,
                struct digester *digester, struct arena *arena)
{
    struct key_result result = key_make(route->keys, route->key_count, input, digester, arena);
    (void)fprintf(host->out, "route   %.*s\n", (int)route->name.len, route->name.data);
    if (!result.found) {
        print_miss(host, &result);
        return try_missing(host, config, route, input, digester, arena);
    }
    (void)fprintf(host->out, "rule    %zu of %zu: %s\n", result.rule + 1, route->key_count,
                  key_kind_text(route->keys[result.rule].kind));
    print_key(host, config, route, &route->keys[result.rule], &result);
    return CLI_OK;
}

static int tell_sample(const struct cli_host *host, const struct config *config,
                       const struct route_opts *route, const struct sample *sample,
                       struct digester *digester, struct arena *arena)
{
    struct buf decoded;
    buf_init(&decoded, (size_t)route->body_bytes);
    struct key_input input = {.route = route->name,
                              .method = sample->has_wire ? sample->method : SLICE("POST"),
                              .path = sample->path,
                              .query = sample->query,
                              .body = buf_slice(&sample->body),
                              .scope = route->scope,
                              .scope_count = route->scope_count,
                              .decoded = &decoded,
                              .headers = sample,
                              .header = sample_header};
    int status = tell(host, config, route, &input, digester, arena);
    buf_done(&decoded);
    return status;
}

static int show_key(const struct cli_host *host, const struct request *request,
                    const struct config *config, const struct route_opts *route)
{
    struct sample sample = {.field_count = 0};
    struct arena arena;
    struct digester *digester;
    if (digester_open(&digester) != STATUS_OK)
        return complain(host, "SHA-256", "OpenSSL does not provide it");
    arena_init(&arena, 16384, ARENA_BYTES);
    buf_init(&sample.body, (size_t)route->body_bytes);
    int status = read_sample(host, request, config, &sample, &arena);
    if (status == CLI_OK) {
        note_differences(host, config, route, &sample);
        status = tell_sample(host, config, route, &sample, digester, &arena);
    }
    buf_done(&sample.body);
    arena_done(&arena);
    digester_close(digester);
    return status;
}

static int run(const struct cli_host *host, const struct request *request)
{
    struct config *config;
    int loaded = cli_load_config(request->config, host->err, &config);
    if (loaded != CLI_OK)
        return loaded;
    const struct route_opts *route = find_route(config, request->route);
    int status = route ? show_key(host, request, config, route)
                       : complain(host, request->route, "there is no route of this name");
    config_free(config);
    return status;
}

int command_key(const struct command *command, const struct cli_host *host, int argc, char **argv)
{
    struct request request = {.header_count = 0};
    struct option options[OPTION_COUNT] = {
        [OPTION_CONFIG] = {"config", 'c', "FILE", "the configuration", true, &request.config, 1, 0,
                           false},
        [OPTION_ROUTE] = {"route", 'r', "NAME", "the route whose rules are tried", true,
                          &request.route, 1, 0, false},
        [OPTION_BODY] = {"body", 0, "FILE", "the body; - is standard input", false, &request.body,
                         1, 0, false},
        [OPTION_HEADER] = {"header", 'H', "'NAME: VALUE'", "a header; may be repeated", false,
                           request.headers, MAX_HEADERS, 0, false},
        [OPTION_PATH] = {"path", 0, "/PATH?QUERY", "path and query", false, &request.path, 1, 0,
                         false},
    };
    int status;
    if (!options_read(command, host, argc, argv, options, OPTION_COUNT, &status))
        return status;
    request.header_count = options[OPTION_HEADER].count;
    return run(host, &request);
}
