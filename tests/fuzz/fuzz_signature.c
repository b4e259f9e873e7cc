/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures (policy/verify.h): every scheme's fields as anybody may send them. Nobody here can
 * forge one, so a request passes only if it began as one of the corpus, which is signed. Then it
 * must not pass with one bit of the body, the secret or (where that is signed) the URL changed, nor
 * with its fields sent twice.
 *
 * Input: lines of a letter and a value, an empty line, the body:
 *   s scheme (a letter from 'a')   n now, milliseconds   k secret (repeats)   u public URL
 *   m method   t target   h field ("Name: value", repeats)
 * and for the generic scheme
 *   H field   d digest (0 … 2)   e encoding (0, 1)   p prefix   c separator   T time field
 *   x time prefix   P parts: b body, t time, m method, p path, u URL, i the field "Id", else text
 */
#include "fuzz.h"

#include <postern/policy/verify.h>

#define FIELDS_MAX 64u
#define MEMORY_CEILING ((size_t)1 << 22)

struct field {
    struct slice name, value;
};

struct request {
    struct verify_opts opts;
    struct slice secrets[VERIFY_MAX_SECRETS];
    struct verify_input input;
    struct field fields[FIELDS_MAX];
    size_t field_count;
};

static size_t find_header(const void *context, struct slice name, struct slice *ret_value)
{
    const struct request *request = context;
    size_t found = 0;
    for (size_t i = 0; i < request->field_count; i++)
        if (slice_ieq(request->fields[i].name, name) && found++ == 0)
            *ret_value = request->fields[i].value;
    return found;
}

/* ---- from the input ---- */

static void read_field(struct request *request, struct slice line)
{
    const char *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
    size_t name_len = colon ? (size_t)(colon - line.data) : line.len;
    if (request->field_count < FIELDS_MAX / 2)
        request->fields[request->field_count++] = (struct field){
            slice_of(line.data, name_len), slice_trim(slice_skip(line, name_len + 1))};
}

static struct verify_part part_of(const char *letter)
{
    static const char letters[] = "btmpui";
    static const enum verify_part_kind kinds[] = {VERIFY_PART_BODY,   VERIFY_PART_TIME,
                                                  VERIFY_PART_METHOD, VERIFY_PART_PATH,
                                                  VERIFY_PART_URL,    VERIFY_PART_HEADER};
    const char *found = *letter ? strchr(letters, *letter) : NULL;
    if (!found)
        return (struct verify_part){.kind = VERIFY_PART_TEXT, .text = slice_of(letter, 1)};
    return (struct verify_part){.kind = kinds[found - letters], .text = SLICE("Id")};
}

static void read_parts(struct verify_hmac *hmac, struct slice letters)
{
    hmac->part_count = 0;
    for (size_t i = 0; i < letters.len && hmac->part_count < VERIFY_MAX_PARTS - 1; i++)
        if (letters.data[i] != 'b')
            hmac->parts[hmac->part_count++] = part_of(&letters.data[i]);
    hmac->parts[hmac->part_count++] = (struct verify_part){.kind = VERIFY_PART_BODY};
}

static uint64_t read_number(struct slice text)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len && i < 15; i++)
        number = number * 10 + (unsigned char)text.data[i] % 16;
    return number;
}

static void read_generic(struct verify_hmac *hmac, char letter, struct slice value)
{
    unsigned choice = value.len > 0 ? (unsigned char)value.data[0] : 0;
    if (letter == 'H')
        hmac->header = value;
    else if (letter == 'd')
        hmac->digest = (enum verify_digest)(choice % 3);
    else if (letter == 'e')
        hmac->encoding = (enum verify_encoding)(choice % 2);
    else if (letter == 'p')
        hmac->prefix = value;
    else if (letter == 'c')
        hmac->separator = (char)choice;
    else if (letter == 'T')
        hmac->time_header = value;
    else if (letter == 'x')
        hmac->time_prefix = value;
    else if (letter == 'P')
        read_parts(hmac, value);
}

static void read_line(struct request *request, char letter, struct slice value)
{
    struct verify_opts *opts = &request->opts;
    if (letter == 's' && value.len > 0)
        opts->scheme =
            (enum verify_scheme)(1 + (unsigned char)value.data[0] % (VERIFY_SCHEMES - 1));
    else if (letter == 'n')
        request->input.now_ms = read_number(value);
    else if (letter == 'k' && opts->secret_count < VERIFY_MAX_SECRETS)
        request->secrets[opts->secret_count++] = value;
    else if (letter == 'u')
        opts->public_url = value;
    else if (letter == 'm')
        request->input.method = value;
    else if (letter == 't')
        request->input.target = value;
    else if (letter == 'h')
        read_field(request, value);
    else
        read_generic(&opts->hmac, letter, value);
}

static void read_request(struct request *request, struct slice input)
{
    *request = (struct request){
        .opts = {.scheme = VERIFY_GITHUB, .tolerance_ms = 300000, .status = 401},
        .input = {.method = SLICE("POST"), .target = SLICE("/"), .header = find_header}};
    request->opts.hmac.header = SLICE("X-Sig");
    read_parts(&request->opts.hmac, SLICE(""));
    for (struct slice line = fuzz_line(&input); line.len > 0; line = fuzz_line(&input))
        read_line(request, line.data[0], slice_skip(line, 1));
    request->opts.secrets = request->secrets;
    request->input.headers = request;
    request->input.body = input;
}

/* ---- what has to hold ---- */

static enum verify_result check_with(struct verifier *verifier, const struct verify_input *input,
                                     size_t *ret_secret)
{
    struct arena arena;
    *ret_secret = SIZE_MAX;
    arena_init(&arena, 4096, MEMORY_CEILING);
    enum verify_result result = verifier_check(verifier, input, &arena, ret_secret);
    FUZZ_CHECK(result < VERIFY_RESULTS && verify_result_text(result));
    FUZZ_CHECK((result == VERIFY_OK) == (*ret_secret < VERIFY_MAX_SECRETS));
    FUZZ_CHECK(result != VERIFY_UNAVAILABLE);
    arena_done(&arena);
    return result;
}

static enum verify_result check(struct verifier *verifier, const struct verify_input *input)
{
    size_t secret;
    return check_with(verifier, input, &secret);
}

/* Secrets that are sent as they are cover nothing (GitLab may have some of each kind); Mailgun
 * signs a token of its own. */
static bool covers_body(const struct request *request, size_t secret)
{
    enum verify_scheme scheme = request->opts.scheme;
    if (scheme == VERIFY_GITLAB)
        return slice_starts(request->secrets[secret], SLICE("whsec_"));
    return scheme != VERIFY_BEARER && scheme != VERIFY_BASIC && scheme != VERIFY_HEADER &&
           scheme != VERIFY_MAILGUN;
}

/* Again with one bit of `*part` changed, which is put back. */
static void check_changed(struct verifier *verifier, const struct request *request,
                          struct slice *part)
{
    struct slice original = *part;
    char *block = fuzz_block(original);
    if (original.len > 0) {
        block[request->input.now_ms % original.len] ^= 1;
        part->data = block;
        FUZZ_CHECK(check(verifier, &request->input) != VERIFY_OK);
    }
    *part = original;
    free(block);
}

static void check_doubled(struct verifier *verifier, struct request *request)
{
    size_t count = request->field_count;
    memcpy(request->fields + count, request->fields, count * sizeof request->fields[0]);
    request->field_count *= 2;
    enum verify_result result = check(verifier, &request->input);
    FUZZ_CHECK(result != VERIFY_OK || request->opts.scheme == VERIFY_MAILGUN);
    request->field_count = count;
}

static void try_request(struct verifier *verifier, struct request *request)
{
    size_t secret;
    enum verify_result result = check_with(verifier, &request->input, &secret);
    FUZZ_CHECK(check(verifier, &request->input) == result);
    if (result != VERIFY_OK)
        return;
    if (covers_body(request, secret))
        check_changed(verifier, request, &request->input.body);
    if (verify_scheme_needs_url(request->opts.scheme))
        check_changed(verifier, request, &request->input.target);
    check_doubled(verifier, request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *block = fuzz_block(slice_of(data, size));
    struct request request;
    struct verifier *verifier = NULL;
    char error[256] = "";
    read_request(&request, slice_of(block, size));
    if (request.opts.secret_count > 0 &&
        verifier_open(&request.opts, &verifier, error) == STATUS_OK) {
        try_request(verifier, &request);
        verifier_close(verifier);
    } else {
        FUZZ_CHECK(request.opts.secret_count == 0 || strnlen(error, sizeof error) > 0);
    }
    free(block);
    return 0;
}
