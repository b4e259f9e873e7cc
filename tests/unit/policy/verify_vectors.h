/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One signed request of each sender: its own published vector where there is one, else one made by
 * Python's hmac (or, for Ed25519, by `openssl pkeyutl -sign -rawin`); each says which.
 */
#ifndef POSTERN_TESTS_POLICY_VERIFY_VECTORS_H
#define POSTERN_TESTS_POLICY_VERIFY_VECTORS_H

#include "signed_request.h"

struct vector {
    struct signed_request request;
    const char *signature;     /* header */
    const char *time;          /* header; NULL: none */
    uint64_t sent_ms;          /* 0: no time is signed */
    struct slice other_secret; /* a valid one that doesn't fit */
    bool folds;                /* the signature is hexadecimal, in either case */
    bool body_is_free;         /* the body isn't signed as a whole */
};

#define PLAIN_OTHER TEXT("another secret")

static const struct vector vectors[] = {
    /* standard-webhooks/standard-webhooks, libraries/javascript/src/webhook.test.ts, "sign function
       works". */
    {{.scheme = VERIFY_STANDARD_WEBHOOKS,
      .secrets = {TEXT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
      .body = TEXT("{\"test\": 2432232314}"),
      .headers = {{"webhook-id", TEXT("msg_p5jXN8AQM9LWM0D4loKWxJek")},
                  {"webhook-timestamp", TEXT("1614265330")},
                  {"webhook-signature", TEXT("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")}}},
     .signature = "webhook-signature",
     .time = "webhook-timestamp",
     .sent_ms = 1614265330000,
     .other_secret = TEXT("whsec_AAKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
    /* The same as Svix sends it (docs.svix.com, "Verifying webhooks manually"). */
    {{.scheme = VERIFY_STANDARD_WEBHOOKS,
      .secrets = {TEXT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
      .body = TEXT("{\"test\": 2432232314}"),
      .headers = {{"svix-id", TEXT("msg_p5jXN8AQM9LWM0D4loKWxJek")},
                  {"svix-timestamp", TEXT("1614265330")},
                  {"svix-signature", TEXT("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")}}},
     .signature = "svix-signature",
     .time = "svix-timestamp",
     .sent_ms = 1614265330000,
     .other_secret = TEXT("whsec_AAKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
    /* standard-webhooks/standard-webhooks, libraries/go/webhook_asymmetric_test.go,
       TestAsymmetricWebhookSign; the public key is that of its private one (openssl pkey -pubout).
     */
    {{.scheme = VERIFY_STANDARD_WEBHOOKS,
      .secrets = {TEXT("whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g=")},
      .body = TEXT("{\"test\": 2432232314}"),
      .headers = {{"webhook-id", TEXT("msg_p5jXN8AQM9LWM0D4loKWxJek")},
                  {"webhook-timestamp", TEXT("1614265330")},
                  {"webhook-signature",
                   TEXT("v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7"
                        "KaaBRdM5WqyeFiL8Ag==")}}},
     .signature = "webhook-signature",
     .time = "webhook-timestamp",
     .sent_ms = 1614265330000,
     .other_secret = TEXT("whpk_dSxHbGu6g4M2wIrdg4klDPuScHPSxx24icyWR6WqnzM=")},
    /* docs.github.com, "Validating webhook deliveries", "Testing the webhook payload validation".
     */
    {{.scheme = VERIFY_GITHUB,
      .secrets = {TEXT("It's a Secret to Everybody")},
      .body = TEXT("Hello, World!"),
      .headers = {{"X-Hub-Signature-256",
                   TEXT("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")},
                  {"X-Hub-Signature", TEXT("sha1=0000000000000000000000000000000000000000")}}},
     .signature = "X-Hub-Signature-256",
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* GitLab's signing token is Standard Webhooks; the token is the example of merge request
       231325. Made: base64(hmac.new(b64decode(key), b"<id>.1776089731." + body, "sha256").digest())
     */
    {{.scheme = VERIFY_GITLAB,
      .secrets = {TEXT("whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=")},
      .body = TEXT("{\"object_kind\":\"push\"}"),
      .headers = {{"webhook-id", TEXT("f5e5f430-f57b-4e6e-9fac-d9128cd7232f")},
                  {"webhook-timestamp", TEXT("1776089731")},
                  {"webhook-signature", TEXT("v1,aa9sOhzPCWrvz5auI0Irxp0B6DzosRikQgVZo40EnHY=")}}},
     .signature = "webhook-signature",
     .time = "webhook-timestamp",
     .sent_ms = 1776089731000,
     .other_secret = TEXT("whsec_AGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=")},
    /* Made: hmac.new(secret, b"1492774577." + body, "sha256").hexdigest(); Stripe publishes none
       with its secret. */
    {{.scheme = VERIFY_STRIPE,
      .secrets = {TEXT("whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH")},
      .body = TEXT("{\"id\":\"evt_1\",\"object\":\"event\"}"),
      .headers = {{"Stripe-Signature", TEXT("t=1492774577,v1=9ea270decc4219855697aa75562fa52a"
                                            "40e07edc8bc3a3a70267f53380689d93")}}},
     .signature = "Stripe-Signature",
     .sent_ms = 1492774577000,
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* docs.slack.dev, "Verifying requests from Slack" (also slackapi/python-slack-sdk,
       tests/slack_sdk/signature/test_signature_verifier.py). */
    {{.scheme = VERIFY_SLACK,
      .secrets = {TEXT("8f742231b10e8888abcd99yyyzzz85a5")},
      .body = TEXT("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
                   "&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
                   "&user_name=roadrunner&command=%2Fwebhook-collect&text="
                   "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J"
                   "%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
                   "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"),
      .headers = {{"X-Slack-Signature",
                   TEXT("v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503")},
                  {"X-Slack-Request-Timestamp", TEXT("1531420618")}}},
     .signature = "X-Slack-Signature",
     .time = "X-Slack-Request-Timestamp",
     .sent_ms = 1531420618000,
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* Shopify publishes none. The expected value is of SQLPage's test of its hmac function, "Test
       Shopify webhook HMAC validation with base64 output". */
    {{.scheme = VERIFY_SHOPIFY,
      .secrets = {TEXT("test-webhook-secret")},
      .body =
          TEXT("{\"id\":1234567890,\"email\":\"customer@example.com\",\"total_price\":\"123.45\"}"),
      .headers = {{"X-Shopify-Hmac-SHA256", TEXT("QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw=")}}},
     .signature = "X-Shopify-Hmac-SHA256",
     .other_secret = PLAIN_OTHER},
    /* twilio/twilio-csharp, RequestValidatorTest: TestValidateWithBody. */
    {{.scheme = VERIFY_TWILIO,
      .secrets = {TEXT("12345")},
      .public_url = TEXT("https://mycompany.com"),
      .target = TEXT("/myapp.php?foo=1&bar=2&bodySHA256="
                     "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"),
      .body = TEXT("{\"property\": \"value\", \"boolean\": true}"),
      .headers = {{"X-Twilio-Signature", TEXT("a9nBmqA0ju/hNViExpshrM61xv4=")},
                  {"Content-Type", TEXT("application/json")}}},
     .signature = "X-Twilio-Signature",
     .other_secret = PLAIN_OTHER},
    /* Made: hmac.new(secret, body, "sha256").hexdigest(); Meta publishes none. The body is escaped
       as Meta escapes it. */
    {{.scheme = VERIFY_META,
      .secrets = {TEXT("meta-app-secret")},
      .body = TEXT("{\"object\":\"whatsapp_business_account\",\"name\":\"J\\u00fcrgen\"}"),
      .headers =
          {{"X-Hub-Signature-256",
            TEXT("sha256=546fde86a026d48dfac738af8c5f84ff9103432d54bd932f3308e2944726a18b")}}},
     .signature = "X-Hub-Signature-256",
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* Made: hmac.new(b"SECRET", body, "sha256").hexdigest(), as linear/linear,
       packages/sdk/src/_tests/LinearWebhooks.test.ts, makes its own; body and secret after it. */
    {{.scheme = VERIFY_LINEAR,
      .secrets = {TEXT("SECRET")},
      .body =
          TEXT("{\"action\":\"create\",\"type\":\"Comment\",\"createdAt\":\"2020-01-23T12:53:18."
               "084Z\",\"webhookTimestamp\":1677611643000}"),
      .headers = {{"Linear-Signature",
                   TEXT("491095b22affc641c5619a0ba7b00925984f23945cf19d09eb2035cd9828755a")}}},
     .signature = "Linear-Signature",
     .sent_ms = 1677611643000,
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* square/square-python-sdk, tests/integration/test_webhooks_helper.py. */
    {{.scheme = VERIFY_SQUARE,
      .secrets = {TEXT("Ibxx_5AKakO-3qeNVR61Dw")},
      .public_url = TEXT("https://webhook.site"),
      .target = TEXT("/679a4f3a-dcfa-49ee-bac5-9d0edad886b9"),
      .body = TEXT("{\"merchant_id\":\"MLEFBHHSJGVHD\",\"type\":\"webhooks.test_notification\","
                   "\"event_id\":\"ac3ac95b-f97d-458c-a6e6-18981597e05f\",\"created_at\":"
                   "\"2022-07-13T20:30:59.037339943Z\",\"data\":{\"type\":\"webhooks\",\"id\":"
                   "\"bc368e64-01aa-407e-b46e-3231809b1129\"}}"),
      .headers = {{"x-square-hmacsha256-signature",
                   TEXT("GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4=")}}},
     .signature = "x-square-hmacsha256-signature",
     .other_secret = PLAIN_OTHER},
    /* The same file, "escaped_pass". */
    {{.scheme = VERIFY_SQUARE,
      .secrets = {TEXT("signature-key")},
      .public_url = TEXT("https://webhook.site"),
      .target = TEXT("/webhooks"),
      .body = TEXT("{\"data\":{\"type\":\"webhooks\",\"id\":\">id<\"}}"),
      .headers = {{"x-square-hmacsha256-signature",
                   TEXT("Cxt7+aTi4rKgcA0bC4g9EHdVtLSDWdqccmL5MvihU4U=")}}},
     .signature = "x-square-hmacsha256-signature",
     .other_secret = PLAIN_OTHER},
    /* PaddleHQ/paddle-python-sdk, tests/Unit/Notification/test_Verifier.py, without its dummy
       (which test_verify_hmac.c has). */
    {{.scheme = VERIFY_PADDLE,
      .secrets = {TEXT("pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jzh")},
      .body = TEXT("hello-world"),
      .headers = {{"Paddle-Signature", TEXT("ts=1696195954;h1=d96299976a6eb066f484d7fde011ac56"
                                            "fc32b38fc9940bc419d6e537fdc6ef02")}}},
     .signature = "Paddle-Signature",
     .sent_ms = 1696195954000,
     .other_secret = TEXT("pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_TjIG2BXbm83HPXqNfziwe506sBEdqL/4"),
     .folds = true},
    /* PagerDuty/go-pagerduty, webhookv3/webhookv3_test.go. */
    {{.scheme = VERIFY_PAGERDUTY,
      .secrets = {TEXT("lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK")},
      .body = TEXT(
          "{\"event\":{\"id\":\"01BWDWL3NYY7LUFPZCC28QUCMK\",\"event_type\":\"incident."
          "priority_updated\",\"resource_type\":\"incident\",\"occurred_at\":"
          "\"2021-04-26T17:36:27.458Z\",\"agent\":{\"html_url\":\"https://acme.pagerduty.com/users/"
          "PLH1HKV\",\"id\":\"PLH1HKV\",\"self\":\"https://api.pagerduty.com/users/PLH1HKV\","
          "\"summary\":\"Tenex Engineer\",\"type\":\"user_reference\"},\"client\":null,\"data\":{"
          "\"id\":\"PGR0VU2\",\"type\":\"incident\",\"self\":\"https://api.pagerduty.com/incidents/"
          "PGR0VU2\",\"html_url\":\"https://acme.pagerduty.com/incidents/PGR0VU2\",\"number\":2,"
          "\"status\":\"triggered\",\"title\":\"A little bump in the road\",\"service\":{\"html_"
          "url\":\"https://acme.pagerduty.com/services/PF9KMXH\",\"id\":\"PF9KMXH\",\"self\":"
          "\"https://api.pagerduty.com/services/PF9KMXH\",\"summary\":\"API Service\",\"type\":"
          "\"service_reference\"},\"assignees\":[{\"html_url\":\"https://acme.pagerduty.com/users/"
          "PTUXL6G\",\"id\":\"PTUXL6G\",\"self\":\"https://api.pagerduty.com/users/PTUXL6G\","
          "\"summary\":\"User 123\",\"type\":\"user_reference\"}],\"escalation_policy\":{\"html_"
          "url\":\"https://acme.pagerduty.com/escalation_policies/PUS0KTE\",\"id\":\"PUS0KTE\","
          "\"self\":\"https://api.pagerduty.com/escalation_policies/PUS0KTE\",\"summary\":"
          "\"Default\",\"type\":\"escalation_policy_reference\"},\"teams\":[{\"html_url\":"
          "\"https://acme.pagerduty.com/teams/PFCVPS0\",\"id\":\"PFCVPS0\",\"self\":"
          "\"https://api.pagerduty.com/teams/PFCVPS0\",\"summary\":\"Engineering\",\"type\":"
          "\"team_reference\"}],\"priority\":{\"html_url\":\"https://acme.pagerduty.com/account/"
          "incident_priorities\",\"id\":\"PSO75BM\",\"self\":\"https://api.pagerduty.com/"
          "priorities/PSO75BM\",\"summary\":\"P1\",\"type\":\"priority_reference\"},\"urgency\":"
          "\"high\",\"conference_bridge\":{\"conference_number\":1000,\"conference_url\":\"https:"
          "//example.com\"},\"resolve_reason\":null}}}"),
      .headers = {{"X-PagerDuty-Signature",
                   TEXT("v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd")}}},
     .signature = "X-PagerDuty-Signature",
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* Made: hmac.new(secret, b"v0:1739923528:" + body, "sha256").hexdigest(); Zoom publishes none
       with its secret. */
    {{.scheme = VERIFY_ZOOM,
      .secrets = {TEXT("zoom-secret-token")},
      .body = TEXT("{\"event\":\"meeting.started\",\"event_ts\":1739923528123}"),
      .headers = {{"x-zm-signature",
                   TEXT("v0=07b27fa0a17442b90a86f533985e55000a2cf876d89199a03cdd5aed767741a1")},
                  {"x-zm-request-timestamp", TEXT("1739923528")}}},
     .signature = "x-zm-signature",
     .time = "x-zm-request-timestamp",
     .sent_ms = 1739923528000,
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* Made by openssl from "1700000000" and the body, with the private key of RFC 8032 7.1, TEST 1;
       Discord publishes none. */
    {{.scheme = VERIFY_DISCORD,
      .secrets = {TEXT("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")},
      .body = TEXT("{\"type\":1}"),
      .headers = {{"X-Signature-Ed25519",
                   TEXT("1695961a47c91a1ec033b819b7e87e3dbc583dd0cee6d1fd0216f58ac87b6228"
                        "ae531ddbf91fb7bc28d7edf7f08604da16f54624f38a6bc0614e4dc13cd47f0f")},
                  {"X-Signature-Timestamp", TEXT("1700000000")}}},
     .signature = "X-Signature-Ed25519",
     .time = "X-Signature-Timestamp",
     .sent_ms = 1700000000000,
     .other_secret = TEXT("752c476c6bba838336c08add8389250cfb927073d2c71db889cc9647a5aa9f33"),
     .folds = true},
    /* sendgrid/sendgrid-python, test/unit/test_eventwebhook.py; the other key is there, too. */
    {{.scheme = VERIFY_SENDGRID,
      .secrets = {TEXT(
          "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1"
          "flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==")},
      .body = TEXT(
          "[{\"email\":\"hello@world.com\",\"event\":\"dropped\",\"reason\":\"Bounced Address\","
          "\"sg_event_id\":\"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA\","
          "\"sg_message_id\":\"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-"
          "5F5FC76C-9.0\",\"smtp-id\":\"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>\","
          "\"timestamp\":1600112492}]\r\n"),
      .headers = {{"X-Twilio-Email-Event-Webhook-Signature",
                   TEXT("MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+"
                        "luQAbPIqHh89M15TluLtEZtM=")},
                  {"X-Twilio-Email-Event-Webhook-Timestamp", TEXT("1600112502")}}},
     .signature = "X-Twilio-Email-Event-Webhook-Signature",
     .time = "X-Twilio-Email-Event-Webhook-Timestamp",
     .sent_ms = 1600112502000,
     .other_secret = TEXT("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6"
                          "jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==")},
    /* Made: hmac.new(secret, body, "sha256").hexdigest(); Dropbox publishes none. */
    {{.scheme = VERIFY_DROPBOX,
      .secrets = {TEXT("dropbox-app-secret")},
      .body =
          TEXT("{\"list_folder\":{\"accounts\":[\"dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc\"]}}"),
      .headers = {{"X-Dropbox-Signature",
                   TEXT("24ae1721acc7afaa9662c95e7f61cf98f5d80647a5f95493ab3d1fad5275ae2d")}}},
     .signature = "X-Dropbox-Signature",
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* Made: hmac.new(secret, body, "sha1").hexdigest(); Intercom's example lacks its secret. */
    {{.scheme = VERIFY_INTERCOM,
      .secrets = {TEXT("intercom-client-secret")},
      .body =
          TEXT("{\"type\":\"notification_event\",\"id\":\"notif_1\",\"topic\":\"user.created\"}"),
      .headers = {{"X-Hub-Signature", TEXT("sha1=afd8dda4caf92262bfd4f60d7905069a98f407d1")}}},
     .signature = "X-Hub-Signature",
     .other_secret = PLAIN_OTHER,
     .folds = true},
    /* Made: base64(hmac.new(secret,
       b"POST/hooks?x=1evt_11700000000123https://h.example/hooks?x=1{}", "sha512").digest()): every
       kind of part. */
    {{.scheme = VERIFY_HMAC,
      .secrets = {TEXT("generic-secret")},
      .public_url = TEXT("https://h.example"),
      .method = TEXT("POST"),
      .target = TEXT("/hooks?x=1"),
      .body = TEXT("{}"),
      .hmac = {.header = TEXT("X-Sig"),
               .digest = VERIFY_SHA512,
               .encoding = VERIFY_BASE64,
               .time_header = TEXT("X-Time"),
               .parts = {{.kind = VERIFY_PART_METHOD},
                         {.kind = VERIFY_PART_PATH},
                         {.kind = VERIFY_PART_HEADER, .text = TEXT("X-Event")},
                         {.kind = VERIFY_PART_TIME},
                         {.kind = VERIFY_PART_URL},
                         {.kind = VERIFY_PART_BODY}},
               .part_count = 6},
      .headers = {{"X-Sig", TEXT("1Ijm8UKZ+O5R+bEdMJrH9bdY25oo3iIy7HScqsWu5xNfYhXKdVhjf9OoZfdHwD4a"
                                 "EK11WrxZMUC3t7sBZMjmIA==")},
                  {"X-Event", TEXT("evt_1")},
                  {"X-Time", TEXT("1700000000123")}}},
     .signature = "X-Sig",
     .time = "X-Time",
     .sent_ms = 1700000000123,
     .other_secret = PLAIN_OTHER},
};

#define VECTOR_COUNT COUNT_OF(vectors)

static inline struct signed_request request_of(const struct vector *vector)
{
    struct signed_request request = vector->request;
    request.now_ms = vector->sent_ms ? vector->sent_ms : 1700000000000;
    request.tolerance_ms = TOLERANCE_MS;
    return request;
}

#endif
