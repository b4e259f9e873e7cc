# SPDX-License-Identifier: Apache-2.0
"""The settings of the door in the real binary: what `postern check` says of good and of bad ones, and never of a secret."""
import base64
import os
import re
import subprocess

import pytest
from harness.config import flow, merge, route
from harness.gateway import ROOT, run_cli

GOOD = {
    "listen": [{"address": "127.0.0.1:18080"}],
    "upstreams": {"app": {"endpoints": ["http://127.0.0.1:18081"]}},
    "routes": [route()],
}
SECRET = "hush-hush-hush-hush"
FROM_ENV = "env:POSTERN_E2E_SECRET"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" # the one of the Standard Webhooks' own example
HMAC = {"scheme": "hmac", "secret": FROM_ENV, "header": "X-Signature"}


@pytest.fixture(name="pem", scope="module")
def make_pem(tmp_path_factory):
    """A certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("pem")
    certificate, key = str(folder / "tls.crt"), str(folder / "tls.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return {"certificate": certificate, "key": key}


def run_check(tmp_path, over, command="check", env=None):
    """`over` is laid on GOOD, or is a whole file's text. Returns the status and all that was said."""
    path = tmp_path / "postern.yaml"
    path.write_text(over if isinstance(over, str) else flow(merge(GOOD, over)), encoding="utf-8")
    done = run_cli(command, "-c", str(path), env={"POSTERN_E2E_SECRET": SECRET, "POSTERN_E2E_EMPTY": "", **(env or {})})
    text = (done.stdout + done.stderr).decode()
    assert SECRET not in text, text
    return done.returncode, text


def one(**settings):
    return {"routes": [route(**settings)]}


RIGHT = {
    "a preset": (one(preset="github", signature={"secret": FROM_ENV}), "preset github", "signature github with 1 secret"),
    "a rotation": (one(signature={"scheme": "stripe", "secrets": [FROM_ENV, FROM_ENV]}), "signature stripe with 2 secrets", ""),
    "a template": (one(signature={**HMAC, "prefix": "v1=", "separator": ",", "timestamp_prefix": "t=",
                                  "parts": ["timestamp", {"text": "."}, "body"]}), "signature hmac with 1 secret", ""),
    "a handshake": (one(handshake="meta", handshake_token=FROM_ENV), "handshake meta", ""),
    "an idempotency key": (one(preset="idempotency-key"), "preset idempotency-key", "duplicate replay"),
    "a fingerprint": (one(fingerprint="payload", on_mismatch="new"), "mismatch new", ""),
    "a rate": (one(limits={"rate": "100/s", "burst": 200, "per": {"header": "X-Tenant"}, "duplicates": "5/s"}),
               "rate 100/s burst 200 per header X-Tenant", ""),
    "a shared rate": ({"dedup": {"redis": {"url": "rediss://127.0.0.1", "tls": {"server_name": "redis.local"}}},
                       **one(limits={"rate": "30/m", "shared": True})}, "per client, shared", "/0, TLS"),
    "proxies": ({"trusted_proxies": ["10.0.0.0/8", "::1"], "listen": [{"address": "127.0.0.1:18080", "proxy_protocol": True}]},
                "trusted proxies: 2 networks", "PROXY protocol"),
    "a secure upstream": ({"upstreams": {"app": {"endpoints": ["https://127.0.0.1", "http://127.0.0.1:1"]}}}, "events", ""),
}


@pytest.mark.parametrize("name", RIGHT)
def test_good_settings(tmp_path, name):
    over, *words = RIGHT[name]
    status, text = run_check(tmp_path, over)
    assert status == 0 and "warning" not in text and all(word in text for word in words), text


WRONG = {
    "an unknown preset": (one(preset="gihtub"), "gihtub", "did you mean \"github\"?"),
    "a preset without its secret": (one(preset="github"), "signature.secret is missing", "env:NAME"),
    "an unknown scheme": (one(signature={"scheme": "gihtub", "secret": FROM_ENV}), "gihtub", "did you mean \"github\"?"),
    "no scheme": (one(signature={"secret": FROM_ENV}), "signature has no scheme", "preset"),
    "an empty secret": (one(signature={"scheme": "github", "secret": "env:POSTERN_E2E_EMPTY"}), "is empty", ""),
    "an unreadable secret": (one(signature={"scheme": "github", "secret": "file:/nonexistent/secret"}), "can't read", ""),
    "a key that is none": (one(signature={"scheme": "discord", "secret": FROM_ENV}), "can't be verified", ""),
    "no public url": (one(signature={"scheme": "twilio", "secret": FROM_ENV}), "public_url is missing", "https://"),
    "a body not signed": (one(signature={**HMAC, "parts": ["method"]}), "the body is not among the signed parts", ""),
    "too many secrets": (one(signature={"scheme": "github", "secrets": [FROM_ENV] * 9}), "1 to 8 items, not 9", ""),
    "a status that is none": (one(signature={"scheme": "github", "secret": FROM_ENV, "status": 500}), "400 to 499", ""),
    "meta without a token": (one(handshake="meta"), "handshake_token is missing", ""),
    "a cookie replayed": (one(duplicate="replay", replay={"headers": ["Set-Cookie"]}), "Set-Cookie can't be replayed", ""),
    "a shared rate without Redis": (one(limits={"rate": "1/s", "shared": True}), "limits.shared needs dedup.store: redis", ""),
    "duplicates without a rate": (one(limits={"duplicates": "1/s"}), "limits.duplicates needs a limits.rate", ""),
    "a proxy by its name": ({"trusted_proxies": ["proxy.local"]}, "is not an address or network", "10.0.0.0/8"),
    "PROXY from anyone": ({"listen": [{"address": "127.0.0.1:18080", "proxy_protocol": True}]}, "needs trusted_proxies", ""),
    "a certificate without its key": ({"listen": [{"address": "127.0.0.1:18080", "tls": {"certificate": "/etc/passwd"}}]},
                                      "tls.certificate needs a tls.key", ""),
    "a certificate that is not there": ({"listen": [{"address": "127.0.0.1:18080", "tls": {"certificate": "/no", "key": "/no"}}]},
                                        "can't read /no: No such file", ""),
    "a structured query": (one(key={"query": "id", "structured": True}), "structured is an option of header", ""),
}


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("name", WRONG)
def test_bad_settings_are_78(tmp_path, name, command):
    over, word, hint = WRONG[name]
    status, text = run_check(tmp_path, over, command)
    assert status == 78 and word in text and hint in text, text
    assert re.search(r"postern\.yaml:\d+:\d+: error: ", text), text


LOUD = {
    "a secret in the file": (one(signature={"scheme": "github", "secret": SECRET}), "signature.secret stands in the file"),
    "a preset's signature off": (one(preset="github", signature={"scheme": "none"}), "anyone may send to this route"),
    "no tolerance": (one(signature={"scheme": "stripe", "secret": FROM_ENV, "tolerance": "0s"}), "sent again at any time"),
    "a short window": (one(preset="github", signature={"secret": FROM_ENV}, window="1h"), "of preset github"),
    "an upstream not verified": ({"upstreams": {"app": {"endpoints": ["https://127.0.0.1"], "tls": {"verify": False}}}},
                                 "whoever answers is believed"),
    "a lease below the time-out": (one(lease="5s"), "when renewals fail, the claim ends"),
    "everyone is a proxy": ({"trusted_proxies": ["0.0.0.0/0"]}, "everyone is a trusted proxy"),
}


@pytest.mark.parametrize("name", LOUD)
def test_doubtful_settings_are_warned_of(tmp_path, name):
    over, word = LOUD[name]
    status, text = run_check(tmp_path, over)
    assert status == 0 and ": warning: " in text and word in text, text


def test_a_misplaced_secret_is_not_told(tmp_path):
    for signature in (SECRET, [SECRET], {"sekret": SECRET}, {"scheme": "github", "secret": [SECRET, SECRET]}):
        status, text = run_check(tmp_path, one(signature=signature))
        assert status == 78 and "not shown: it holds a secret" in text, text


def test_certificates(tmp_path, pem):
    listener = {"address": "127.0.0.1:18443", "tls": {**pem, "client_ca": pem["certificate"], "min_version": "1.3"}}
    status, text = run_check(tmp_path, {"listen": [listener]})
    assert status == 0 and "TLS 1.3 with 1 certificate, clients' certificates needed" in text, text
    several = {"address": "127.0.0.1:18443", "tls": {"certificates": [pem, pem]}}
    status, text = run_check(tmp_path, {"listen": [several]})
    assert status == 0 and "TLS 1.2 with 2 certificates" in text, text


def test_what_the_sample_file_has_in_comments_is_right(tmp_path, pem):
    with open(os.path.join(ROOT, "deploy", "postern.yaml"), encoding="utf-8") as file:
        text = re.sub(r"^#(?=  |trusted)", "", file.read(), flags=re.M)
    assert "preset: stripe" in text and "proxy_protocol" in text
    for name, ext in (("certificate", "crt"), ("key", "key")):
        text = text.replace(f"/etc/postern/tls.{ext}", pem[name])
    text = re.sub(r"env:[A-Z_]+", FROM_ENV, text)
    status, told = run_check(tmp_path, text)
    assert status == 0 and "error" not in told, told
    assert "preset stripe" in told and "signature hmac with 1 secret" in told and "duplicate replay" in told, told


def sendgrid_key(pem):
    done = subprocess.run(["openssl", "pkey", "-in", pem["key"], "-pubout", "-outform", "DER"], check=True, capture_output=True)
    return base64.b64encode(done.stdout).decode()


def listed_presets():
    """name -> the settings a route has to give, as `postern presets` prints them."""
    lines = run_cli("presets").stdout.decode().splitlines()
    at = lines[0].index("THE ROUTE GIVES")
    return {line.split()[0]: [] if line[at:] == "-" else line[at:].split(", ") for line in lines[1:]}


def preset_route(name, given):
    """A route with that preset and the settings `given`, {"signature.secret": …}."""
    settings = {"preset": name}
    for path, value in given.items():
        section, _, key = path.rpartition(".")
        (settings.setdefault(section, {}) if section else settings)[key] = value
    made = route(**settings)
    del made["key"] # the preset's
    return {"routes": [made], "journal": {"retention": "30d"}} # as long as the longest window


def test_every_preset_needs_what_it_says_and_no_more(tmp_path, pem):
    secrets = {"adyen": "user:password-password", "sendgrid": sendgrid_key(pem), "standard-webhooks": WHSEC, "svix": WHSEC,
               "discord": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"}
    presets = listed_presets()
    assert len(presets) >= 20
    for name, needs in presets.items():
        env = {"POSTERN_E2E_GIVEN": secrets.get(name, SECRET)}
        whole = {path: "https://hooks.example.com" if path.endswith("url") else "env:POSTERN_E2E_GIVEN" for path in needs}
        status, text = run_check(tmp_path, preset_route(name, whole), env=env)
        assert status == 0 and "warning" not in text, (name, text)
        for missing in needs:
            partly = {path: value for path, value in whole.items() if path != missing}
            status, text = run_check(tmp_path, preset_route(name, partly), env=env)
            assert status == 78 and f"{missing} is missing" in text, (name, missing, text)
