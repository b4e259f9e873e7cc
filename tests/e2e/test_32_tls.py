# SPDX-License-Identifier: Apache-2.0
"""TLS at the listeners, towards upstreams and towards Redis."""
import os
import select
import shutil
import signal
import socket
import ssl
import threading

import pytest
from harness import http, tls
from harness.config import queue_route, route
from harness.gateway import run_cli
from harness.upstream_server import pattern
from harness.wait import wait_until

BIG = 8 << 20
# More than a record, so that it fills what OpenSSL reads and writes records in.
RECORDS = b"x" * 20000


@pytest.fixture(name="authority", scope="module")
def fixture_authority(tmp_path_factory):
    return tls.Authority(str(tmp_path_factory.mktemp("ca")))


@pytest.fixture(name="own", scope="module")
def fixture_own(authority):
    """The gateway's certificate."""
    return authority.sign("gateway", "DNS:gateway.test", "DNS:*.wild.test")


def serve(lab, own, kind="memory+sqlite", routes=None, settings=None, **options):
    config = {"routes": routes} if routes else {}
    return tls.secured(lab.make_gateway(kind, **config, **options), **own.config(), **(settings or {})).start()


def connect(gateway, authority, name="gateway.test", timeout_s=10.0, **options):
    return tls.Connection(gateway.port, tls.client_context(authority, **options), name, timeout_s)


def post(connection, key, body=b"{}"):
    return connection.request("POST", "/hook", [("X-Event-Id", key)], body)


def wait_log(gateway, message, **fields):
    """The first line with this message and these fields, once it is there."""
    def seen():
        return next((line for line in gateway.logs() if line["msg"] == message and fields.items() <= line.items()), None)
    return wait_until(seen, lambda: f"{message}\n{gateway.tail()}")


def common_name(connection):
    found = connection.socket.getpeercert()
    return dict(pair for part in found["subject"] for pair in part)["commonName"]


def refused(gateway, context, name="gateway.test"):
    """The error of a handshake that must not succeed, at the latest with the first request."""
    try:
        with tls.Connection(gateway.port, context, name) as connection:
            answer = post(connection, "never")
    except (ssl.SSLError, http.Closed, ConnectionResetError) as error:
        return error
    raise AssertionError(f"it was served: {answer}")


# ---- listeners


@pytest.mark.smoke
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_events_over_tls(lab, authority, own, version):
    gateway = serve(lab, own)
    with connect(gateway, authority, version=version) as connection:
        first, again = post(connection, "1"), post(connection, "1")
        assert connection.socket.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
        assert connection.socket.compression() is None
    assert (first.outcome, again.outcome) == ("accepted", "duplicate")
    got, = lab.upstream.requests()
    assert (got.header("X-Forwarded-Proto"), got.header("X-Forwarded-For")) == ("https", "127.0.0.1")
    wait_until(lambda: gateway.metrics().sum("postern_tls_handshakes_total", result="completed") == 1, "it is counted")


def test_a_listener_may_want_1_3(lab, authority, own):
    gateway = serve(lab, own, settings={"min_version": "1.3"})
    refused(gateway, tls.client_context(authority, version=ssl.TLSVersion.TLSv1_2))
    with connect(gateway, authority) as connection:
        assert post(connection, "1").outcome == "accepted"
    wait_until(lambda: gateway.metrics().sum("postern_tls_handshakes_total", result="failed") == 1, "it is counted")


def test_certificates_are_chosen_by_name(lab, authority, own):
    one, other = authority.sign("one", "DNS:one.test"), authority.sign("other", "DNS:*.one.test", "DNS:a.wild.test")
    gateway = tls.secured(lab.make_gateway(), certificates=[own.config(), one.config(), other.config()]).start()
    for name, expected in (("gateway.test", "gateway"), ("one.test", "one"), ("x.one.test", "other"),
                           ("b.wild.test", "gateway"), ("a.wild.test", "other"), ("ONE.TEST", "one")):
        with connect(gateway, authority, name) as connection:
            assert common_name(connection) == expected, name
            assert post(connection, name).outcome == "accepted"
    context = tls.client_context(authority)
    context.check_hostname = False
    for name in ("unknown.test", "x.y.one.test", None): # the first certificate is for all others
        with tls.Connection(gateway.port, context, name) as connection:
            assert common_name(connection) == "gateway"


def test_alpn(lab, authority, own):
    gateway = serve(lab, own)
    for offered, chosen in ((["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (None, None)):
        with connect(gateway, authority, alpn=offered) as connection:
            assert connection.socket.selected_alpn_protocol() == chosen
            assert post(connection, str(offered)).outcome == "accepted"
    error = refused(gateway, tls.client_context(authority, alpn=["h2"]))
    assert "NO_APPLICATION_PROTOCOL" in str(error).upper().replace(" ", "_")


def test_client_certificates(lab, authority, own, tmp_path):
    stranger = tls.Authority(str(tmp_path), "stranger").sign("client")
    known, late = authority.sign("known"), authority.sign("late", days=tls.EXPIRED_DAYS)
    gateway = serve(lab, own, settings={"client_ca": authority.path})
    for certificate in (None, stranger, late):
        refused(gateway, tls.client_context(authority, certificate))
    for _ in range(2): # the second time with a ticket
        with connect(gateway, authority, certificate=known) as connection:
            assert post(connection, "1").status == 200
    assert len(lab.upstream.requests()) == 1


def test_client_certificates_that_need_not_be(lab, authority, own, tmp_path):
    stranger = tls.Authority(str(tmp_path), "stranger").sign("client")
    gateway = serve(lab, own, settings={"client_ca": authority.path, "client_auth": "optional"})
    refused(gateway, tls.client_context(authority, stranger))
    for certificate in (None, authority.sign("known")):
        with connect(gateway, authority, certificate=certificate) as connection:
            assert post(connection, str(certificate)).outcome == "accepted"


def test_sessions_are_resumed(lab, authority, own):
    gateway, context = serve(lab, own), tls.client_context(authority)
    with tls.Connection(gateway.port, context) as connection:
        post(connection, "1")
        session = connection.socket.session
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="gateway.test", session=session) as again:
            assert again.session_reused


def test_a_session_does_not_outlive_its_authority(lab, authority, own, tmp_path):
    trusted = os.path.join(lab.folder, "clients.crt")
    shutil.copy(authority.path, trusted)
    gateway = serve(lab, own, settings={"client_ca": trusted})
    context = tls.client_context(authority, authority.sign("known"))
    with tls.Connection(gateway.port, context) as connection:
        assert post(connection, "1").outcome == "accepted"
        session = connection.socket.session

    def is_resumed():
        with socket.create_connection(("127.0.0.1", gateway.port), 10) as plain:
            with context.wrap_socket(plain, server_hostname="gateway.test", session=session) as again:
                return again.session_reused

    assert is_resumed()
    shutil.copy(tls.Authority(str(tmp_path), "other").path, trusted)
    gateway.signal(signal.SIGHUP)
    wait_log(gateway, "certificates were read again")
    assert not is_resumed()
    refused(gateway, context)
    assert len(lab.upstream.requests()) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_what_is_too_old_is_refused(lab, authority, own, version):
    context = tls.client_context(authority)
    context.set_ciphers("ALL:@SECLEVEL=0") # or it would not even ask
    context.minimum_version = context.maximum_version = version
    assert "PROTOCOL_VERSION" in str(refused(serve(lab, own), context)).upper().replace(" ", "_")


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 70000,
                                   b"\x16\x03\x01\0\x05hello", b"SSH-2.0-x\r\n"])
def test_what_is_not_tls_is_closed(lab, authority, own, first):
    gateway = serve(lab, own)
    with gateway.connect() as connection:
        connection.send(first)
        with pytest.raises(http.Closed): # after an alert, perhaps
            while True:
                connection.more()
    with connect(gateway, authority) as connection:
        assert post(connection, "1").outcome == "accepted"
    wait_until(lambda: gateway.metrics().sum("postern_tls_handshakes_total", result="failed") == 1, "it is counted")


def test_a_handshake_has_its_time(lab, authority, own):
    gateway = serve(lab, own, settings={"handshake_timeout": "3s"})
    with gateway.connect() as silent, gateway.connect() as slow:
        slow.send(b"\x16\x03\x01")
        assert silent.is_closed() and slow.is_closed()
    with connect(gateway, authority) as connection: # whose handshake is over stays
        assert post(connection, "1").outcome == "accepted"
        wait_until(lambda: gateway.metrics().sum("postern_tls_handshakes_total", result="failed") == 2, "both count")
        assert post(connection, "2").outcome == "accepted"


def test_half_open_handshakes_stop_nobody(lab, authority, own):
    gateway = serve(lab, own)
    half_open = [gateway.connect() for _ in range(500)]
    for number, connection in enumerate(half_open):
        connection.send(b"\x16\x03\x01\x02\x00"[:number % 6])
    with connect(gateway, authority) as connection:
        for number in range(20):
            assert post(connection, str(number)).outcome == "accepted"
    wait_until(lambda: gateway.metrics().sum("postern_client_connections") >= 500, "they count as connections")
    for connection in half_open:
        connection.close()
    wait_until(lambda: gateway.metrics().sum("postern_client_connections") == 0, "they are gone")


def test_the_limit_of_connections_holds(lab, own, authority):
    gateway = serve(lab, own, limits={"connections": 2})
    with gateway.connect() as one, gateway.connect() as two:
        wait_until(lambda: gateway.metrics().sum("postern_client_connections") == 2, "two half-open ones")
        with gateway.connect() as third:
            assert third.is_closed()
        assert one.socket.fileno() >= 0 and two.socket.fileno() >= 0
    wait_until(lambda: gateway.metrics().sum("postern_client_connections") == 0, "they are gone")
    with connect(gateway, authority) as connection:
        assert post(connection, "1").outcome == "accepted"


def test_idle_connections_keep_no_record_buffers(lab, authority, own):
    """An established connection and its session take 12 to 16 KiB; the buffers of records would be 33 KiB more."""
    gateway = serve(lab, own, timeouts={"idle": "10m"})
    lab.upstream.default(body_size=len(RECORDS))
    with connect(gateway, authority) as filler: # the journal's cache (16 MiB) must not grow meanwhile
        for number in range(24):
            assert post(filler, f"big {number}", b"x" * 900000).outcome == "accepted"
    before = gateway.resident_bytes()
    crowd = [connect(gateway, authority) for _ in range(500)]
    for number, connection in enumerate(crowd):
        answer = post(connection, str(number), RECORDS)
        assert answer.outcome == "accepted" and len(answer.body) == len(RECORDS)
    grown = gateway.resident_bytes() - before
    assert grown < len(crowd) * (28 << 10), f"{grown // len(crowd)} bytes each"
    for connection in crowd:
        assert post(connection, "0", RECORDS).outcome == "duplicate", "each is still served"
        connection.close()
    wait_until(lambda: gateway.metrics().sum("postern_client_connections") == 0, "all are gone")


def test_slow_senders_over_tls(lab, authority, own):
    """One octet of a head after the other, each in a record of its own: the time for the head ends it all the same."""
    gateway = serve(lab, own, timeouts={"header": "4s"})
    answered, crowd = [], [connect(gateway, authority) for _ in range(50)]
    for number, connection in enumerate(crowd): # reads the tickets too: what comes now is an answer
        assert post(connection, f"before {number}").outcome == "accepted"
        connection.send(b"POST /slow HTTP/1.1\r\nHost: a\r\n")

    def drip():
        ready, _, _ = select.select([connection.socket for connection in crowd], [], [], 0)
        for connection in list(crowd):
            if connection.socket in ready:
                answered.append(connection)
                crowd.remove(connection)
            else:
                connection.send(b"X")
        return post(others, f"good {len(lab.upstream.requests())}").outcome == "accepted" and not crowd

    with connect(gateway, authority) as others:
        wait_until(drip, lambda: f"{len(crowd)} slow senders are sent away", 30)
    for connection in answered:
        assert connection.read_response("POST").status == 408 and connection.is_closed()
        connection.close()
    wait_until(lambda: gateway.metrics().sum("postern_client_connections") == 0, "forgotten")
    assert {request.target for request in lab.upstream.requests()} == {"/hook"}, "nothing of theirs was forwarded"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_big_bodies_with_a_slow_reader(lab, authority, own, version):
    gateway = serve(lab, own, routes=[route(limits={"body": "16MiB"})])
    lab.upstream.script("/hook", {"body_size": BIG})
    sent = pattern(BIG)
    context = tls.client_context(authority, version=version)
    with tls.Connection(gateway.port, context, timeout_s=30, receive_buffer=4096) as connection:
        writer = threading.Thread(target=post_only, args=(connection, sent))
        writer.start()
        answer = connection.read_response("POST")
        writer.join()
    assert answer.status == 200 and answer.body == pattern(BIG)
    got, = lab.upstream.requests()
    assert got.complete and got.size == BIG


def post_only(connection, body):
    connection.send(http.request_bytes("POST", "/hook", [("X-Event-Id", "big")], body))


def test_pipelined_requests(lab, authority, own):
    gateway = serve(lab, own)
    with connect(gateway, authority) as connection:
        connection.send(b"".join(http.request_bytes("POST", f"/{n}", [("X-Event-Id", str(n))], b"x" * 20000)
                                 for n in range(20)))
        assert [connection.read_response("POST").outcome for _ in range(20)] == ["accepted"] * 20
    assert [r.target for r in lab.upstream.requests()] == [f"/{n}" for n in range(20)]


def test_the_end_of_a_connection_is_told(lab, authority, own):
    gateway = serve(lab, own)
    with connect(gateway, authority) as connection:
        answer = connection.request("POST", "/hook", [("X-Event-Id", "1"), ("Connection", "close")], b"{}")
        assert answer.status == 200
        assert connection.socket.recv(10) == b"" # close_notify: anything else raises
    with connect(gateway, authority) as connection: # cut without one
        post(connection, "2")
        socket.socket.close(connection.socket)
    wait_until(lambda: gateway.metrics().sum("postern_client_connections") == 0, "it is gone")


# ---- renewing certificates


def copy_to(certificate, path):
    """Puts a certificate in another one's place, as those who renew them do."""
    for source, end in ((certificate.path, ".crt"), (certificate.key, ".key")):
        shutil.copy(source, path + end + ".new")
        os.replace(path + end + ".new", path + end)


def presented(gateway, authority):
    with connect(gateway, authority) as connection:
        post(connection, "look")
        return connection.socket.getpeercert()["serialNumber"]


def test_reload_under_traffic(lab, authority, own):
    path = os.path.join(lab.folder, "live")
    copy_to(own, path)
    gateway = tls.secured(lab.make_gateway(), certificate=path + ".crt", key=path + ".key").start()
    before, stop, failures = presented(gateway, authority), threading.Event(), []

    def send(number):
        try:
            count = 0
            while not stop.is_set():
                with connect(gateway, authority) as connection:
                    for _ in range(3):
                        count += 1
                        assert post(connection, f"{number}-{count}").outcome == "accepted"
        except Exception as error: # told by the test
            failures.append(error)

    senders = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for sender in senders:
        sender.start()
    with connect(gateway, authority) as kept:
        for _ in range(5):
            copy_to(authority.sign("gateway", "DNS:gateway.test"), path)
            known = presented(gateway, authority)
            gateway.signal(signal.SIGHUP)
            wait_until(lambda known=known: presented(gateway, authority) != known, "the new one is shown")
            assert post(kept, "look").status == 200
    stop.set()
    for sender in senders:
        sender.join()
    assert not failures and presented(gateway, authority) != before


def test_a_bad_file_changes_nothing(lab, authority, own):
    path = os.path.join(lab.folder, "live")
    copy_to(own, path)
    gateway = tls.secured(lab.make_gateway(), certificate=path + ".crt", key=path + ".key").start()
    before = presented(gateway, authority)
    with open(path + ".crt", "w", encoding="utf-8") as file:
        file.write("no certificate")
    gateway.signal(signal.SIGHUP)
    wait_log(gateway, "certificates stay as they were", tls="listen[0].tls")
    assert presented(gateway, authority) == before


def test_a_reload_is_asked_for_at_once(lab, own):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP}) # a child has that from us: it can't come before its main
    gateway = tls.secured(lab.make_gateway(), **own.config()).start(wait_for=None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    gateway.signal(signal.SIGHUP)
    wait_log(gateway, "certificates were read again", failed=0)


@pytest.mark.parametrize("harm", ["empty", "garbage", "other key", "key of another kind"])
def test_bad_files_are_found_at_the_start(lab, authority, own, harm):
    path = os.path.join(lab.folder, "bad")
    copy_to(own, path)
    if harm == "other key":
        shutil.copy(authority.sign("third").key, path + ".key")
    elif harm == "key of another kind":
        tls.openssl("genrsa", "-out", path + ".key", "2048")
    else:
        with open(path + ".crt", "w", encoding="utf-8") as file:
            file.write("" if harm == "empty" else "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n")
    gateway = tls.secured(lab.make_gateway(), certificate=path + ".crt", key=path + ".key")
    checked = run_cli("check", "-c", gateway.path)
    assert checked.returncode == 1 and b"listen[0].tls" in checked.stderr and path.encode() in checked.stderr
    gateway.start(wait_for=None)
    assert gateway.wait() == 1 and "listen[0].tls" in gateway.errors()


# ---- upstreams


@pytest.fixture(name="front")
def fixture_front(lab, authority):
    fronts = []

    def make(certificate=None, **options):
        certificate = certificate or authority.sign("app", "DNS:localhost", "IP:127.0.0.1")
        fronts.append(tls.Front(lab.upstream.port, certificate, **options))
        return fronts[-1]

    yield make
    for front in fronts:
        front.close()


def towards(lab, front, host="localhost", routes=None, env=None, **settings):
    app = {"endpoints": [f"https://{host}:{front.port}"], "timeout": "5s", "connect_timeout": "5s", "tls": settings}
    return lab.gateway(upstreams={"app": app}, env=env, **({"routes": routes} if routes else {}))


def by_the_system(authority):
    """The environment in which OpenSSL's default store is this authority."""
    return {"SSL_CERT_FILE": authority.path}


@pytest.fixture(name="renewed")
def fixture_renewed(lab, authority, tmp_path):
    """A `ca` file with a stranger in it; the function puts the right authority there and has it read again."""
    path = os.path.join(lab.folder, "trusted.crt")
    shutil.copy(tls.Authority(str(tmp_path), "stranger").path, path)

    def renew(gateway):
        shutil.copy(authority.path, path + ".new")
        os.replace(path + ".new", path)
        gateway.signal(signal.SIGHUP)
        wait_log(gateway, "certificates were read again", contexts=1, failed=0)

    return path, renew


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_upstream_over_tls(lab, authority, front, host):
    server = front()
    gateway = towards(lab, server, host, ca=authority.path)
    with gateway.connect() as connection:
        for number in range(5):
            assert post(connection, str(number)).outcome == "accepted"
    assert server.handshakes == 1, "connections are kept"
    assert server.names == ([host] if host == "localhost" else [None])
    assert lab.upstream.requests()[0].header("Host") == f"{host}:{server.port}"


def test_upstream_body_both_ways(lab, authority, front):
    gateway = towards(lab, front(), ca=authority.path, routes=[route(limits={"body": "16MiB"})])
    lab.upstream.script("/hook", {"body_size": BIG, "framing": "chunked", "piece": 50000})
    answer = gateway.post("/hook", "1", pattern(BIG), timeout_s=30)
    assert answer.status == 200 and answer.body == pattern(BIG)
    got, = lab.upstream.requests()
    assert got.complete and got.size == BIG


@pytest.mark.parametrize("harm", ["wrong name", "wrong address", "stranger", "expired", "system's store"])
def test_upstream_that_is_not_believed(lab, authority, front, tmp_path, harm):
    certificate = {
        "wrong name": lambda: authority.sign("app", "DNS:other.test"),
        "wrong address": lambda: authority.sign("app", "DNS:localhost", "IP:127.0.0.2"),
        "stranger": lambda: tls.Authority(str(tmp_path), "stranger").sign("app", "DNS:localhost"),
        "expired": lambda: authority.sign("app", "DNS:localhost", days=tls.EXPIRED_DAYS),
        "system's store": lambda: authority.sign("app", "DNS:localhost"),
    }[harm]()
    server = front(certificate)
    trust = {} if harm == "system's store" else {"ca": authority.path}
    gateway = towards(lab, server, "127.0.0.1" if harm == "wrong address" else "localhost", **trust)
    answer = gateway.post("/hook", "1")
    assert answer.status == 502
    assert not lab.upstream.requests() and server.handshakes == 0
    wait_log(gateway, "TLS towards an upstream failed", upstream="app")


def test_upstream_believed_by_the_systems_store(lab, authority, front):
    server = front()
    gateway = towards(lab, server, env=by_the_system(authority))
    assert gateway.post("/hook", "1").outcome == "accepted"
    assert server.handshakes == 1


def test_upstream_after_a_reload(lab, front, renewed):
    path, renew = renewed
    server = front()
    gateway = towards(lab, server, ca=path)
    assert gateway.post("/hook", "1").status == 502
    assert not lab.upstream.requests() and server.handshakes == 0
    renew(gateway)
    assert gateway.post("/hook", "1").outcome == "accepted"
    assert server.handshakes == 1


def test_upstream_that_is_not_verified(lab, front, tmp_path):
    server = front(tls.Authority(str(tmp_path), "stranger").sign("app", "DNS:other.test"))
    gateway = towards(lab, server, verify=False)
    assert gateway.post("/hook", "1").outcome == "accepted"
    assert gateway.logged("insecure: the certificate of this upstream is not verified")


def test_upstream_by_another_name(lab, authority, front):
    server = front(authority.sign("app", "DNS:app.internal"))
    gateway = towards(lab, server, "127.0.0.1", ca=authority.path, server_name="app.internal")
    assert gateway.post("/hook", "1").outcome == "accepted"
    assert server.names == ["app.internal"]


def test_upstream_that_asks_for_a_certificate(lab, authority, front):
    server = front(client_authority=authority)
    mine = authority.sign("me")
    gateway = towards(lab, server, ca=authority.path, certificate=mine.path, key=mine.key)
    assert gateway.post("/hook", "1").outcome == "accepted"
    without = towards(lab, server, ca=authority.path)
    assert without.post("/hook", "2").status == 502
    assert len(lab.upstream.requests()) == 1


def test_a_response_cut_without_close_notify_is_not_whole(lab, authority, front):
    """Its end is only told by the end of the connection: a cut must not pass for it."""
    server = front()
    gateway = towards(lab, server, ca=authority.path)
    lab.upstream.script("/hook", {"framing": "close", "body": "whole"})
    assert gateway.post("/hook", "1").body == b"whole"
    server.cut = True
    with pytest.raises(http.Closed):
        gateway.post("/hook", "2")


def test_queued_events_over_tls(lab, authority, front):
    server = front()
    gateway = towards(lab, server, ca=authority.path, routes=[queue_route()])
    event = gateway.post("/hook", "1").event_id
    gateway.wait_state(event, "delivered")
    assert server.handshakes == 1


# ---- Redis


def redis_gateway(lab, redis, env=None, **settings):
    stores = lab.stores("redis+sqlite", redis=redis)
    stores["dedup"]["redis"]["tls"] = settings
    return lab.make_gateway(stores=stores, env=env)


@pytest.fixture(name="secure_redis")
def fixture_secure_redis(lab, authority):
    redis = tls.SecureRedis(lab.folder, authority.sign("redis", "DNS:localhost"), authority).start()
    lab.parts.append(redis)
    return redis


def test_redis_over_tls(lab, authority, secure_redis):
    gateway = redis_gateway(lab, secure_redis, ca=authority.path).start()
    assert [gateway.post("/hook", "1").outcome for _ in range(2)] == ["accepted", "duplicate"]
    assert secure_redis.command("DBSIZE") >= 1
    secure_redis.restart()
    wait_log(gateway, "redis is down")
    wait_until(lambda: gateway.links_up() >= 2, "the link is up again")
    assert gateway.post("/hook", "2").outcome == "accepted"


def test_redis_that_asks_for_a_certificate(lab, authority):
    redis = tls.SecureRedis(lab.folder, authority.sign("redis", "DNS:localhost"), authority, ask_clients=True).start()
    lab.parts.append(redis)
    mine = authority.sign("me")
    gateway = redis_gateway(lab, redis, ca=authority.path, certificate=mine.path, key=mine.key).start()
    assert gateway.post("/hook", "1").outcome == "accepted"


@pytest.mark.parametrize("harm", ["wrong name", "expired", "system's store"])
def test_redis_that_is_not_believed(lab, authority, harm):
    names = ["DNS:other.test"] if harm == "wrong name" else ["DNS:localhost"]
    days = tls.EXPIRED_DAYS if harm == "expired" else 30
    redis = tls.SecureRedis(lab.folder, authority.sign("redis", *names, days=days), authority).start()
    lab.parts.append(redis)
    gateway = redis_gateway(lab, redis, **({} if harm == "system's store" else {"ca": authority.path}))
    gateway.start(stores=False)
    found = wait_log(gateway, "redis is down")
    assert "certificate" in found["detail"] or "mismatch" in found["detail"]


def test_redis_believed_by_the_systems_store(lab, authority, secure_redis):
    gateway = redis_gateway(lab, secure_redis, env=by_the_system(authority)).start()
    assert [gateway.post("/hook", "1").outcome for _ in range(2)] == ["accepted", "duplicate"]


def test_redis_after_a_reload(lab, secure_redis, renewed):
    path, renew = renewed
    gateway = redis_gateway(lab, secure_redis, ca=path).start(stores=False)
    wait_log(gateway, "redis is down")
    assert gateway.links_up() == 0
    renew(gateway)
    wait_log(gateway, "redis is up")
    assert [gateway.post("/hook", "1").outcome for _ in range(2)] == ["accepted", "duplicate"]
