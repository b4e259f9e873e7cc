# SPDX-License-Identifier: Apache-2.0
"""Signatures through the real gateway: made here by the senders' own rules, checked there before anything else happens."""
import base64
import gzip
import hashlib
import hmac
import json
import random
import time

import pytest
from harness import http
from harness.config import route
from harness.ed25519 import Key

SECRET, OLD = "It's a Secret to Everybody", "an older one"
KEY = Key(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))


def hex_of(secret, message, algorithm="sha256"):
    return hmac.new(secret.encode(), message, algorithm).hexdigest()


def github(body, secret=SECRET):
    return [("X-Hub-Signature-256", "sha256=" + hex_of(secret, body))]


def stripe(body, at=None, secret=SECRET):
    at = int(time.time()) if at is None else at
    return [("Stripe-Signature", f"t={at},v0=00,v1={hex_of(secret, b'%d.%s' % (at, body))}")]


def standard(body, event_id="msg_1"):
    at = int(time.time())
    raw = base64.b64decode("c2VjcmV0LXNlY3JldC1zZWNyZXQtMTI=")
    mac = hmac.new(raw, f"{event_id}.{at}.".encode() + body, "sha256").digest()
    return [("Webhook-Id", event_id), ("Webhook-Timestamp", str(at)),
            ("Webhook-Signature", "v1," + base64.b64encode(mac).decode())]


def discord(body, at=None):
    at = str(int(time.time()) if at is None else at)
    return [("X-Signature-Timestamp", at), ("X-Signature-Ed25519", KEY.sign(at.encode() + body).hex())]


SENDERS = {
    "github": (github, SECRET),
    "stripe": (stripe, SECRET),
    "standard-webhooks": (standard, "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtMTI="),
    "discord": (discord, KEY.public.hex()),
}


def signed_route(scheme, secret, **settings):
    return route(signature={"scheme": scheme, "secret": "env:SECRET"}, **settings), {"SECRET": secret}


def open_signed(lab, scheme, kind="memory+sqlite", **settings):
    taken, env = signed_route(scheme, SENDERS[scheme][1], **settings)
    return lab.gateway(kind, routes=[taken], env=env)


def check_refused(answer, status=401):
    assert (answer.status, answer.outcome) == (status, "unverified"), answer
    assert answer.json()["type"] == "urn:postern:problem:unverified"


def check_nothing_kept(lab, gateway):
    assert not lab.upstream.requests()
    assert not gateway.api("events?limit=10")["events"]


# -- right and wrong

@pytest.mark.smoke
@pytest.mark.parametrize("scheme", SENDERS)
def test_right_passes_and_changed_is_refused(lab, scheme):
    gateway, sign = open_signed(lab, scheme), SENDERS[scheme][0]
    body = b'{"id": 1}'
    wrong = [(name, value[:-1] + ("0" if value[-1] != "0" else "1")) for name, value in sign(body)]
    for answer in (gateway.post("/", "1", body), gateway.post("/", "1", body + b" ", sign(body)),
                   gateway.post("/", "1", body, wrong), gateway.post("/", "1", body, sign(body) * 2)):
        check_refused(answer)
    check_nothing_kept(lab, gateway)
    accepted, copy = gateway.post("/", "1", body, sign(body)), gateway.post("/", "1", body, sign(body))
    assert (accepted.outcome, copy.outcome) == ("accepted", "duplicate")
    assert lab.upstream.requests()[0].sha256 == hashlib.sha256(body).hexdigest()
    page = gateway.metrics()
    assert page.sum("postern_signature_total", result="ok") == 2
    assert page.sum("postern_signature_total") == 6
    assert page.sum("postern_signature_secret_used_total", secret="0") == 2
    assert gateway.book("rejected") == 4


@pytest.mark.parametrize("mode", ("observe", "queue"))
def test_every_mode_checks(lab, mode):
    gateway = open_signed(lab, "github", mode=mode)
    check_refused(gateway.post("/", "1"))
    check_nothing_kept(lab, gateway)
    assert gateway.post("/", "1", b"{}", github(b"{}")).outcome == "accepted"


def test_time_has_a_tolerance_both_ways(lab):
    gateway, now = open_signed(lab, "stripe"), int(time.time())
    for number, (away_s, result) in enumerate(((-290, None), (290, None), (-400, "too_old"), (400, "too_new"))):
        answer = gateway.post("/", str(number), b"{}", stripe(b"{}", now + away_s))
        if result:
            check_refused(answer)
            assert gateway.metrics().sum("postern_signature_total", result=result) == 1
        else:
            assert answer.outcome == "accepted"


def test_two_secrets_while_they_are_rotated(lab):
    taken = route(signature={"scheme": "github", "secrets": ["env:NEW", "env:OLD"]})
    gateway = lab.gateway(routes=[taken], env={"NEW": SECRET, "OLD": OLD})
    for number, secret in enumerate((SECRET, OLD, OLD)):
        assert gateway.post("/", str(number), b"{}", github(b"{}", secret)).outcome == "accepted"
    check_refused(gateway.post("/", "9", b"{}", github(b"{}", "neither")))
    page = gateway.metrics()
    assert page.sum("postern_signature_secret_used_total", secret="0") == 1
    assert page.sum("postern_signature_secret_used_total", secret="1") == 2
    assert not gateway.logged(SECRET) and not gateway.logged(OLD)


# -- what is signed is what came

def test_a_packed_body_is_checked_as_it_came(lab):
    gateway = open_signed(lab, "github", key={"json": ["id"]})
    body = gzip.compress(b'{"id": "one"}')
    packed = [("Content-Encoding", "gzip")]
    check_refused(gateway.post("/", None, body, packed + github(b'{"id": "one"}')))
    assert gateway.post("/", None, body, packed + github(body)).outcome == "accepted"
    again = gzip.compress(b'{"id": "one"}', compresslevel=1, mtime=7)
    assert gateway.post("/", None, again, packed + github(again)).outcome == "duplicate"
    assert lab.upstream.requests()[0].sha256 == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("scheme", ("github", "discord"))
def test_large_bodies_in_pieces(lab, scheme):
    gateway, sign = open_signed(lab, scheme), SENDERS[scheme][0]
    draw = random.Random(7)
    body = draw.randbytes(1024 * 1024)
    chunks = [body[at:at + 30011] for at in range(0, len(body), 30011)]
    headers = [("X-Event-Id", "1")] + sign(body)
    assert gateway.request("POST", "/", headers, chunks=chunks).outcome == "accepted"
    chunks[5] = chunks[5][:-1] + bytes([chunks[5][-1] ^ 1])
    check_refused(gateway.request("POST", "/", headers, chunks=chunks))


# -- off the loop

def test_many_public_key_signatures_at_once(lab):
    taken, env = signed_route("discord", KEY.public.hex())
    gateway = lab.gateway(routes=[taken], env=env, workers=2)
    signatures = {body: discord(body) for body in (b"right", b"wrong")}
    connections = [gateway.connect() for _ in range(48)]
    for number, connection in enumerate(connections):
        body = b"Wrong" if number % 4 == 0 else b"right"
        headers = [("X-Event-Id", str(number))] + signatures[body.lower()]
        connection.send(http.request_bytes("POST", "/", headers, body))
    for number, connection in enumerate(connections):
        assert connection.read_response().status == (401 if number % 4 == 0 else 200)
        connection.close()
    assert len(lab.upstream.requests()) == 36


def test_senders_that_leave_while_they_are_checked(lab):
    gateway = open_signed(lab, "discord")
    signature = [("X-Event-Id", "1")] + discord(b"{}")
    data = http.request_bytes("POST", "/", signature, b"{}")
    for _ in range(50):
        connection = gateway.connect()
        connection.send(data)
        connection.reset()
    gateway.wait_quiet()
    assert gateway.request("POST", "/", signature, b"{}").outcome in ("accepted", "duplicate")


# -- HTTP's own

def test_bearer_and_basic(lab):
    routes = [route("token", "/token", signature={"scheme": "bearer", "secret": "env:SECRET"}),
              route("login", "/login", signature={"scheme": "basic", "secret": "env:LOGIN", "status": 401}),
              route("hidden", "/hidden", signature={"scheme": "bearer", "secret": "env:SECRET", "status": 404})]
    gateway = lab.gateway(routes=routes, env={"SECRET": "t0ken", "LOGIN": "me:pass"})
    token, login = gateway.post("/token", "1"), gateway.post("/login", "1")
    check_refused(token)
    check_refused(login)
    check_refused(gateway.post("/hidden", "1"), 404)
    assert token.header("WWW-Authenticate") == "Bearer"
    assert login.header("WWW-Authenticate") == 'Basic realm="postern"'
    assert gateway.post("/token", "1", headers=[("Authorization", "Bearer t0ken")]).outcome == "accepted"
    basic = base64.b64encode(b"me:pass").decode()
    answer = gateway.post("/login", "1", headers=[("Authorization", "Basic " + basic)])
    assert answer.outcome == "accepted"
    event = gateway.wait_state(answer.event_id, "delivered")
    assert basic not in json.dumps(event)


def test_a_route_that_cannot_check_does_not_start(lab):
    taken, env = signed_route("github", "")
    gateway = lab.make_gateway(routes=[taken], env=env)
    gateway.start(wait_for=None)
    assert gateway.wait() != 0
    assert gateway.logged("SECRET")
    lab.gateways.remove(gateway)
