# SPDX-License-Identifier: Apache-2.0
"""The harness itself, without a gateway: a test is worth what its instruments are."""
import base64
import hashlib

import pytest
from harness import http
from harness.config import merge, to_yaml
from harness.metrics import Metrics
from harness.upstream_server import Malformed, body_size, parse_head, pattern
from harness.wait import wait_until


@pytest.fixture
def upstream(lab):
    return lab.upstream


def test_upstream_records_what_it_got(upstream):
    body = pattern(100000)
    answer = http.request(upstream.port, "POST", "/a?b=c", [("X-A", "1")], body)
    assert (answer.status, answer.body) == (200, b"ok\n")
    got, = upstream.requests("/a")
    assert (got.method, got.target, got.header("x-a")) == ("POST", "/a?b=c", "1")
    assert got.complete and got.size == 100000 and got.sha256 == hashlib.sha256(body).hexdigest()


def test_upstream_plays_its_script(upstream):
    upstream.script("/s", {"status": 500}, {"status": 201, "framing": "chunked", "body_size": 10000},
                    {"interim": [103], "body": "x"}, {"framing": "close", "body": "to the end"},
                    {"raw": base64.b64encode(b"garbage").decode(), "close": True})
    with http.Connection(upstream.port) as connection:
        assert connection.request("GET", "/s").status == 500
        chunked = connection.request("GET", "/s")
        assert (chunked.status, chunked.framing, chunked.body) == (201, "chunked", pattern(10000))
        assert connection.request("GET", "/s").interim == [103]
        assert connection.request("GET", "/s").framing == "close"
    with http.Connection(upstream.port) as connection:
        connection.send(http.request_bytes("GET", "/s"))
        assert connection.is_closed() is False and connection.held == b"garbage"


@pytest.mark.parametrize("step, error", [
    ({"reset": "head"}, "reset"), ({"reset": "body"}, "reset"), ({"reset": "half", "body_size": 100}, "reset")])
def test_upstream_resets(upstream, step, error):
    upstream.script("/r", step)
    with pytest.raises(http.Closed, match=error):
        http.request(upstream.port, "POST", "/r", body=b"body")
    assert upstream.requests("/r")[0].complete == (step["reset"] != "head")


def test_upstream_waits_for_its_gate_and_for_the_end(upstream):
    upstream.script("/g", {"wait_for": "door"})
    with http.Connection(upstream.port) as connection:
        connection.send(http.request_bytes("GET", "/g"))
        upstream.wait_requests(1, "/g")
        upstream.open_gate("door")
        assert connection.read_response().status == 200
        assert upstream.connections() == 1
        wait_until(lambda: upstream.command()["idle"] == 1, "the connection is idle")
        upstream.close_idle()
        assert connection.is_closed()
    upstream.set_listening(False)
    with pytest.raises(OSError):
        http.Connection(upstream.port)
    upstream.set_listening(True)
    assert http.request(upstream.port, "GET", "/").status == 200


@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.0\r\nHost: a", b"GET /\nHost: a", b"GET / HTTP/1.1\r\nHost : a", b"GET / HTTP/1.1\r\nHost: a\r\n x",
    b"GET http://a/ HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1\r\nA: b\rc"])
def test_upstream_is_a_strict_judge_of_heads(head):
    with pytest.raises(Malformed):
        parse_head(head)


@pytest.mark.parametrize("fields", [
    [], [["Host", "a"], ["host", "a"]], [["Host", "a"], ["Content-Length", "1"], ["Transfer-Encoding", "chunked"]],
    [["Host", "a"], ["Content-Length", "+1"]], [["Host", "a"], ["Transfer-Encoding", "gzip"]]])
def test_upstream_is_a_strict_judge_of_framing(fields):
    with pytest.raises(Malformed):
        body_size(fields)


def test_redis_lives_and_dies(lab):
    redis = lab.own_redis(durable=True).start()
    assert redis.command("SET", "a", "b") == "OK"
    assert redis.restart().command("GET", "a") == "b"
    lost = lab.own_redis().start()
    lost.command("SET", "a", "b")
    assert lost.restart().command("GET", "a") is None


def test_postgres_lives_and_dies(lab):
    postgres = lab.own_postgres().start()
    url = postgres.create_database()
    postgres.psql("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)", "postern1")
    assert postgres.query("SELECT a, a + 1 FROM t ORDER BY 1", url) == [["1", "2"], ["2", "3"]]
    postgres.kill()
    assert postgres.start().query("SELECT count(*) FROM t", url) == [["2"]]


def test_configuration_is_written_as_yaml():
    text = to_yaml(merge({"workers": 1, "log": {"level": "info"}}, {
        "log": {"format": "json"}, "routes": [{"name": "a", "match": {"path": "/*"}, "key": {"json": ["a", "b.c"]}}]}))
    assert text == ('workers: 1\nlog:\n  level: info\n  format: json\nroutes:\n  - name: a\n    match: {path: "/*"}\n'
                    "    key: {json: [a, b.c]}\n")


def test_metrics_are_read():
    metrics = Metrics('# HELP a b\na{x="1",y="q\\"q"} 2\na{x="2",y="z"} 3\nb 1.5\n')
    assert (metrics.sum("a"), metrics.sum("a", x="1"), metrics.sum("b")) == (5, 2, 1.5)
    with pytest.raises(AssertionError):
        metrics.sum("a", x="3")
