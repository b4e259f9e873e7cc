# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as clients and upstreams really speak it."""
import base64
import hashlib

import pytest
from harness import http
from harness.config import route
from harness.upstream_server import pattern
from harness.wait import stays, wait_until

KEYLESS = route(key="payload")


def post_bytes(target, key, **options):
    return http.request_bytes("POST", target, [("X-Event-Id", key)] + options.pop("headers", []), **options)


# -- the client's side


@pytest.mark.smoke
def test_keep_alive(lab):
    gateway = lab.gateway()
    with gateway.connect() as connection:
        for number in range(50):
            assert connection.request("POST", "/k", [("X-Event-Id", str(number // 2))], b"x").status == 200
    assert len(lab.upstream.requests()) == 25
    assert lab.upstream.connections() <= 2, "upstream connections are kept"


def test_connection_close_is_obeyed(lab):
    gateway = lab.gateway()
    with gateway.connect() as connection:
        answer = connection.request("POST", "/", [("X-Event-Id", "1"), ("Connection", "close")])
        assert answer.status == 200 and answer.header("Connection") == "close"
        assert connection.is_closed()


@pytest.mark.smoke
def test_pipelined_answers_keep_their_order(lab):
    gateway = lab.gateway()
    for number in range(20):
        lab.upstream.script(f"/p{number}", {"body": f"answer {number}"})
    with gateway.connect() as connection:
        connection.send(b"".join(post_bytes(f"/p{number}", str(number), body=b"b" * number) for number in range(20)))
        for number in range(20):
            assert connection.read_response().body == f"answer {number}".encode()


def test_pipelined_behind_a_slow_one(lab):
    gateway = lab.gateway()
    lab.upstream.script("/slow", {"body": "slow", "wait_for": "door"})
    with gateway.connect() as connection:
        connection.send(post_bytes("/slow", "1") + post_bytes("/fast", "2"))
        lab.upstream.wait_requests(1, "/slow")
        lab.upstream.open_gate("door")
        assert [connection.read_response().body for _ in range(2)] == [b"slow", b"ok\n"]


def test_a_good_request_before_garbage_is_answered_first(lab):
    gateway = lab.gateway()
    with gateway.connect() as connection:
        connection.send(post_bytes("/good", "1") + b"garbage\r\n\r\n")
        assert connection.read_response().outcome == "accepted"
        assert connection.read_response().status == 400
        assert connection.is_closed()


@pytest.mark.smoke
@pytest.mark.parametrize("chunks", [[], [b"x"], [b"ab", b"c" * 70000, b"d"], [b"e"] * 500])
def test_chunked_request(lab, chunks):
    gateway = lab.gateway()
    answer = gateway.request("POST", "/c", [("X-Event-Id", "1")], chunks=chunks)
    got, = lab.upstream.requests()
    assert answer.outcome == "accepted"
    assert (got.size, got.sha256) == (sum(map(len, chunks)), hashlib.sha256(b"".join(chunks)).hexdigest())
    assert got.header("Transfer-Encoding") is None and got.header("Content-Length") == str(got.size)


def test_chunked_and_sized_bodies_have_one_key(lab):
    gateway = lab.gateway(routes=[KEYLESS])
    assert gateway.request("POST", "/", body=b"hello world").outcome == "accepted"
    assert gateway.request("POST", "/", chunks=[b"hello", b" world"]).outcome == "duplicate"


def test_chunk_extensions_and_trailers_go_no_further(lab):
    gateway = lab.gateway()
    with gateway.connect() as connection:
        connection.send(http.request_bytes("POST", "/t", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Event-Id")], host="a")
                        .replace(b"Content-Length: 0\r\n", b"")
                        + b"5;name=value\r\nhello\r\n0\r\nX-Event-Id: from-a-trailer\r\n\r\n")
        assert connection.read_response().outcome == "bypassed"
        assert connection.request("POST", "/t", [("X-Event-Id", "1")]).outcome == "accepted"
    got = lab.upstream.requests()[0]
    assert got.size == 5 and "from-a-trailer" not in str(got.headers) and got.header("Trailer") is None


@pytest.mark.parametrize("cut", [1, 7, 64])
def test_requests_in_small_pieces(lab, cut):
    gateway = lab.gateway()
    data = post_bytes("/pieces", "1", body=b"some body") + post_bytes("/pieces", "2", chunks=[b"some", b" body"])
    with gateway.connect() as connection:
        for at in range(0, len(data), cut):
            connection.send(data[at:at + cut])
        assert [connection.read_response().outcome for _ in range(2)] == ["accepted", "accepted"]


@pytest.mark.smoke
def test_expect_100_continue(lab):
    gateway = lab.gateway()
    with gateway.connect() as connection:
        connection.send(http.request_bytes("POST", "/e", [("X-Event-Id", "1"), ("Expect", "100-continue"), ("Content-Length", "5")])
                        .replace(b"Content-Length: 0\r\n", b""))
        assert connection.read_head() == (100, [])
        assert lab.upstream.requests() == []
        connection.send(b"hello")
        assert connection.read_response().outcome == "accepted"
    got, = lab.upstream.requests()
    assert got.size == 5 and got.header("Expect") is None


def test_expect_is_not_continued_when_refused(lab):
    gateway = lab.gateway(limits={"body": "1KiB"}, routes=[route(path="/only")])
    for target, size, status in (("/only", 2000, 413), ("/nowhere", 5, 404)):
        with gateway.connect() as connection:
            connection.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n\r\n".encode())
            answer = connection.read_response()
            assert (answer.status, answer.interim) == (status, [])
            assert connection.is_closed()


@pytest.mark.parametrize("keep, closed", [(False, True), (True, False)])
def test_http_10(lab, keep, closed):
    gateway = lab.gateway()
    lab.upstream.script("/old", {"framing": "chunked", "body_size": 5000})
    with gateway.connect() as connection:
        fields = [("X-Event-Id", "1")] + ([("Connection", "keep-alive")] if keep else [])
        answer = connection.request("POST", "/old", fields, b"x", version="1.0")
        assert answer.body == pattern(5000) and answer.framing != "chunked"
        if answer.framing == "sized" and not closed:
            assert answer.header("Connection").lower() == "keep-alive"
            assert connection.request("GET", "/").status == 200
        else:
            assert connection.is_closed()
    assert lab.upstream.requests()[0].header("Connection") in (None, "keep-alive")


def test_http_10_without_host(lab):
    gateway = lab.gateway()
    assert gateway.request("POST", "/", [("X-Event-Id", "1")], host=None, version="1.0").outcome == "accepted"


@pytest.mark.smoke
def test_head(lab):
    gateway = lab.gateway()
    lab.upstream.script("/h", {"body_size": 1000})
    with gateway.connect() as connection:
        answer = connection.request("HEAD", "/h", [("X-Event-Id", "1")])
        assert (answer.status, answer.header("Content-Length"), answer.outcome) == (200, "1000", "accepted")
        again = connection.request("HEAD", "/h", [("X-Event-Id", "1")])
        assert (again.status, again.outcome) == (200, "duplicate") and int(again.header("Content-Length")) > 0
        assert connection.request("POST", "/p", [("X-Event-Id", "2")]).body == b"ok\n"


def test_half_closed_client_gets_its_answer(lab):
    gateway = lab.gateway()
    with gateway.connect() as connection:
        connection.send(post_bytes("/", "1", body=b"x"))
        connection.half_close()
        assert connection.read_response().status == 200
        assert connection.is_closed()


def test_absolute_form(lab):
    gateway = lab.gateway()
    assert gateway.request("POST", "http://gateway.test/a?b", [("X-Event-Id", "1")]).outcome == "accepted"
    assert lab.upstream.requests()[0].target == "/a?b"


def test_upgrade_is_ignored(lab):
    gateway = lab.gateway()
    with gateway.connect() as connection:
        for number, protocol in enumerate(("websocket", "h2c")):
            fields = [("X-Event-Id", str(number)), ("Connection", "Upgrade"), ("Upgrade", protocol)]
            assert connection.request("POST", "/u", fields, b"body").status == 200
    assert all(got.header("Upgrade") is None and got.size == 4 for got in lab.upstream.requests())


# -- the upstream's side


@pytest.mark.smoke
@pytest.mark.parametrize("framing", ["sized", "chunked", "close"])
@pytest.mark.parametrize("size", [0, 1, 70000, 3 << 20])
def test_answers_of_every_framing(lab, framing, size):
    gateway = lab.gateway()
    lab.upstream.script("/f", {"framing": framing, "body_size": size, "headers": [["X-Mine", "kept"]]})
    with gateway.connect() as connection:
        for key in ("1", "2"):
            answer = connection.request("POST", "/f", [("X-Event-Id", key)])
            assert (answer.status, answer.outcome, answer.header("X-Mine")) == (200, "accepted", "kept")
            assert answer.body == pattern(size)


@pytest.mark.smoke
@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_body(lab, status):
    gateway = lab.gateway()
    lab.upstream.script("/n", {"status": status, "headers": [["ETag", '"a"']]})
    with gateway.connect() as connection:
        for key in ("1", "2"):
            answer = connection.request("POST", "/n", [("X-Event-Id", key)])
            assert (answer.status, answer.outcome, answer.header("ETag")) == (status, "accepted", '"a"')
            assert answer.header("Transfer-Encoding") is None
            assert status == 304 or answer.header("Content-Length") is None


def test_interim_answers_are_swallowed(lab):
    gateway = lab.gateway()
    lab.upstream.script("/i", {"interim": [100, 102, 103], "body": "final"})
    answer = gateway.post("/i", "1")
    assert (answer.status, answer.body, answer.interim) == (200, b"final", [])
    lab.upstream.script("/i", {"interim": [103] * 50})
    assert gateway.post("/i", "2").status == 502


@pytest.mark.parametrize("raw", [
    b"garbage\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/2.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", b"",
    b"HTTP/1.1 200 OK\r\nContent-Len", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200000 + b"\r\n\r\n",
    b"HTTP/1.1 099 Low\r\n\r\n", b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n"], ids=range(15))
def test_bad_answers_are_502_and_free_the_key(lab, raw):
    gateway = lab.gateway()
    lab.upstream.script("/bad", {"raw": base64.b64encode(raw).decode(), "close": True}, {"status": 200})
    answer = gateway.post("/bad", "1")
    assert (answer.status, answer.outcome) == (502, "failed")
    assert answer.header("Content-Type") == "application/problem+json"
    assert gateway.post("/bad", "1").outcome == "accepted"


def test_surplus_octets_are_never_the_next_answer(lab):
    gateway = lab.gateway()
    poison = b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    lab.upstream.script("/x", {"raw": base64.b64encode(poison).decode()}, {"body": "clean"})
    assert gateway.post("/x", "1").status == 204
    for number in range(3):
        assert gateway.post("/x", f"2{number}").body == b"clean"


@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_an_answer_cut_in_the_middle_is_cut_for_the_client(lab, framing):
    """The status said success, so the event counts as accepted; the client must see that the body is incomplete."""
    gateway = lab.gateway()
    lab.upstream.script("/cut", {"framing": framing, "body_size": 2 << 20, "reset": "half"})
    with gateway.connect() as connection:
        connection.send(post_bytes("/cut", "1"))
        with pytest.raises(http.Closed):
            connection.read_response()


def test_early_answer(lab):
    """An upstream that refuses before it has read the body."""
    gateway = lab.gateway()
    lab.upstream.script("/early", {"status": 413, "early": True, "body": "too much"})
    answer = gateway.post("/early", "1", body=pattern(1 << 20))
    assert (answer.status in (413, 502), answer.outcome) == (True, "failed")


def test_large_answers_to_a_slow_client_cost_little_memory(lab):
    gateway = lab.gateway()
    size = 64 << 20
    lab.upstream.script("/big", {"body_size": size})
    assert gateway.post("/", "warm").status == 200
    before = gateway.resident_bytes()
    with gateway.connect(60, receive_buffer=4096) as connection:
        connection.send(post_bytes("/big", "1"))
        connection.more()
        stays(lambda: gateway.resident_bytes() < before + (8 << 20), "memory stays bounded", 0.5)
        answer = connection.read_response()
        assert len(answer.body) == size and answer.body == pattern(size)
    assert gateway.resident_bytes() < before + (8 << 20)


# -- fields that end here


HOP_BY_HOP = [("Connection", "X-Hop, keep-alive"), ("X-Hop", "secret"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "x"),
              ("Proxy-Authenticate", "Basic"), ("TE", "trailers"), ("Trailer", "X-T"), ("Upgrade", "h2c")]


def test_hop_by_hop_fields_of_the_request(lab):
    gateway = lab.gateway()
    gateway.post("/", "1", headers=HOP_BY_HOP + [("Proxy-Authorization", "Basic x"), ("X-Kept", "yes")])
    got, = lab.upstream.requests()
    for name, _ in HOP_BY_HOP[1:] + [("Proxy-Authorization", "")]:
        assert got.header_values(name) == [], name
    assert got.header("X-Kept") == "yes" and "X-Hop" not in str(got.header_values("Connection"))


def test_hop_by_hop_fields_of_the_answer(lab):
    gateway = lab.gateway()
    lab.upstream.script("/", {"headers": [list(field) for field in HOP_BY_HOP] + [["X-Kept", "yes"]]})
    answer = gateway.post("/", "1")
    for name, _ in HOP_BY_HOP[1:]:
        assert answer.header(name) is None, name
    assert answer.header("X-Kept") == "yes" and "X-Hop" not in (answer.header("Connection") or "")


# -- limits


def test_body_limits(lab):
    gateway = lab.gateway(limits={"body": "10KiB"}, routes=[
        route("more", "/more", limits={"body": "20KiB"}), route()])
    for path, limit in (("/", 10240), ("/more", 20480)):
        for size, status in ((limit - 1, 200), (limit, 200), (limit + 1, 413)):
            answer = gateway.post(path, f"{path}{size}", pattern(size))
            assert answer.status == status
            chunked = gateway.request("POST", path, [("X-Event-Id", f"c{path}{size}")],
                                      chunks=[pattern(4096)] * (size // 4096) + [pattern(size % 4096)])
            assert chunked.status == status
    assert all(got.complete and got.size <= 20480 for got in lab.upstream.requests())
    assert len(lab.upstream.requests()) == 8


def test_announced_body_is_refused_before_it_comes(lab):
    gateway = lab.gateway(limits={"body": "1KiB"})
    for size in (1025, 1 << 40, (1 << 63) - 1):
        with gateway.connect() as connection:
            connection.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
            answer = connection.read_response()
            assert (answer.status, answer.header("Connection")) == (413, "close")
            assert connection.is_closed()
    assert lab.upstream.requests() == []


def head_of(size):
    """A POST whose head is `size` bytes long."""
    base = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-Event-Id: 1\r\nX-Fill: \r\n\r\n"
    return base.replace(b"X-Fill: ", b"X-Fill: " + b"f" * (size - len(base)))


def test_head_limits(lab):
    gateway = lab.gateway(limits={"headers": "4KiB", "target": "1KiB"})
    for size, expected in ((4095, True), (4096, True), (4097, False), (40000, False)):
        with gateway.connect() as connection:
            connection.send(head_of(size))
            answer = connection.read_response()
            assert (answer.status == 200) is expected and answer.status in (200, 431), size
            assert expected or connection.is_closed()


def test_endless_head_is_refused_early(lab):
    gateway = lab.gateway(limits={"headers": "4KiB", "target": "1KiB"})
    with gateway.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 5000)
        assert connection.read_response().status == 431


def test_field_count_limit(lab):
    gateway = lab.gateway(limits={"fields": 20})
    for count, status in ((20, 200), (21, 431)):
        fields = b"".join(b"X-%d: y\r\n" % number for number in range(count - 2))
        with gateway.connect() as connection:
            connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" + fields + b"\r\n")
            assert connection.read_response().status == status


def test_target_limit(lab):
    gateway = lab.gateway(limits={"target": "1KiB"})
    for size, status in ((1023, 200), (1024, 200), (1025, 414), (20000, 414)):
        answer = gateway.request("GET", "/" + "t" * (size - 1))
        assert answer.status == status, size


def test_no_route_is_404(lab):
    gateway = lab.gateway(routes=[route(path="/only")])
    with gateway.connect() as connection:
        answer = connection.request("POST", "/other", body=b"body")
        assert (answer.status, answer.outcome) == (404, "rejected")
        assert answer.header("Content-Type") == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == 404 and problem["type"].startswith("urn:postern:problem:") and problem["detail"]
        assert connection.request("POST", "/only", [("X-Event-Id", "1")]).status == 200, "the connection goes on"


# -- slow clients


@pytest.mark.parametrize("data", [b"POST / HT", b"POST / HTTP/1.1\r\nHost: a\r\n", b"P"])
def test_slow_heads_are_408(lab, data):
    gateway = lab.gateway(timeouts={"header": "3s"})
    with gateway.connect() as connection:
        connection.send(data)
        assert connection.read_response().status == 408
        assert connection.is_closed()


def test_slow_bodies_are_408(lab):
    gateway = lab.gateway(timeouts={"body": "300ms"})
    with gateway.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nX-Event-Id: 1\r\nContent-Length: 10\r\n\r\nhalf")
        assert connection.read_response().status == 408
        assert connection.is_closed()
    assert lab.upstream.requests() == []
    assert gateway.post("/", "1").outcome == "accepted", "nothing was claimed"


def test_dripping_does_not_stretch_the_head(lab):
    gateway = lab.gateway(timeouts={"header": "3s"})
    with gateway.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\n")
        connection.socket.settimeout(0.05)

        def drip():
            connection.send(b"X")
            try:
                connection.more()
            except TimeoutError:
                return False
            return True
        wait_until(drip, "an answer although bytes keep coming", 10)
        connection.socket.settimeout(5)
        assert connection.read_response().status == 408


def test_idle_connections_are_closed_silently(lab):
    gateway = lab.gateway(timeouts={"idle": "3s", "header": "3s"})
    with gateway.connect() as connection:
        assert connection.request("POST", "/", [("X-Event-Id", "1")]).status == 200
        assert connection.is_closed() and connection.held == b""
