/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts: which files they take, what they say of those they don't, and reading them again.
 * tls_files.c is tested here as well; what a context does to a connection in test_tls_session.c.
 */
#include <certificates.h>

static struct identity first, other;
static struct tls_certificate files[2];
static char error[TLS_ERROR_SIZE];

static void make_identities(void)
{
    identity_new(&first, &(struct identity_wish){.common_name = "first", .names = "DNS:a.test"});
    identity_new(&other, &(struct identity_wish){.common_name = "other", .names = "DNS:b.test"});
    files[0] = identity_files(&first);
    files[1] = identity_files(&other);
}

static void free_identities(void)
{
    identity_free(&first);
    identity_free(&other);
}

TestSuite(tls_context, .init = make_identities, .fini = free_identities);

static void assert_refused(const struct tls_server_opts *opts, enum status status, const char *word)
{
    struct tls_context *context = NULL;
    strcpy(error, "");
    cr_assert_eq(tls_server_new(opts, &context, error), status, "%s", error);
    cr_assert_null(context);
    cr_assert_not_null(strstr(error, word), "%s", error);
}

static void assert_client_refused(const struct tls_client_opts *opts, enum status status,
                                  const char *word)
{
    struct tls_context *context = NULL;
    strcpy(error, "");
    cr_assert_eq(tls_client_new(opts, &context, error), status, "%s", error);
    cr_assert_null(context);
    cr_assert_not_null(strstr(error, word), "%s", error);
}

Test(tls_context, good_files)
{
    const struct tls_server_opts opts = {
        .certificates = files, .certificate_count = 2, .client_ca = files[0].certificate};
    struct tls_context *context = server_context_of(&opts);
    cr_assert_eq(tls_context_reload(context, error), STATUS_OK);
    tls_context_free(context);
    const struct tls_client_opts client = {
        .ca = files[0].certificate, .certificate = files[1].certificate, .key = files[1].key};
    tls_context_free(client_context_of(&client));
    tls_context_free(client_context_of(&(struct tls_client_opts){.enabled = true}));
    tls_context_free(client_context_of(&(struct tls_client_opts){.insecure = true}));
    tls_context_free(NULL);
}

Test(tls_context, options_are_copied)
{
    char path[64];
    strcpy(path, first.certificate_path);
    struct tls_certificate mine = {.certificate = slice_str(path), .key = files[0].key};
    struct tls_context *context =
        server_context_of(&(struct tls_server_opts){.certificates = &mine, .certificate_count = 1});
    memset(path, 'x', sizeof path - 1);
    mine = (struct tls_certificate){0};
    cr_assert_eq(tls_context_reload(context, error), STATUS_OK, "%s", error);
    tls_context_free(context);
}

Test(tls_context, files_that_are_missing)
{
    const struct slice nowhere = SLICE("/nowhere/a.pem");
    struct tls_certificate bad = {.certificate = nowhere, .key = files[0].key};
    struct tls_server_opts opts = {.certificates = &bad, .certificate_count = 1};
    assert_refused(&opts, STATUS_IO, "certificate /nowhere/a.pem: No such file");
    bad = (struct tls_certificate){.certificate = files[0].certificate, .key = nowhere};
    assert_refused(&opts, STATUS_IO, "key /nowhere/a.pem: No such file");
    opts = (struct tls_server_opts){
        .certificates = files, .certificate_count = 1, .client_ca = nowhere};
    assert_refused(&opts, STATUS_IO, "client_ca /nowhere/a.pem: No such file");
    assert_client_refused(&(struct tls_client_opts){.ca = nowhere}, STATUS_IO, "ca /nowhere/a.pem");
    const struct tls_client_opts keyless = {.certificate = files[0].certificate, .key = nowhere};
    assert_client_refused(&keyless, STATUS_IO, "key /nowhere/a.pem");
}

Test(tls_context, files_that_are_wrong)
{
    struct tls_certificate bad = {.certificate = files[0].key, .key = files[0].key};
    struct tls_server_opts opts = {.certificates = &bad, .certificate_count = 1};
    assert_refused(&opts, STATUS_INVALID, first.key_path);
    bad = (struct tls_certificate){.certificate = files[0].certificate, .key = files[1].key};
    assert_refused(&opts, STATUS_INVALID, "key values mismatch");
    bad = (struct tls_certificate){.certificate = files[0].certificate, .key = slice_of("", 0)};
    assert_refused(&opts, STATUS_INVALID, "no path");
    assert_client_refused(&(struct tls_client_opts){.ca = files[0].key}, STATUS_INVALID, "ca ");
    opts = (struct tls_server_opts){
        .certificates = files, .certificate_count = 1, .client_ca = files[0].key};
    assert_refused(&opts, STATUS_INVALID, "client_ca");
}

/* OpenSSL puts a key beside the certificate of its own kind, and finds nothing wrong with one that
 * has none. */
Test(tls_context, a_key_of_another_kind)
{
    EVP_PKEY_free(first.key);
    first.key = EVP_RSA_gen(2048);
    struct tls_certificate bad = identity_files(&first);
    BIO *key = BIO_new(BIO_s_mem());
    cr_assert_eq(PEM_write_bio_PrivateKey(key, first.key, NULL, NULL, 0, NULL, NULL), 1);
    write_pem(first.key_fd, key);
    assert_refused(&(struct tls_server_opts){.certificates = &bad, .certificate_count = 1},
                   STATUS_INVALID, first.key_path);
    const struct tls_client_opts opts = {
        .enabled = true, .certificate = bad.certificate, .key = bad.key};
    assert_client_refused(&opts, STATUS_INVALID, first.key_path);
}

/* Nobody is there to be asked for it, least of all on a terminal. */
Test(tls_context, a_key_with_a_passphrase)
{
    BIO *locked = BIO_new(BIO_s_mem());
    cr_assert_eq(PEM_write_bio_PrivateKey(locked, first.key, EVP_aes_128_cbc(),
                                          (const unsigned char *)"secret", 6, NULL, NULL),
                 1);
    write_pem(first.key_fd, locked);
    assert_refused(&(struct tls_server_opts){.certificates = files, .certificate_count = 1},
                   STATUS_INVALID, first.key_path);
}

Test(tls_context, number_of_certificates)
{
    struct tls_certificate many[TLS_MAX_CERTIFICATES + 1];
    for (size_t i = 0; i <= TLS_MAX_CERTIFICATES; i++)
        many[i] = files[i % 2];
    struct tls_server_opts opts = {.certificates = many, .certificate_count = 0};
    assert_refused(&opts, STATUS_INVALID, "no certificate");
    opts.certificate_count = TLS_MAX_CERTIFICATES + 1;
    assert_refused(&opts, STATUS_INVALID, "too many");
    opts.certificate_count = TLS_MAX_CERTIFICATES;
    tls_context_free(server_context_of(&opts));
}

Test(tls_context, one_bad_file_of_many)
{
    files[1].certificate = SLICE("/nowhere/b.pem");
    assert_refused(&(struct tls_server_opts){.certificates = files, .certificate_count = 2},
                   STATUS_IO, "/nowhere/b.pem");
}

Test(tls_context, a_reload_that_fails)
{
    struct tls_context *context =
        server_context_of(&(struct tls_server_opts){.certificates = files, .certificate_count = 1});
    rewrite(first.certificate_fd, "nonsense", 8);
    cr_assert_eq(tls_context_reload(context, error), STATUS_INVALID);
    cr_assert_not_null(strstr(error, first.certificate_path));
    identity_write(&first);
    cr_assert_eq(tls_context_reload(context, error), STATUS_OK, "%s", error);
    tls_context_free(context);
}

Test(tls_context, a_path_that_is_too_long)
{
    static char path[5000];
    memset(path, 'x', sizeof path);
    struct tls_certificate bad = {.certificate = slice_of(path, 4096), .key = files[0].key};
    assert_refused(&(struct tls_server_opts){.certificates = &bad, .certificate_count = 1},
                   STATUS_INVALID, "too long");
}
