/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The presets: only data, in the order of their names; what it must keep to is in the header.
 * To add a sender, add a row with its sources, and run the test of docs/presets.md once with
 * POSTERN_UPDATE=1.
 */
#include <postern/config/presets.h>

const struct preset PRESETS[] = {
    {"adyen", "Adyen, standard notifications",
     "signature: {scheme: basic}\n"
     "key: {payload: {include: [\"notificationItems.*.NotificationRequestItem.eventCode\",\n"
     "                          \"notificationItems.*.NotificationRequestItem.pspReference\",\n"
     "                          \"notificationItems.*.NotificationRequestItem.success\"]}}\n"
     "missing: payload\n"
     "window: 30d\n"
     "in_flight: wait\n"
     "in_flight_wait: 5s\n"
     "success: [2xx]\n",
     "signature.secret",
     "Three times at once, then after 2, 5, 10, 15 and 30 minutes, 1, 2, 4 and 8 hours, for up to "
     "30 days. Any 2xx is success, 202 too. 10 seconds to answer (only by a third party).",
     "`signature.secret` is `user:password` of the webhook's basic authentication; the HMAC inside "
     "each item is left to the upstream. A repeated notification has the same event code and PSP "
     "reference, but may differ elsewhere; another outcome (`success`) is another event. The "
     "window "
     "is the longest a route may have: a fifth above 30 days is not to be had.",
     "https://docs.adyen.com/development-resources/webhooks/troubleshoot and "
     "/handle-webhook-events; deadline: hookdeck.com; the key: github.com/frain-dev/convoy, issue "
     "1618",
     "2026-11"},
    {"apify", "Apify",
     "key: [{header: X-Apify-Webhook-Dispatch-Id}, {fields: [eventType, eventData.actorRunId]}]\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 10s\n"
     "success: [2xx]\n",
     "",
     "11 times: after 1 minute, 2, 4 and so on up to about 32 hours, 68 hours in all. 30 seconds "
     "to answer; 2xx is success.",
     "Apify signs nothing. Put a secret into the webhook's headers template and check it: "
     "`signature: {scheme: header, header: X-Webhook-Secret, secret: env:NAME}`. Without the "
     "dispatch's id (an older webhook, a copy made by hand) an event is a run and its event type, "
     "so "
     "that each status of a run passes once: also that of a run that was resurrected and ended "
     "again.",
     "https://docs.apify.com/integrations/webhooks/actions; the header: "
     "github.com/apify/apify-docs",
     "2026-11"},
    {"discord", "Discord, webhook events and interactions",
     "signature: {scheme: discord, tolerance: 15m}\n"
     "handshake: discord\n"
     "key: [{json: id}, payload]\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 2s\n"
     "accept: 204\n"
     "duplicate: 204\n"
     "success: [2xx]\n",
     "signature.secret",
     "Webhook events: with growing pauses for up to 10 minutes. 3 seconds to answer; success is "
     "204 "
     "without a body.",
     "`signature.secret` is the application's public key. Discord sends wrong signatures on "
     "purpose "
     "and wants 401 for them, the default. Both kinds of PING are answered here. Webhook events "
     "have no id, so their body is the key; interactions have one. Both are signed, so that an old "
     "request is a duplicate; `tolerance` is as long as retries come, as it is not confirmed that "
     "they are signed anew. `mode: queue` answers "
     "with 204, which is for events alone: an interaction is answered by what handles it.",
     "github.com/discord/discord-api-docs, developers/events/webhook-events.mdx", "2026-11"},
    {"dropbox", "Dropbox",
     "signature: {scheme: dropbox}\n"
     "handshake: dropbox\n"
     "key: {header: Idempotency-Key, structured: true}\n"
     "missing: pass\n"
     "window: 3d\n"
     "accept: 200\n"
     "success: [2xx]\n",
     "signature.secret",
     "With growing pauses for about 10 minutes. 10 seconds to answer (said of the handshake); "
     "anything but 200 is tried again.",
     "A notification only says that something changed for an account: two changes are the same "
     "octets, and to drop the second would lose it. Dropbox sends no id, so nothing is "
     "deduplicated "
     "(the header is one that Dropbox doesn't send, for whoever puts an id in front of Postern). "
     "`mode: queue` answers with 200.",
     "https://www.dropbox.com/developers/reference/webhooks; an older copy of "
     "https://www.dropbox.com/developers/webhooks/docs for the retries; "
     "github.com/dropbox/mdwebhook",
     "2026-11"},
    {"github", "GitHub",
     "signature: {scheme: github}\n"
     "key: {header: X-GitHub-Delivery}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 8s\n"
     "success: [2xx]\n",
     "signature.secret",
     "None. People and the API can deliver again for 3 days, with the same delivery id. 10 seconds "
     "to answer; 2xx is success.",
     "GitHub never comes back by itself after a 409, so a copy waits for the first one's end for "
     "as "
     "long as GitHub does. A redelivery of what was accepted is a duplicate: replay it with "
     "`postern replay`; what failed is not remembered, and passes. The id is not signed: an old "
     "request with another id passes for new. Where that matters, write `key: payload`.",
     "https://docs.github.com/en/webhooks, best practices, validating and failed deliveries; the 3 "
     "days only by a third party (dev.to/shannonllc)",
     "2026-11"},
    {"gitlab", "GitLab",
     "signature: {scheme: gitlab}\n"
     "key: {header: [webhook-id, Idempotency-Key]}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 8s\n"
     "success: [2xx]\n",
     "signature.secret",
     "None for one event; a hook that fails 4 times in a row is switched off for a minute, "
     "doubling "
     "up to a day, and for good after 40. Resending by hand keeps the key. 10 seconds to answer; "
     "2xx is success.",
     "`Idempotency-Key` is there from GitLab 17.4 on; an older one falls back to the body. With a "
     "signing token `webhook-id` says the same, and is signed. Not "
     "`X-Gitlab-Event-UUID`, which hooks set off by hooks share, nor `X-Gitlab-Webhook-UUID`, "
     "which "
     "names the hook. A signing token (`whsec_…`) as the secret makes it Standard Webhooks.",
     "https://docs.gitlab.com/user/project/integrations/webhooks/; gitlab.com merge requests "
     "160952 "
     "(the key) and 230944 (signing token); hookdeck.com on the switching off",
     "2026-11"},
    {"idempotency-key", "Any API with the header Idempotency-Key",
     "key: {header: Idempotency-Key, structured: true}\n"
     "scope: [method, path, {header: Authorization}]\n"
     "missing: reject\n"
     "window: 3d\n"
     "in_flight: conflict\n"
     "fingerprint: payload\n"
     "on_mismatch: conflict\n"
     "duplicate: replay\n"
     "success: [2xx, 3xx]\n",
     "", "Whatever the client does.",
     "The IETF draft: no key 400, the first still at work 409, the same key with another body 422, "
     "else the first response again. Of the draft's choices: only a success is kept, so that a "
     "failed request may be tried again with its key, and a key lasts 3 days. The draft advises "
     "to tie keys to the client: here to its `Authorization`. Where clients renew their tokens "
     "between retries, name what stays: `scope: [method, path, {header: X-Tenant}]`.",
     "draft-ietf-httpapi-idempotency-key-header, 06 (07 exists and was not read); RFC 8941; "
     "https://docs.stripe.com/api/idempotent_requests for what others chose",
     "2026-11"},
    {"intercom", "Intercom",
     "signature: {scheme: intercom}\n"
     "key: {json: id}\n"
     "missing: payload\n"
     "window: 9d\n"
     "in_flight: wait\n"
     "in_flight_wait: 3s\n"
     "success: [2xx]\n",
     "signature.secret",
     "The schedule is not published. 429 delays by 1 minute to 2 hours; 1,000 errors in 15 minutes "
     "pause a topic; errors for 7 days suspend a private app's subscription. 5 seconds to answer "
     "(only by third parties).",
     "`delivery_attempts` and others change from one attempt to the next, so the body is no key; "
     "its "
     "`id` is. As nothing longer than the 7 days is spoken of, the window is those and a fifth.",
     "https://developers.intercom.com/docs/webhooks/webhook-notifications; deadline: "
     "automatelab.tech/saas-webhooks/intercom. Not confirmed: whether the id stays over retries",
     "2026-11"},
    {"linear", "Linear",
     "signature: {scheme: linear}\n"
     "key: {header: Linear-Delivery}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 3s\n"
     "accept: 200\n"
     "success: [2xx]\n",
     "signature.secret",
     "3 times: after 1 minute, 1 hour and 6 hours. 5 seconds to answer; success is 200.",
     "The time stamp stands in the body, so a retry's body may differ: the header is the key. It "
     "is "
     "not signed. Linear's library takes 1 minute for the time stamp, the default here is 5. "
     "`mode: queue` answers with 200.",
     "https://linear.app/developers/webhooks; github.com/linear/linear, packages/sdk/src/webhooks. "
     "Not confirmed: whether a retry has a new time stamp (else Linear's own library would refuse "
     "it)",
     "2026-11"},
    {"mailgun", "Mailgun, event webhooks",
     "signature: {scheme: mailgun, tolerance: 10h}\n"
     "key: {json: event-data.id}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 5s\n"
     "accept: 200\n"
     "success: [2xx]\n",
     "signature.secret",
     "After 5, 10 and 15 minutes, 1, 2 and 4 hours: 8 hours in all. Success is 200; 406 ends the "
     "retries. The deadline is not confirmed.",
     "The signature covers time stamp and token, not the event: whoever has one signed triple can "
     "sign anything for as long as `tolerance` says. It is 10 hours because retries come for 8 and "
     "it is not confirmed that they are signed anew; Mailgun warns of being strict about it. "
     "`mode: queue` answers with 200.",
     "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks, webhooks and securing "
     "webhooks; old time stamps in the field: github.com/beyondcode/laravel-mailbox, issue 93",
     "2026-11"},
    {"meta", "Meta: Facebook, Instagram, Messenger",
     "signature: {scheme: meta}\n"
     "handshake: meta\n"
     "key: payload\n"
     "window: 9d\n"
     "in_flight: wait\n"
     "in_flight_wait: 3s\n"
     "accept: 200\n"
     "success: [2xx]\n",
     "signature.secret, handshake_token",
     "With growing pauses; third parties say for 24 hours to 7 days. Success is 200, at once; the "
     "deadline is not confirmed (3 to 30 seconds are said).",
     "Each product names its events in another way, and one notification may hold many, so the "
     "body "
     "is the key: a retry that is grouped otherwise passes. The secret is the app's. For WhatsApp "
     "take `whatsapp-cloud`. `mode: queue` answers with 200.",
     "https://developers.facebook.com/docs/graph-api/webhooks/getting-started for signature and "
     "handshake; retries: hookdeck.com, docs.chatsyncs.com, richautomate.in, which differ",
     "2026-11"},
    {"paddle", "Paddle Billing",
     "signature: {scheme: paddle}\n"
     "key: {json: event_id}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 3s\n"
     "accept: 200\n"
     "success: [2xx]\n",
     "signature.secret",
     "Live: 60 times in 3 days, 20 of them in the first hour; sandbox: 3 times in 15 minutes. 5 "
     "seconds to answer; success is 200.",
     "`event_id` is one for all destinations, `notification_id` is not. Paddle's library takes 5 "
     "seconds for the time stamp, the default here is 5 minutes. `mode: queue` answers with "
     "200.",
     "https://developer.paddle.com/webhooks/respond-to-webhooks; github.com/PaddleHQ/"
     "paddle-python-sdk, Notifications",
     "2026-11"},
    {"pagerduty", "PagerDuty, webhooks v3",
     "signature: {scheme: pagerduty}\n"
     "key: {json: event.id}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 3s\n"
     "success: [2xx]\n",
     "signature.secret",
     "With growing pauses; schedule and deadline are not confirmed. 2xx is success; PagerDuty's "
     "library advises 4xx to stop the redelivery of what is not wanted.",
     "Because a 4xx may end the retries, a copy waits for the first one's end rather than getting "
     "409 at once. The signature has no time stamp: an old request is caught by its event's id, "
     "for "
     "as long as the window.",
     "github.com/PagerDuty/go-pagerduty, webhookv3; https://support.pagerduty.com/docs/webhooks; "
     "automatelab.tech/saas-webhooks/pagerduty",
     "2026-11"},
    {"sendgrid", "Twilio SendGrid, event webhook",
     "signature: {scheme: sendgrid, tolerance: 24h}\n"
     "key: {payload: {include: [\"*.sg_event_id\"]}}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 5s\n"
     "success: [2xx]\n",
     "signature.secret",
     "With growing pauses for up to 24 hours (said), 29 hours and 46 times (seen). 2xx is success; "
     "10 seconds to answer (only by a third party).",
     "`signature.secret` is the public key. A request is a batch, and its key are the ids of its "
     "events: the same batch passes once. A retry that groups them otherwise passes again, so the "
     "upstream still has to look at `sg_event_id`. It is not confirmed that retries are signed "
     "anew, and the key is in the signed body, so that an old request is a duplicate: hence the "
     "`tolerance`. Not for Inbound Parse, which drops an email "
     "after "
     "any 4xx.",
     "https://docs.sendgrid.com/for-developers/tracking-events/troubleshooting; "
     "github.com/sendgrid/docs, issue 2933; github.com/sendgrid/sendgrid-python, eventwebhook",
     "2026-11"},
    {"shopify", "Shopify",
     "signature: {scheme: shopify}\n"
     "key: {header: X-Shopify-Webhook-Id}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: conflict\n"
     "success: [2xx]\n",
     "signature.secret",
     "8 times in 4 hours; then the subscription may be deleted. 1 second to connect, 5 in all; 2xx "
     "is success.",
     "Shopify comes back after a 409. The id is of the delivery and not signed; where one event "
     "reaches the route by several subscriptions and shall pass once, write "
     "`key: {header: X-Shopify-Event-Id}`. After a secret is rolled, the old one signs for up to "
     "an "
     "hour: give both with `secrets`.",
     "https://shopify.dev/docs/apps/build/webhooks, verify deliveries and ignore duplicates, and "
     "the "
     "changelog of 2024-09-10; dev.to/shannonllc",
     "2026-11"},
    {"slack", "Slack, Events API",
     "signature: {scheme: slack}\n"
     "handshake: slack\n"
     "key: {json: event_id}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 2s\n"
     "success: [2xx]\n",
     "signature.secret",
     "3 times: at once, after 1 and after 5 minutes. 3 seconds to answer; 2xx is success.",
     "The first retry comes at once, so a copy waits for the first one's end as long as Slack "
     "does. "
     "Slash commands and interactions have no `event_id`; they are not retried, and their body, "
     "which holds a `trigger_id`, is the key.",
     "github.com/slackapi/python-slack-sdk, tests of the signature; an article of classmethod.jp "
     "on "
     "the retries; docs.slack.dev/reference/events/url_verification",
     "2026-11"},
    {"square", "Square",
     "signature: {scheme: square}\n"
     "key: {json: event_id}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 5s\n"
     "success: [2xx]\n",
     "signature.secret, signature.public_url",
     "After 1 minute, doubling; older pages say for 72 hours, newer ones 24. 10 seconds to answer; "
     "2xx is success.",
     "The URL is signed too, as it is registered at Square: `public_url` is its scheme and host.",
     "https://developer.squareup.com/docs/webhooks/step4manage and "
     "/docs/webhooks-api/delivery-sla (an older copy); github.com/square/square-python-sdk, "
     "webhooks_helper; github.com/garethx/webhook-skills",
     "2026-11"},
    {"standard-webhooks", "Standard Webhooks",
     "signature: {scheme: standard-webhooks}\n"
     "key: {header: [webhook-id, svix-id]}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 10s\n"
     "success: [2xx]\n",
     "signature.secret",
     "The specification's example: 5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours, 75 "
     "hours 35 minutes in all. 15 to 30 seconds to answer; 2xx is success, 410 ends the "
     "subscription.",
     "The id is signed, and the same for each attempt; under its other name it is the same id, so "
     "that nobody can make two events of one. The text's 5 minutes for keeping ids are "
     "shorter than its own schedule; the window is not.",
     "github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md", "2026-11"},
    {"stripe", "Stripe",
     "signature: {scheme: stripe}\n"
     "key: {json: id}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: conflict\n"
     "success: [2xx]\n",
     "signature.secret",
     "With growing pauses for up to 3 days (live), 3 times in a sandbox. The deadline is not "
     "stated "
     "by Stripe (20 to 30 seconds are said); 2xx is success.",
     "Stripe comes back after a 409. The body's `id` (`evt_…`) is signed, and the same for each "
     "attempt. One endpoint of an account and one of Connect are two secrets: give both with "
     "`secrets`, or two routes.",
     "https://docs.stripe.com/webhooks; github.com/stripe/stripe-python, stripe/_webhook.py; "
     "dev.to/shannonllc",
     "2026-11"},
    {"svix", "Svix, and who sends through it",
     "signature: {scheme: standard-webhooks}\n"
     "key: {header: [svix-id, webhook-id]}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 10s\n"
     "success: [2xx]\n",
     "signature.secret",
     "After 5 seconds, 5 and 30 minutes, 2, 5, 10 and 10 hours: 27 hours 35 minutes in all. 15 "
     "seconds to answer; 2xx is success.",
     "The id is signed, and the same for each attempt, under either name.",
     "https://docs.svix.com/retries; github.com/svix/svix-webhooks", "2026-11"},
    {"twilio", "Twilio",
     "signature: {scheme: twilio}\n"
     "key: {header: I-Twilio-Idempotency-Token}\n"
     "missing: pass\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 5s\n"
     "duplicate: replay\n"
     "success: [2xx]\n",
     "signature.secret, signature.public_url",
     "Once by default; 0 to 5 times by the URL's fragment. 5 seconds to connect, 15 in all; 2xx is "
     "success.",
     "The answer is TwiML that tells Twilio what to do, so a duplicate gets the first one's. The "
     "URL "
     "is signed, as Twilio calls it: `public_url` is its scheme and host. The token is not signed. "
     "Without one a request passes: two steps of a call (the same digit pressed again, a redirect "
     "to another path) may be the same octets. "
     "Not for `mode: queue` where TwiML is expected.",
     "https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides; "
     "github.com/twilio/twilio-python, request_validator. Not confirmed: whether each of Twilio's "
     "products sends the token",
     "2026-11"},
    {"whatsapp", "WhatsApp, by whatever gateway",
     "key: [{json: idempotency_key},\n"
     "      {fields: [messageId, status]},\n"
     "      {fields: [data.messageId, data.status]},\n"
     "      {json: [messageId, data.messageId]},\n"
     "      {payload: {include: [\"entry.*.changes.*.value.messages.*.id\",\n"
     "                           \"entry.*.changes.*.value.statuses.*.id\",\n"
     "                           \"entry.*.changes.*.value.statuses.*.status\",\n"
     "                           \"entry.*.changes.*.value.statuses.*.payment\"]}}]\n"
     "missing: payload\n"
     "window: 9d\n"
     "in_flight: wait\n"
     "in_flight_wait: 3s\n"
     "success: [2xx]\n",
     "", "That of the gateway; for Meta's own see `whatsapp-cloud`.",
     "For gateways that pass messages on in a form of their own, or in Meta's. Where the states of "
     "a message (sent, delivered, read) come under its id, the state is part of the key; a gateway "
     "that calls it other than `status` needs `fields` of its own. Nothing is verified, as each "
     "gateway has its own way: add a `signature`. Meta's own requests are for "
     "`whatsapp-cloud`.",
     "The names of the first rules are those of gateways' users; Meta's form as in "
     "`whatsapp-cloud`",
     "2026-11"},
    {"whatsapp-cloud", "WhatsApp Cloud API, by Meta",
     "signature: {scheme: meta}\n"
     "handshake: meta\n"
     "key: {payload: {include: [\"entry.*.changes.*.value.messages.*.id\",\n"
     "                          \"entry.*.changes.*.value.statuses.*.id\",\n"
     "                          \"entry.*.changes.*.value.statuses.*.status\",\n"
     "                          \"entry.*.changes.*.value.statuses.*.payment\"]}}\n"
     "missing: payload\n"
     "window: 9d\n"
     "in_flight: wait\n"
     "in_flight_wait: 3s\n"
     "accept: 200\n"
     "success: [2xx]\n",
     "signature.secret, handshake_token",
     "With growing pauses for up to 7 days (by third parties; one of Meta's partners says 24 "
     "hours). "
     "Success is 200; 3 to 10 seconds to answer are said.",
     "The states of a message (sent, delivered, read) have one id, so the state is part of the "
     "key. A payment has its states under the id of the message that asked for it, and more than "
     "one attempt may fail, so what is said of the payment is part of it, too. "
     "All ids of a notification together are its key, since one may hold several messages; other "
     "notifications (templates, the account) have none of them, and their body is the key. The "
     "secret is the app's. `mode: queue` answers with 200.",
     "https://developers.facebook.com/docs/graph-api/webhooks/getting-started; hookdeck.com; "
     "https://docs.360dialog.com/docs/waba-basics/webhook-events-and-notifications; payments: "
     "https://support.wati.io/en/articles/11822291. Not confirmed: schedule, deadline",
     "2026-11"},
    {"workflow", "Workflow runs of your own",
     "key: {fields: [adw_id, status, queue_id]}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 5s\n"
     "success: [2xx]\n",
     "", "That of your workflows.",
     "A run reports several states, each once: all three fields together are the key, each with "
     "its "
     "length, so that `ab` and `c` are not `a` and `bc`. Where an item may come to the same state "
     "again and that shall count, shorten `window`. Nothing is verified: add a `signature`.",
     "The names are those of its users", "2026-11"},
    {"zoom", "Zoom",
     "signature: {scheme: zoom, tolerance: 2h}\n"
     "handshake: zoom\n"
     "key: {payload: {canonical: true}}\n"
     "missing: payload\n"
     "window: 7d\n"
     "in_flight: wait\n"
     "in_flight_wait: 2s\n"
     "accept: 200\n"
     "success: [2xx]\n",
     "signature.secret",
     "3 times: after 5, 20 and 60 minutes more. 3 seconds to answer; success is 200 or 204.",
     "Zoom has no id of an event. Object and `event_ts` together would be one for two people who "
     "join in the same millisecond, so all that the body says is the key. It is signed, so that an "
     "old request is a duplicate; `tolerance` is as long as retries come, as it is not confirmed "
     "that they are signed anew. `mode: queue` answers "
     "with 200.",
     "https://developers.zoom.us/blog/webhook-delays; github.com/zoom/webhook-sample. Not "
     "confirmed: "
     "whether a retry says the same to the letter",
     "2026-11"},
};

const size_t PRESET_COUNT = sizeof(PRESETS) / sizeof(PRESETS[0]);
