# SPDX-License-Identifier: Apache-2.0
"""Handshakes: senders that try an address are answered at once, each time, and nothing of it is claimed, kept or forwarded."""
import hashlib
import hmac
import json
import time

import pytest
from harness.config import route
from harness.ed25519 import Key

SECRET = "handshake secret"
KEY = Key(bytes(range(32)))


def hex_of(message):
    return hmac.new(SECRET.encode(), message, "sha256").hexdigest()


def slack(body):
    at = str(int(time.time()))
    return [("X-Slack-Request-Timestamp", at), ("X-Slack-Signature", "v0=" + hex_of(b"v0:%s:%s" % (at.encode(), body)))]


def zoom(body):
    at = str(int(time.time()))
    return [("X-Zm-Request-Timestamp", at), ("X-Zm-Signature", "v0=" + hex_of(b"v0:%s:%s" % (at.encode(), body)))]


def discord(body):
    at = str(int(time.time()))
    return [("X-Signature-Timestamp", at), ("X-Signature-Ed25519", KEY.sign(at.encode() + body).hex())]


def open_gateway(lab, scheme, handshake, secret=SECRET, **settings):
    taken = route(handshake=handshake, signature={"scheme": scheme, "secret": "env:SECRET"}, **settings)
    return lab.gateway(routes=[taken], env={"SECRET": secret, "TOKEN": "t0ken"})


def check_untouched(lab, gateway, count):
    assert not lab.upstream.requests()
    assert not gateway.api("events?limit=10")["events"]
    assert gateway.metrics().sum("postern_requests_ended_total", outcome="bypassed_handshake") == count


def check_each_time(lab, gateway, ask, wanted):
    """Asked twice, answered twice alike."""
    for _ in range(2):
        answer = ask()
        assert answer.status == 200 and answer.outcome == "bypassed", answer
        assert (answer.json() if isinstance(wanted, dict) else answer.body) == wanted
    check_untouched(lab, gateway, 2)


# -- signed: after the check

SIGNED = {
    "slack": (slack, b'{"type":"url_verification","challenge":"3eZbrw1aB10"}', b"3eZbrw1aB10"),
    "zoom": (zoom, b'{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZ"},"event_ts":1}',
             {"plainToken": "qgg8vlvZ", "encryptedToken": hex_of(b"qgg8vlvZ")}),
    "discord": (discord, b'{"type":1}', {"type": 1}),
}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", SIGNED)
def test_signed_ones(lab, kind):
    sign, body, wanted = SIGNED[kind]
    gateway = open_gateway(lab, kind, kind, KEY.public.hex() if kind == "discord" else SECRET)
    check_each_time(lab, gateway, lambda: gateway.post("/", "1", body, sign(body)), wanted)
    refused = gateway.post("/", "1", body, sign(body + b" "))
    assert (refused.status, refused.outcome) == (401, "unverified")
    event = b'{"type":"event_callback","event":"x"}'
    assert gateway.post("/", "1", event, sign(event)).outcome == "accepted"


def test_zoom_validates_with_the_secret_it_knows(lab):
    """Not with the first, while a new one is already in the file."""
    sign, body, wanted = SIGNED["zoom"]
    taken = route(handshake="zoom", signature={"scheme": "zoom", "secrets": ["env:NEW", "env:SECRET"]})
    gateway = lab.gateway(routes=[taken], env={"SECRET": SECRET, "NEW": "the next one, 0123456789"})
    check_each_time(lab, gateway, lambda: gateway.post("/", "1", body, sign(body)), wanted)


# -- unsigned: a GET before any check

def test_meta(lab):
    gateway = open_gateway(lab, "meta", "meta", handshake_token="env:TOKEN")
    query = "/?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    check_each_time(lab, gateway, lambda: gateway.request("GET", query + "t0ken"), b"1158201444")
    wrong = gateway.request("GET", query + "other")
    assert wrong.status == 403 and b"1158201444" not in wrong.body
    body = b'{"entry":[]}'
    assert gateway.post("/", "1", body).status == 401
    signed = [("X-Hub-Signature-256", "sha256=" + hex_of(body))]
    assert gateway.post("/", "1", body, signed).outcome == "accepted"


def test_dropbox(lab):
    gateway = open_gateway(lab, "dropbox", "dropbox")
    check_each_time(lab, gateway, lambda: gateway.request("GET", "/?challenge=abc-123"), b"abc-123")
    body = json.dumps({"list_folder": {"accounts": []}}).encode()
    signed = [("X-Dropbox-Signature", hex_of(body))]
    assert gateway.post("/", "1", body, signed).outcome == "accepted"


def test_what_is_echoed_runs_nowhere(lab):
    gateway = open_gateway(lab, "dropbox", "dropbox")
    good = gateway.request("GET", "/?challenge=abc")
    assert good.header("Content-Type").startswith("text/plain")
    for challenge in ("%3Cscript%3E", "a&challenge=b", "x" * 5000, ""):
        answer = gateway.request("GET", "/?challenge=" + challenge)
        assert answer.status == 401, answer # no handshake: its signature is missing


@pytest.mark.parametrize("mode", ("proxy", "queue", "observe"))
def test_every_mode(lab, mode):
    taken = route(handshake="slack", mode=mode)
    gateway = lab.gateway(routes=[taken])
    body = SIGNED["slack"][1]
    check_each_time(lab, gateway, lambda: gateway.post("/", None, body), SIGNED["slack"][2])
    assert hashlib.sha256(body).hexdigest() not in [request.sha256 for request in lab.upstream.requests()]
