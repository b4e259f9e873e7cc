/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a whole request to its key (policy/key.h), by every kind of rule, packed bodies and
 * structured headers among them; and the handshakes (policy/handshake.h) that are looked for in the
 * same octets. Properties: the same request has the same key wherever it lies; without a key there
 * is a reason; another payload is another key; no challenge is answered as anything a browser runs.
 *
 * Input: a byte that chooses the rule, lines with the values of Content-Type, Content-Encoding and
 * X-Id (empty: not there), a line with the query, the body.
 */
#include "fuzz.h"

#include <postern/policy/handshake.h>
#include <postern/policy/key.h>

#define MEMORY_CEILING ((size_t)1 << 24)
#define DECODED_CEILING ((size_t)1 << 16)
#define RULES 7u

struct request {
    struct slice content_type, content_encoding, id, query, body;
};

static struct digester *digester;
static struct json_path paths[3];
static struct key_rule rules[RULES];

static void set_up(void)
{
    static struct arena arena;
    arena_init(&arena, 4096, MEMORY_CEILING);
    FUZZ_CHECK(digester_open(&digester) == STATUS_OK);
    FUZZ_CHECK(json_path_parse(SLICE("id"), &arena, &paths[0]));
    FUZZ_CHECK(json_path_parse(SLICE("data.id"), &arena, &paths[1]));
    FUZZ_CHECK(json_path_parse(SLICE("*.at"), &arena, &paths[2]));
    rules[0] = (struct key_rule){.kind = KEY_PAYLOAD};
    rules[1] = (struct key_rule){
        .kind = KEY_PAYLOAD, .canonical = true, .paths = paths + 2, .path_count = 1};
    rules[2] = (struct key_rule){.kind = KEY_HEADER, .name = SLICE("X-Id")};
    rules[3] = (struct key_rule){.kind = KEY_HEADER, .name = SLICE("X-Id"), .structured = true};
    rules[4] = (struct key_rule){.kind = KEY_QUERY, .name = SLICE("id")};
    rules[5] = (struct key_rule){.kind = KEY_JSON, .paths = paths, .path_count = 2};
    rules[6] = (struct key_rule){.kind = KEY_FIELDS, .paths = paths, .path_count = 2};
}

static size_t find_header(const void *context, struct slice name, struct slice *ret_value)
{
    const struct request *request = context;
    const struct slice names[] = {SLICE("Content-Type"), SLICE("Content-Encoding"), SLICE("X-Id")};
    const struct slice values[] = {request->content_type, request->content_encoding, request->id};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_ieq(name, names[i]) && values[i].len > 0) {
            *ret_value = values[i];
            return 1;
        }
    return 0;
}

static struct key_result make(const struct request *request, const struct key_rule *rule,
                              size_t count)
{
    struct arena arena;
    struct buf decoded;
    arena_init(&arena, 4096, MEMORY_CEILING);
    buf_init(&decoded, DECODED_CEILING);
    const struct key_input input = {.route = SLICE("r"),
                                    .method = SLICE("POST"),
                                    .path = SLICE("/"),
                                    .query = request->query,
                                    .body = request->body,
                                    .decoded = &decoded,
                                    .headers = request,
                                    .header = find_header};
    struct key_result result = key_make(rule, count, &input, digester, &arena);
    FUZZ_CHECK(result.found == (result.miss == KEY_MISS_NONE));
    FUZZ_CHECK(result.miss != KEY_MISS_NO_MEMORY && result.value_count <= KEY_MAX_FIELDS);
    buf_done(&decoded);
    arena_done(&arena);
    return result;
}

static void check_again(const struct request *request, const struct key_rule *rule, size_t count,
                        const struct key_result *result)
{
    struct request moved = *request;
    char *block = fuzz_block(request->body);
    moved.body.data = block;
    struct key_result again = make(&moved, rule, count);
    FUZZ_CHECK(again.found == result->found && again.miss == result->miss);
    FUZZ_CHECK(!again.found || memcmp(&again.key, &result->key, sizeof again.key) == 0);
    if (rule == &rules[0] && request->body.len > 0) {
        block[request->query.len % request->body.len] ^= 1;
        again = make(&moved, rule, count);
        FUZZ_CHECK(again.found && memcmp(&again.key, &result->key, sizeof again.key) != 0);
    }
    free(block);
}

static void try_handshake(const struct request *request, enum handshake_kind kind)
{
    struct arena arena;
    const struct handshake_opts opts = {.kind = kind, .token = SLICE("token")};
    const struct handshake_input input = {.method = handshake_is_unsigned(kind) ? SLICE("GET")
                                                                                : SLICE("POST"),
                                          .query = request->query,
                                          .body = request->body,
                                          .secret = SLICE("secret")};
    struct handshake_answer answer = {0};
    arena_init(&arena, 4096, MEMORY_CEILING);
    if (handshake_find(&opts, &input, &arena, &answer)) {
        FUZZ_CHECK(answer.status == 200 || (answer.status == 204 && answer.body.len == 0) ||
                   (answer.status == 403 && kind == HANDSHAKE_META));
        bool is_json = !slice_starts(answer.content_type, SLICE("text/plain"));
        FUZZ_CHECK(!is_json || slice_starts(answer.content_type, SLICE("application/")));
        FUZZ_CHECK(!is_json || answer.body.len == 0 ||
                   json_find(answer.body, NULL, 0, &arena, NULL) == JSON_OK);
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    unsigned how = fuzz_choice(&input) % (RULES + 1);
    struct request request = {.content_type = fuzz_line(&input)};
    if (!digester)
        set_up();
    request.content_encoding = fuzz_line(&input);
    request.id = fuzz_line(&input);
    request.query = fuzz_line(&input);
    request.body = input;
    const struct key_rule *rule = how < RULES ? &rules[how] : &rules[1]; /* all but the first */
    size_t count = how < RULES ? 1 : RULES - 1;
    struct key_result result = make(&request, rule, count);
    check_again(&request, rule, count, &result);
    for (unsigned kind = HANDSHAKE_SLACK; kind < HANDSHAKE_KINDS; kind++)
        try_handshake(&request, (enum handshake_kind)kind);
    return 0;
}
