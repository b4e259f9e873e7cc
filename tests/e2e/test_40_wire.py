# SPDX-License-Identifier: Apache-2.0
"""The tables of wire/: each case whole, octet by octet and in random pieces. The answers, their order, whether the
connection stays, and the octets that reach the upstream have to be what the row says, whatever the pieces."""
import base64
import hashlib
import random
import select

import pytest
from harness import http
from harness.config import route
from wire import connection, framing, lines
from wire.case import LIMITS
from wire.tail import Tail

CASES = {case.name: case for table in (lines, framing, connection) for case in table.CASES}
# What the gateway adds to a request (docs/guarantees.md, "Header fields").
ADDED = {"Host", "Content-Length", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via", "Postern-Event-Id",
         "Postern-Attempt", "traceparent"}
PIECES = {"whole": None, "octet by octet": 1, "pieces 1": 9, "pieces 2": 60, "pieces 3": 700}
# Longer ones would only take time octet by octet.
DRIPPED_BYTES = 6000


def test_the_tables():
    assert len(CASES) == sum(len(table.CASES) for table in (lines, framing, connection)), "a name stands there twice"
    assert len(CASES) >= 150


@pytest.fixture(scope="module")
def gateway(module_lab):
    """Requests without a key pass, each of them."""
    return module_lab.gateway(limits=LIMITS, routes=[route()])


@pytest.fixture(scope="module")
def tail(module_lab, gateway):
    one = Tail(module_lab.upstream.log_path)
    yield one
    one.close()


def cut(octets, most, seed):
    """`octets` in pieces of 1 to `most`."""
    chance = random.Random(seed)
    while octets:
        size = len(octets) if most is None else chance.randint(1, most)
        yield octets[:size]
        octets = octets[size:]


def send(connection, case, most):
    """Sends all pieces, or as many as the gateway takes; what it answers meanwhile is held."""
    for piece in cut(case.octets, most, case.name):
        if select.select([connection.socket], [], [], 0)[0]:
            try:
                connection.more()
            except http.Closed:
                return
        connection.send(piece)
    if case.half_close:
        connection.half_close()


def read_answer(connection, method, allowed):
    """The next answer; None where the end may stand instead and does."""
    try:
        return connection.read_response(method)
    except http.Closed:
        assert None in allowed, "the connection ended where an answer was due"
        assert connection.held == b"", connection.held
        return None


def check_answers(connection, case):
    for method, statuses in zip(case.methods(), case.answers):
        allowed = statuses if isinstance(statuses, tuple) else (statuses,)
        answer = read_answer(connection, method, allowed)
        if answer is None:
            continue
        assert answer.status in allowed, answer
        if method == case.methods()[0]:
            assert len(answer.interim) <= case.interim and set(answer.interim) <= {100}
        if answer.status >= 400:
            assert answer.header("Content-Type") == "application/problem+json" and answer.json()["status"] == answer.status
            assert case.stays or statuses != case.answers[-1] or answer.header("Connection") == "close"


def check_after(connection, case):
    """The connection serves one more request, or has ended in order with nothing behind the answers."""
    if case.stays:
        assert connection.request("GET", "/still-there").status == 200
    else:
        assert connection.is_closed(), connection.held
    assert connection.held == b""


def own_fields(request):
    """The client's fields, octet by octet, as they lie in the head that came."""
    head = base64.b64decode(request.head)
    found = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:]]
    return [(name.decode(), value.decode("latin-1")) for name, value in found if name.decode() not in ADDED]


def check_upstream(got, case, port):
    wanted = list(case.upstream)
    assert [(g.method, g.target) for g in got] == [(w.method, w.target) for w in wanted]
    for request, sent in zip(got, wanted):
        head = base64.b64decode(request.head)
        assert head.startswith(f"{sent.method} {sent.target} HTTP/1.1\r\n".encode())
        assert request.complete and request.sha256 == hashlib.sha256(sent.body).hexdigest()
        assert request.header("Host") == f"127.0.0.1:{port}" and request.header_values("Transfer-Encoding") == []
        assert own_fields(request) == list(sent.fields)


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("name", CASES)
def test_wire(module_lab, gateway, tail, name, pieces):
    case = CASES[name]
    if PIECES[pieces] == 1 and len(case.octets) > DRIPPED_BYTES:
        pieces = "pieces 3"
    assert [request.target for request in tail.requests()] == [], "something came behind the case before"
    with gateway.connect(5) as client:
        send(client, case, PIECES[pieces])
        check_answers(client, case)
        check_after(client, case)
    got = tail.requests()
    check_upstream([request for request in got if request.target != "/still-there"], case, module_lab.upstream.port)
