/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/verify_webhook: the list of Standard Webhooks, both kinds of key at once,
 * both families of names, ids with dots, and GitLab's two ways. */
#include "signed_request.h"

#include <pthread.h>

#define HMAC_SECRET TEXT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
#define ED25519_SECRET TEXT("whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g=")
#define V1 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define V1A                                                                                        \
    "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
#define OTHER_V1 "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
#define OTHER_V1A                                                                                  \
    "v1a,AQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
#define THREADS 4u

TestSuite(verify_webhook, .init = open_arena, .fini = close_arena);

/* The message of the libraries' tests; see verify_vectors.h. */
static struct signed_request message(const char *signatures)
{
    struct signed_request request = {
        .scheme = VERIFY_STANDARD_WEBHOOKS,
        .secrets = {HMAC_SECRET},
        .tolerance_ms = TOLERANCE_MS,
        .body = TEXT("{\"test\": 2432232314}"),
        .headers = {{"webhook-id", TEXT("msg_p5jXN8AQM9LWM0D4loKWxJek")},
                    {"webhook-timestamp", TEXT("1614265330")}},
        .now_ms = 1614265330000,
    };
    add_header(&request, "webhook-signature", signatures);
    return request;
}

static void expect_list(const char *signatures, enum verify_result expected)
{
    struct signed_request request = message(signatures);
    expect(&request, expected);
}

/* ---- the list ---- */

/* standard-webhooks/standard-webhooks, libraries/javascript/src/webhook.test.ts: "multi sig payload
 * is valid", "partial signature throws error", "invalid signature throws error". */
Test(verify_webhook, the_libraries_lists)
{
    expect_list(OTHER_V1 " v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= " V1 " " OTHER_V1,
                VERIFY_OK);
    expect_list("v1,g0hM9", VERIFY_MALFORMED);
    expect_list("v1,", VERIFY_MALFORMED);
    expect_list("v1,dawfeoifkpqwoekfpqoekf", VERIFY_MALFORMED);
    expect_list(OTHER_V1, VERIFY_MISMATCH);
}

Test(verify_webhook, lists_of_other_shapes)
{
    expect_list(OTHER_V1 " " V1, VERIFY_OK);
    expect_list("  " V1 "  ", VERIFY_OK);
    expect_list("v1,dummy " V1, VERIFY_OK);
    expect_list("v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=", VERIFY_MISSING);
    expect_list(V1A, VERIFY_MISSING);
    expect_list(" ", VERIFY_MISSING);
    expect_list("", VERIFY_MISSING);
    expect_list("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", VERIFY_MISSING);
    expect_list("v1=g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", VERIFY_MISSING);
    expect_list(OTHER_V1 "," V1, VERIFY_MALFORMED);
    expect_list(OTHER_V1 "\t" V1, VERIFY_MALFORMED);
}

Test(verify_webhook, candidates_at_and_above_their_bound)
{
    char list[4096] = "";
    for (size_t i = 0; i < VERIFY_MAX_CANDIDATES - 1; i++)
        strcat(list, OTHER_V1 " ");
    strcat(list, V1);
    expect_list(list, VERIFY_OK);
    memmove(list + sizeof(OTHER_V1), list, strlen(list) + 1);
    memcpy(list, OTHER_V1 " ", sizeof(OTHER_V1));
    expect_list(list, VERIFY_MISMATCH);
}

/* `others` wrong signatures and then the right one, by public key. */
static void expect_v1a_after(size_t others, enum verify_result expected)
{
    char list[1024] = "";
    for (size_t i = 0; i < others; i++)
        strcat(list, OTHER_V1A " ");
    strcat(list, V1A);
    struct signed_request request = message(list);
    request.secrets[0] = (struct slice)ED25519_SECRET;
    expect(&request, expected);
}

Test(verify_webhook, fewer_candidates_where_each_costs_a_public_key)
{
    expect_v1a_after(0, VERIFY_OK);
    expect_v1a_after(VERIFY_MAX_KEY_CANDIDATES - 1, VERIFY_OK);
    expect_v1a_after(VERIFY_MAX_KEY_CANDIDATES, VERIFY_MISMATCH);
}

/* ---- both kinds of key ---- */

static void expect_secret(const char *signatures, struct slice first, struct slice second,
                          size_t expected)
{
    struct signed_request request = message(signatures);
    size_t secret;
    request.secrets[0] = first;
    request.secrets[1] = second;
    enum verify_result result = check_once(&request, &secret);
    cr_assert_eq(result, expected == NO_SECRET ? VERIFY_MISMATCH : VERIFY_OK, "%s",
                 verify_result_text(result));
    cr_assert_eq(secret, expected);
}

Test(verify_webhook, secrets_of_both_kinds)
{
    const struct slice hmac = HMAC_SECRET, ed25519 = ED25519_SECRET;
    expect_secret(V1, hmac, ed25519, 0);
    expect_secret(V1, ed25519, hmac, 1);
    expect_secret(V1A, hmac, ed25519, 1);
    expect_secret(V1A, ed25519, hmac, 0);
    expect_secret(OTHER_V1 " " V1A, hmac, ed25519, 1);
    expect_secret(V1 " " OTHER_V1A, ed25519, hmac, 1);
    expect_secret(OTHER_V1A " " V1A, hmac, ed25519, 1);
    expect_secret(OTHER_V1 " " OTHER_V1A, hmac, ed25519, NO_SECRET);
    expect_secret(OTHER_V1 " v1a,", hmac, ed25519, NO_SECRET);
}

Test(verify_webhook, what_no_secret_could_have_signed_is_missing)
{
    struct signed_request request = message(V1);
    request.secrets[0] = (struct slice)ED25519_SECRET;
    expect(&request, VERIFY_MISSING);
    set_header(&request, "webhook-signature", OTHER_V1 " v1a,AAAA");
    expect(&request, VERIFY_MALFORMED);
    set_header(&request, "webhook-signature", OTHER_V1A);
    expect(&request, VERIFY_MISMATCH);
}

Test(verify_webhook, only_public_keys_are_costly)
{
    for (int costly = 0; costly < 2; costly++) {
        struct signed_request request = message(V1);
        struct verifier *verifier = NULL;
        char error[256];
        if (costly)
            request.secrets[1] = (struct slice)ED25519_SECRET;
        struct verify_opts opts = opts_of(&request);
        cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK);
        cr_assert_eq(verifier_is_costly(verifier), costly);
        verifier_close(verifier);
    }
}

static void *check_often(void *arg)
{
    struct verifier *verifier = arg;
    static const char *const signatures[] = {V1, V1A, OTHER_V1 " " V1A, OTHER_V1};
    size_t wrong = 0;
    for (size_t i = 0; i < 400; i++) {
        struct signed_request request = message(signatures[i % 4]);
        struct verify_input input = {.body = request.body,
                                     .now_ms = request.now_ms,
                                     .headers = request.headers,
                                     .header = find_header};
        struct arena own;
        size_t secret = NO_SECRET;
        arena_init(&own, 1024, 1024);
        enum verify_result result = verifier_check(verifier, &input, &own, &secret);
        arena_done(&own);
        wrong += result != (i % 4 == 3 ? VERIFY_MISMATCH : VERIFY_OK);
    }
    return wrong == 0 ? verifier : NULL;
}

Test(verify_webhook, a_costly_verifier_serves_several_threads_at_once)
{
    struct signed_request request = message(V1);
    struct verifier *verifier = NULL;
    pthread_t threads[THREADS];
    char error[256];
    request.secrets[1] = (struct slice)ED25519_SECRET;
    struct verify_opts opts = opts_of(&request);
    cr_assert_eq(verifier_open(&opts, &verifier, error), STATUS_OK);
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, check_often, verifier), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;
        cr_assert_eq(pthread_join(threads[i], &result), 0);
        cr_assert_not_null(result);
    }
    verifier_close(verifier);
}

/* ---- names and fields ---- */

Test(verify_webhook, names_of_both_families)
{
    struct signed_request request = message(V1);
    add_header(&request, "svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
    add_header(&request, "svix-timestamp", "1614265330");
    add_header(&request, "svix-signature", V1);
    expect(&request, VERIFY_OK);
    remove_header(&request, "webhook-signature");
    expect(&request, VERIFY_OK);
    set_header(&request, "svix-id", "msg_other");
    expect(&request, VERIFY_REPEATED);
    remove_header(&request, "webhook-id");
    expect(&request, VERIFY_MISMATCH);
    set_header(&request, "svix-id", "");
    expect(&request, VERIFY_MISSING);
}

Test(verify_webhook, a_field_repeated_in_either_family)
{
    static const char *const names[] = {"webhook-id", "webhook-timestamp", "webhook-signature"};
    static const char *const svix[] = {"svix-id", "svix-timestamp", "svix-signature"};
    for (size_t i = 0; i < 3; i++) {
        struct signed_request request = message(V1);
        struct slice value = header_of(&request, names[i])->value;
        add_header(&request, names[i], value.data);
        expect(&request, VERIFY_REPEATED);
        remove_header(&request, names[i]);
        add_header(&request, svix[i], value.data);
        expect(&request, VERIFY_OK);
        add_header(&request, svix[i], value.data);
        expect(&request, VERIFY_REPEATED);
        request = message(V1);
        remove_header(&request, names[i]);
        expect(&request, VERIFY_MISSING);
    }
}

/* "a.b" and "1614265330" are signed as "a" and "b.1614265330" would be. */
Test(verify_webhook, ids_and_times_have_no_dot)
{
    struct signed_request request = message("v1,/4cHLGfXuFEOEVBDUU+/Di8DQvWSE7q0GKYMKBJjSCA=");
    set_header(&request, "webhook-id", "a.b");
    expect(&request, VERIFY_MALFORMED);
    set_header(&request, "webhook-id", "a");
    set_header(&request, "webhook-timestamp", "b.1614265330");
    expect(&request, VERIFY_MALFORMED);
    set_header(&request, "webhook-id", ".");
    set_header(&request, "webhook-timestamp", "1614265330");
    expect(&request, VERIFY_MALFORMED);
}

/* ---- GitLab ---- */

static struct signed_request gitlab(const char *token, const char *signatures)
{
    struct signed_request request = message(signatures);
    request.scheme = VERIFY_GITLAB;
    request.secrets[0] = SLICE("a token");
    add_header(&request, "X-Gitlab-Token", token);
    return request;
}

Test(verify_webhook, a_gitlab_token)
{
    struct signed_request request = gitlab("a token", OTHER_V1);
    expect(&request, VERIFY_OK);
    set_header(&request, "X-Gitlab-Token", "A token");
    expect(&request, VERIFY_MISMATCH);
    set_header(&request, "X-Gitlab-Token", "a token ");
    expect(&request, VERIFY_MISMATCH);
    set_header(&request, "X-Gitlab-Token", "");
    expect(&request, VERIFY_MISSING);
    remove_header(&request, "X-Gitlab-Token");
    expect(&request, VERIFY_MISSING);
    add_header(&request, "X-Gitlab-Token", "a token");
    add_header(&request, "X-Gitlab-Token", "a token");
    expect(&request, VERIFY_REPEATED);
}

Test(verify_webhook, a_gitlab_signing_token_needs_a_signature)
{
    struct signed_request request = gitlab("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", V1);
    request.secrets[0] = (struct slice)HMAC_SECRET;
    expect(&request, VERIFY_OK);
    set_header(&request, "webhook-signature", OTHER_V1);
    expect(&request, VERIFY_MISMATCH);
    remove_header(&request, "webhook-signature");
    expect(&request, VERIFY_MISSING);
}

static void expect_gitlab(struct signed_request request, enum verify_result expected,
                          size_t expected_secret)
{
    size_t secret;
    request.secrets[1] = (struct slice)HMAC_SECRET;
    enum verify_result result = check_once(&request, &secret);
    cr_assert_eq(result, expected, "%s", verify_result_text(result));
    cr_assert_eq(secret, expected_secret);
}

Test(verify_webhook, gitlab_with_secrets_of_both_kinds)
{
    expect_gitlab(gitlab("a token", V1), VERIFY_OK, 1);
    expect_gitlab(gitlab("another", V1), VERIFY_OK, 1);
    expect_gitlab(gitlab("a token", OTHER_V1), VERIFY_OK, 0);
    expect_gitlab(gitlab("a token", "v1,?"), VERIFY_OK, 0);
    expect_gitlab(gitlab("another", OTHER_V1), VERIFY_MISMATCH, NO_SECRET);
    expect_gitlab(gitlab("another", "v1,?"), VERIFY_MISMATCH, NO_SECRET);
    expect_gitlab(gitlab("", "v1,?"), VERIFY_MALFORMED, NO_SECRET);
    expect_gitlab(gitlab("", ""), VERIFY_MISSING, NO_SECRET);
}

Test(verify_webhook, a_gitlab_token_does_not_save_a_replay_or_a_repeated_field)
{
    struct signed_request request = gitlab("a token", V1);
    request.now_ms += TOLERANCE_MS + 1;
    expect_gitlab(request, VERIFY_TOO_OLD, NO_SECRET);
    request.now_ms -= 2 * TOLERANCE_MS + 2;
    expect_gitlab(request, VERIFY_TOO_NEW, NO_SECRET);
    request = gitlab("a token", V1);
    add_header(&request, "webhook-signature", V1);
    expect_gitlab(request, VERIFY_REPEATED, NO_SECRET);
    request = gitlab("a token", OTHER_V1);
    add_header(&request, "X-Gitlab-Token", "a token");
    expect_gitlab(request, VERIFY_REPEATED, NO_SECRET);
}

/* GitLab never sends those names. With them a recorded request would have no webhook-id, which is
 * what makes its key. */
Test(verify_webhook, gitlab_does_not_sign_under_the_names_of_svix)
{
    struct signed_request request = {
        .scheme = VERIFY_GITLAB,
        .secrets = {HMAC_SECRET},
        .tolerance_ms = TOLERANCE_MS,
        .body = TEXT("{\"test\": 2432232314}"),
        .headers = {{"svix-id", TEXT("msg_p5jXN8AQM9LWM0D4loKWxJek")},
                    {"svix-timestamp", TEXT("1614265330")},
                    {"svix-signature", TEXT(V1)}},
        .now_ms = 1614265330000,
    };
    expect(&request, VERIFY_MISSING);
    request.scheme = VERIFY_STANDARD_WEBHOOKS;
    expect(&request, VERIFY_OK);
}
