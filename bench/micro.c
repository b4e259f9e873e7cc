/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time of what every request of a route may pay for on the loop: the check of a signature, the
 * canonical form of a JSON body as a key, fields of it as a key. Each case is one call into policy/
 * with a body of 1 KiB, as the gateway makes it; prints one line of JSON per case with the
 * microseconds per call of each round.
 *
 *   bench_micro ROUNDS CALLS
 */
#include <postern/policy/key.h>
#include <postern/policy/verify.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BODY_BYTES 1024u
#define ROUNDS_MAX 100u
#define NOW_MS 1700000000000u
#define ARENA_BYTES 65536u
#define HEADERS 3u

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .data = (literal), .len = sizeof(literal) - 1                                              \
    }

struct header {
    struct slice name, value;
};

/* The request of a sender, signed once by signatures known from an independent program
 * (bench/micro.py), which hands them over. */
struct signed_case {
    const char *name;
    enum verify_scheme scheme;
    struct slice secret;
    struct header headers[HEADERS];
};

static char body[BODY_BYTES];
static struct arena arena;
static struct digester *digester;
static uint64_t checked; /* so that no call can be left away */

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_micro: %s\n", what);
    exit(1);
}

/* ---- the body ---- */

/* What webhooks look like: an envelope, ids, numbers, some nesting, text. The names are not in
 * order. */
static void make_body(void)
{
    int len = snprintf(
        body, sizeof body,
        "{\"id\":\"evt_1NG8Du2eZvKYlo2CUI79vXWy\",\"object\":\"event\",\"api_version\":\"2023-10-"
        "16\","
        "\"created\":1686089970,\"adw_id\":\"a81bc81b-dead-4e5d-abff-90865d1e13b1\",\"status\":"
        "\"succeeded\",\"queue_id\":42,\"data\":{\"messageId\":\"wamid.HBgLMTY1MDM4Nzk0MzkVAg\","
        "\"object\":{\"id\":\"seti_1NG8Du2eZvKYlo2C9XMqbR0x\",\"livemode\":false,\"amount\":2000,"
        "\"currency\":\"eur\",\"customer\":null,\"metadata\":{\"order\":\"6735\",\"attempt\":1},"
        "\"items\":[{\"sku\":\"A-1\",\"quantity\":2,\"price\":9.5},{\"sku\":\"B-22\",\"quantity\":"
        "1,"
        "\"price\":1e3}]}},\"pending_webhooks\":0,\"request\":{\"id\":\"req_UCgJyS9hQJlN0x\","
        "\"idempotency_key\":\"6735-1\"},\"type\":\"setup_intent.created\",\"note\":\"");
    memset(body + len, 'x', BODY_BYTES - (size_t)len);
    memcpy(body + BODY_BYTES - 2, "\"}", 2);
}

/* ---- what is called ---- */

static size_t find_header(const void *headers, struct slice name, struct slice *ret_value)
{
    const struct header *header = headers;
    size_t found = 0;
    for (size_t i = 0; i < HEADERS && header[i].name.len > 0; i++)
        if (slice_ieq(header[i].name, name) && found++ == 0)
            *ret_value = header[i].value;
    return found;
}

struct work {
    struct verifier *verifier;
    struct verify_input input;
    const struct key_rule *rule;
};

static void check(const struct work *work)
{
    size_t secret;
    if (verifier_check(work->verifier, &work->input, &arena, &secret) != VERIFY_OK)
        fail("a right signature is refused");
    checked += secret + 1;
}

static void make_key(const struct work *work)
{
    const struct key_input input = {.route = SLICE("bench"),
                                    .body = slice_of(body, BODY_BYTES),
                                    .header = find_header,
                                    .headers = work->input.headers};
    struct key_result result = key_make(work->rule, 1, &input, digester, &arena);
    if (!result.found)
        fail("a body has no key");
    checked += result.key.digest[0];
    arena_reset(&arena);
}

static void locate(const struct work *work)
{
    struct json_value values[KEY_MAX_FIELDS];
    if (json_locate(slice_of(body, BODY_BYTES), work->rule->paths, work->rule->path_count,
                    values) != JSON_OK)
        fail("a body is no JSON");
    checked += values[0].raw.len;
}

/* ---- measuring ---- */

static double cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void measure(const char *name, void (*call)(const struct work *), const struct work *work,
                    unsigned rounds, unsigned calls)
{
    for (unsigned i = 0; i < calls / 10; i++) /* warm */
        call(work);
    printf("{\"name\": \"%s\", \"us\": [", name);
    for (unsigned round = 0; round < rounds; round++) {
        double begun = cpu_us();
        for (unsigned i = 0; i < calls; i++)
            call(work);
        printf("%s%.4f", round ? ", " : "", (cpu_us() - begun) / calls);
    }
    printf("]}\n");
}

/* ---- the cases ---- */

static void measure_signature(const struct signed_case *signed_case, const char *signature,
                              unsigned rounds, unsigned calls)
{
    struct header headers[HEADERS];
    memcpy(headers, signed_case->headers, sizeof headers);
    headers[0].value = slice_str(signature);
    const struct verify_opts opts = {.scheme = signed_case->scheme,
                                     .secrets = &signed_case->secret,
                                     .secret_count = 1,
                                     .tolerance_ms = 300000};
    struct work work = {.input = {.body = slice_of(body, BODY_BYTES),
                                  .now_ms = NOW_MS,
                                  .headers = headers,
                                  .header = find_header}};
    char error[256];
    if (verifier_open(&opts, &work.verifier, error) != STATUS_OK)
        fail(error);
    measure(signed_case->name, check, &work, rounds, calls);
    verifier_close(work.verifier);
}

static void measure_signatures(char **signatures, unsigned rounds, unsigned calls)
{
    static const struct signed_case cases[] = {
        {"signature: github",
         VERIFY_GITHUB,
         TEXT("It's a Secret to Everybody"),
         {{.name = TEXT("X-Hub-Signature-256")}}},
        {"signature: stripe",
         VERIFY_STRIPE,
         TEXT("whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH"),
         {{.name = TEXT("Stripe-Signature")}}},
        {"signature: standard-webhooks",
         VERIFY_STANDARD_WEBHOOKS,
         TEXT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
         {{.name = TEXT("webhook-signature")},
          {TEXT("webhook-id"), TEXT("msg_p5jXN8AQM9LWM0D4loKWxJek")},
          {TEXT("webhook-timestamp"), TEXT("1700000000")}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        measure_signature(&cases[i], signatures[i], rounds, calls);
}

static void measure_keys(unsigned rounds, unsigned calls)
{
    static const struct header none[HEADERS];
    struct json_path paths[3];
    if (!json_path_parse(SLICE("adw_id"), &arena, &paths[0]) ||
        !json_path_parse(SLICE("status"), &arena, &paths[1]) ||
        !json_path_parse(SLICE("queue_id"), &arena, &paths[2]))
        fail("no memory");
    const struct key_rule payload = {.kind = KEY_PAYLOAD};
    const struct key_rule canonical = {.kind = KEY_PAYLOAD, .canonical = true};
    const struct key_rule fields = {.kind = KEY_FIELDS, .paths = paths, .path_count = 3};
    struct work work = {.input = {.headers = none}, .rule = &payload};
    measure("key: payload", make_key, &work, rounds, calls);
    work.rule = &canonical;
    measure("key: canonical payload", make_key, &work, rounds, calls);
    work.rule = &fields;
    measure("fields: found", locate, &work, rounds, calls);
    measure("key: fields", make_key, &work, rounds, calls);
}

/* "--body" writes the body, for bench/micro.py to sign; else the signatures follow the counts. */
int main(int argc, char **argv)
{
    make_body();
    if (argc == 2 && strcmp(argv[1], "--body") == 0)
        return fwrite(body, 1, BODY_BYTES, stdout) == BODY_BYTES ? 0 : 1;
    if (argc != 6)
        fail("usage: bench_micro --body | bench_micro ROUNDS CALLS GITHUB STRIPE STANDARD");
    unsigned rounds = (unsigned)strtoul(argv[1], NULL, 10);
    unsigned calls = (unsigned)strtoul(argv[2], NULL, 10);
    if (rounds == 0 || rounds > ROUNDS_MAX || calls == 0)
        fail("1 to 100 rounds of at least one call");
    arena_init(&arena, ARENA_BYTES, ARENA_BYTES);
    if (digester_open(&digester) != STATUS_OK)
        fail("OpenSSL lacks SHA-256");
    measure_signatures(argv + 3, rounds, calls);
    measure_keys(rounds, calls);
    digester_close(digester);
    arena_done(&arena);
    return checked > 0 ? 0 : 1;
}
