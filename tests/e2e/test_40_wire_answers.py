# SPDX-License-Identifier: Apache-2.0
"""The table of wire/answers.py: each answer whole, octet by octet and in pieces. What the client gets is either the
upstream's answer, octet by octet, or 502, or visibly cut; and the next request is never answered with what was left."""
import base64

import pytest
from harness import http
from harness.config import route
from harness.wait import wait_until
from wire.answers import CASES

ANSWERS = {case.name: case for case in CASES}
PIECES = {"whole": None, "octet by octet": 1, "pieces of 7": 7}
# Longer ones would only take time octet by octet.
DRIPPED_BYTES = 6000
CLEAN = {"body": "clean"}


def test_the_table():
    assert len(ANSWERS) == len(CASES), "a name stands there twice"


@pytest.fixture(scope="module")
def gateway(module_lab):
    """One connection to the upstream at a time, so that the next request meets what the last answer left."""
    upstreams = {"app": {"endpoints": [f"http://127.0.0.1:{module_lab.upstream.port}"], "timeout": "5s", "concurrency": 1}}
    return module_lab.gateway(upstreams=upstreams, routes=[route()])


def ask(client, case, path):
    client.send(http.request_bytes(case.method, path))
    return client.read_response(case.method)


def check_answer(answer, case):
    assert (answer.status, answer.interim) == (case.status, [])
    if case.status == 502:
        assert answer.header("Content-Type") == "application/problem+json" and answer.outcome == "failed"
        return
    assert answer.body == case.body
    for name in case.without:
        assert answer.header(name) is None
    assert answer.outcome in ("bypassed", "failed") and len(answer.event_id) == 36
    wanted = {name for name, _ in case.fields}
    assert tuple(field for field in answer.headers if field[0] in wanted) == case.fields


def check_cut(client, case, path):
    client.send(http.request_bytes(case.method, path))
    assert client.read_head()[0] == case.status
    with pytest.raises(http.Closed):
        while True:
            client.more()
    assert not client.held.endswith(b"\r\n0\r\n\r\n"), "a cut body must not look whole"


def is_at_rest(upstream):
    """Nothing is being sent: what comes behind an answer once the next request is out would be that one's."""
    told = upstream.command()
    return told["open"] == told["idle"]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("name", ANSWERS)
def test_answer(module_lab, gateway, name, pieces):
    case = ANSWERS[name]
    piece = PIECES[pieces] if len(case.octets) <= DRIPPED_BYTES else None
    path = f"/{list(ANSWERS).index(name)}/{piece or 0}"
    step = {"raw": base64.b64encode(case.octets).decode(), "close": case.close, "piece": piece}
    module_lab.upstream.script(path, step, CLEAN)
    with gateway.connect(5) as client:
        if case.cut:
            check_cut(client, case, path)
        else:
            check_answer(ask(client, case, path), case)
    wait_until(lambda: is_at_rest(module_lab.upstream), "all octets have left, those behind the answer too")
    for _ in range(2):
        after = gateway.request("POST", path)
        assert (after.status, after.body) == (200, b"clean")
