/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each kind in a function of its own: what has to be there, and the answer. Anything less, or
 * anything more that makes it doubtful, is no handshake: an event that passed for one would be
 * lost, while a handshake that passes for an event only fails, and is tried again.
 */
#include <postern/policy/handshake.h>

#include "mac.h"
#include "query.h"

#include <assert.h>
#include <postern/base/uuid.h>
#include <postern/policy/json.h>

#define PLAIN SLICE("text/plain; charset=utf-8")
#define JSON SLICE("application/json")
#define PROBLEM SLICE("application/problem+json")
#define MAX_PATHS 2u
#define PROOF_LEN 64u /* two digits a byte */

#define WRONG_TOKEN                                                                                \
    SLICE("{\"type\":\"urn:postern:problem:wrong-verify-token\",\"title\":\"Wrong verify token\"," \
          "\"status\":403,\"detail\":\"hub.verify_token is not the handshake_token of this "       \
          "route.\"}")

/* ---- what is echoed ---- */

static bool is_harmless(struct slice text)
{
    if (text.len == 0 || text.len > HANDSHAKE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c <= ' ' || c > '~' || strchr("<>&\"'`\\", c))
            return false;
    }
    return true;
}

static bool answer_with(uint16_t status, struct slice type, struct slice body,
                        struct handshake_answer *ret_answer)
{
    *ret_answer = (struct handshake_answer){.status = status, .content_type = type, .body = body};
    return true;
}

/* ---- what a request holds ---- */

/* Parameters are decoded as forms are, since senders write a space as '+'. */
static bool has_parameter(struct slice query, struct slice name, struct arena *arena,
                          struct slice *ret_value)
{
    return query_find(query, name, QUERY_PLUS_IS_SPACE, arena, ret_value) == KEY_MISS_NONE;
}

static struct json_path path_of(struct slice first, struct slice second)
{
    return (struct json_path){.parts = {first, second}, .count = second.len > 0 ? 2 : 1};
}

/* The values of a JSON body that a POST brought; strings are still escaped. */
static bool locate(const struct handshake_input *input, const struct json_path *paths, size_t count,
                   struct json_value *ret_values)
{
    return slice_eq(input->method, SLICE("POST")) &&
           json_locate(input->body, paths, count, ret_values) == JSON_OK;
}

/* A string that isn't too long to be looked at. */
static bool read_string(struct json_value *value, struct arena *arena)
{
    return value->kind == JSON_STRING &&
           json_read_short_text(value, HANDSHAKE_MAX_BYTES, arena) == JSON_OK;
}

static bool is_string(struct json_value *value, struct slice text, struct arena *arena)
{
    return read_string(value, arena) && slice_eq(value->text, text);
}

/* The string at `paths[1]` of a body whose `paths[0]` is `word`: the shape of Slack and Zoom. */
static bool find_challenge(const struct handshake_input *input,
                           const struct json_path paths[MAX_PATHS], struct slice word,
                           struct arena *arena, struct slice *ret_challenge)
{
    struct json_value values[MAX_PATHS];
    if (!locate(input, paths, MAX_PATHS, values) || !is_string(&values[0], word, arena) ||
        !read_string(&values[1], arena) || !is_harmless(values[1].text))
        return false;
    *ret_challenge = values[1].text;
    return true;
}

/* ---- the kinds ---- */

static bool find_slack(const struct handshake_input *input, struct arena *arena,
                       struct handshake_answer *ret_answer)
{
    const struct json_path paths[] = {path_of(SLICE("type"), SLICE("")),
                                      path_of(SLICE("challenge"), SLICE(""))};
    struct slice challenge;
    return find_challenge(input, paths, SLICE("url_verification"), arena, &challenge) &&
           answer_with(200, PLAIN, challenge, ret_answer);
}

/* Only the length shows in the time it takes. */
static bool is_our_token(struct slice ours, struct slice sent)
{
    return ours.len == sent.len && mac_equal(ours.data, sent.data, ours.len);
}

/* A token that can't be read is a wrong one. */
static bool find_meta(const struct handshake_opts *opts, const struct handshake_input *input,
                      struct arena *arena, struct handshake_answer *ret_answer)
{
    struct slice mode, challenge, token;
    assert(opts->token.len > 0);
    if (!slice_eq(input->method, SLICE("GET")) ||
        !has_parameter(input->query, SLICE("hub.mode"), arena, &mode) ||
        !slice_eq(mode, SLICE("subscribe")) ||
        !has_parameter(input->query, SLICE("hub.challenge"), arena, &challenge) ||
        !is_harmless(challenge))
        return false;
    enum key_miss miss =
        query_find(input->query, SLICE("hub.verify_token"), QUERY_PLUS_IS_SPACE, arena, &token);
    if (miss == KEY_MISS_NO_MEMORY)
        return false;
    if (miss != KEY_MISS_NONE || !is_our_token(opts->token, token))
        return answer_with(403, PROBLEM, WRONG_TOKEN, ret_answer);
    return answer_with(200, PLAIN, challenge, ret_answer);
}

/* What shows that we hold the secret: HMAC-SHA-256 of the token under it, in hexadecimal. */
static bool prove(struct slice secret, struct slice token, char ret_hex[static PROOF_LEN])
{
    uint8_t bytes[MAC_MAX_BYTES];
    struct mac *mac;
    if (mac_open(MAC_SHA256, secret, &mac) != STATUS_OK)
        return false;
    bool made = mac_of(mac, &token, 1, bytes) == STATUS_OK;
    mac_close(mac);
    if (made)
        hex_format(slice_of(bytes, PROOF_LEN / 2), ret_hex);
    return made;
}

/* {"plainToken":"…","encryptedToken":"…"}; neither needs escapes. */
static bool answer_zoom(struct slice token, struct slice proof, struct arena *arena,
                        struct handshake_answer *ret_answer)
{
    struct slice parts[] = {SLICE("{\"plainToken\":\""), token, SLICE("\",\"encryptedToken\":\""),
                            proof, SLICE("\"}")};
    size_t len = 0, count = sizeof parts / sizeof *parts;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *body = arena_alloc(arena, len), *at = body;
    if (!body)
        return false;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    return answer_with(200, JSON, slice_of(body, len), ret_answer);
}

static bool find_zoom(const struct handshake_input *input, struct arena *arena,
                      struct handshake_answer *ret_answer)
{
    const struct json_path paths[] = {path_of(SLICE("event"), SLICE("")),
                                      path_of(SLICE("payload"), SLICE("plainToken"))};
    struct slice token;
    char proof[PROOF_LEN];
    return input->secret.len > 0 &&
           find_challenge(input, paths, SLICE("endpoint.url_validation"), arena, &token) &&
           prove(input->secret, token, proof) &&
           answer_zoom(token, slice_of(proof, sizeof proof), arena, ret_answer);
}

static bool find_dropbox(const struct handshake_input *input, struct arena *arena,
                         struct handshake_answer *ret_answer)
{
    struct slice challenge;
    return slice_eq(input->method, SLICE("GET")) &&
           has_parameter(input->query, SLICE("challenge"), arena, &challenge) &&
           is_harmless(challenge) && answer_with(200, PLAIN, challenge, ret_answer);
}

/* Of the two kinds of endpoint, 1 is the PING of one and an event of the other. */
static bool find_discord(const struct handshake_input *input, struct handshake_answer *ret_answer)
{
    const struct json_path paths[] = {path_of(SLICE("type"), SLICE("")),
                                      path_of(SLICE("event"), SLICE(""))};
    struct json_value values[MAX_PATHS];
    if (!locate(input, paths, MAX_PATHS, values) || values[0].kind != JSON_NUMBER ||
        values[1].kind != JSON_ABSENT)
        return false;
    if (slice_eq(values[0].raw, SLICE("1")))
        return answer_with(200, JSON, SLICE("{\"type\":1}"), ret_answer);
    return slice_eq(values[0].raw, SLICE("0")) && answer_with(204, JSON, SLICE(""), ret_answer);
}

/* ---- the interface ---- */

bool handshake_is_unsigned(enum handshake_kind kind)
{
    return kind == HANDSHAKE_META || kind == HANDSHAKE_DROPBOX;
}

bool handshake_find(const struct handshake_opts *opts, const struct handshake_input *input,
                    struct arena *arena, struct handshake_answer *ret_answer)
{
    switch (opts->kind) {
    case HANDSHAKE_SLACK:
        return find_slack(input, arena, ret_answer);
    case HANDSHAKE_META:
        return find_meta(opts, input, arena, ret_answer);
    case HANDSHAKE_ZOOM:
        return find_zoom(input, arena, ret_answer);
    case HANDSHAKE_DROPBOX:
        return find_dropbox(input, arena, ret_answer);
    case HANDSHAKE_DISCORD:
        return find_discord(input, ret_answer);
    case HANDSHAKE_NONE:
    case HANDSHAKE_KINDS:
        break;
    }
    return false;
}

const char *handshake_text(enum handshake_kind kind)
{
    static const char *const words[] = {
        [HANDSHAKE_NONE] = "none", [HANDSHAKE_SLACK] = "slack",     [HANDSHAKE_META] = "meta",
        [HANDSHAKE_ZOOM] = "zoom", [HANDSHAKE_DROPBOX] = "dropbox", [HANDSHAKE_DISCORD] = "discord",
    };
    static_assert(sizeof words / sizeof *words == HANDSHAKE_KINDS, "a word for each");
    return words[kind];
}
