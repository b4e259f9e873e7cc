# SPDX-License-Identifier: Apache-2.0
"""What docs/operations.md tells operators to set up is enough."""
import os
import re

from harness import http
from harness.config import merge, route
from harness.gateway import ROOT
from harness.wait import wait_until

OPTIONAL = {"client|id", "client|kill"}


def acl_of_the_page():
    """The rules of the sentence about it: commands, and the keys."""
    with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as file:
        sentence = re.search(r"An ACL needs .*?\. ", file.read(), re.DOTALL).group()
    commands = re.search(r"needs `([^`]*)`", sentence).group(1).split()
    return commands + [re.search(r"`(~[^`]*)`", sentence).group(1)]


def refused_by(redis):
    """What the server's ACL refused: commands of ours, and of our scripts."""
    entries = [dict(zip(entry[::2], entry[1::2])) for entry in redis.command("ACL", "LOG")]
    return {entry["object"] for entry in entries} - OPTIONAL


def has_renewed(redis):
    return "cmdstat_pexpire" in redis.command("INFO", "commandstats") or "pexpire" in refused_by(redis)


def open_gateway(lab, redis):
    stores = merge(lab.stores("redis+sqlite"), {"dedup": {"redis": {
        "url": f"redis://gateway:word@127.0.0.1:{redis.port}/0", "prefix": "postern"}}})
    return lab.gateway(stores=stores, routes=[
        route("long", "/long", lease="6s"), # renewed after a third of it
        route(limits={"rate": "100/s", "shared": True}, duplicate="replay")])


def test_the_acl_is_enough(lab):
    """Claim, renew, settle, release, ask, and a shared rate, by a user that may do what the page says and nothing else."""
    redis = lab.own_redis().start()
    redis.command("ACL", "SETUSER", "gateway", "on", ">word", *acl_of_the_page())
    gateway = open_gateway(lab, redis)
    lab.upstream.script("/fails", {"status": 500})
    lab.upstream.script("/long", {"wait_for": "door"})
    with gateway.connect() as connection:
        connection.send(http.request_bytes("POST", "/long", [("X-Event-Id", "1")], b"{}"))
        wait_until(lambda: has_renewed(redis), "the claim is renewed")
        lab.upstream.open_gate("door")
        assert connection.read_response().outcome == "accepted"
    assert [gateway.post("/", "2").outcome for _ in range(2)] == ["accepted", "duplicate"]
    assert [gateway.post("/fails", "3").outcome for _ in range(2)] == ["failed", "failed"]
    assert refused_by(redis) == set()
    assert gateway.metrics().sum("postern_limiter_errors_total") == 0
