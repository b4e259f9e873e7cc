# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL over TLS is libpq's, by its conninfo: what the url asks for holds for the journal's, the queue's and the
archive's connections, although names are looked up by us."""
import os
import shutil

import pytest

from harness import tls
from harness.config import queue_route
from harness.wait import wait_until

TLS = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'postern'"


@pytest.fixture(name="authority", scope="module")
def fixture_authority(tmp_path_factory):
    return tls.Authority(str(tmp_path_factory.mktemp("ca")))


def own(path, to):
    """The server reads only what is its user's, and the key nobody else may."""
    shutil.copyfile(path, to)
    os.chmod(to, 0o600)
    if os.geteuid() == 0:
        shutil.chown(to, "postgres", "postgres")


def secure_postgres(lab, certificate):
    postgres = lab.own_postgres()
    own(certificate.path, os.path.join(postgres.data, "server.crt"))
    own(certificate.key, os.path.join(postgres.data, "server.key"))
    with open(os.path.join(postgres.data, "postgresql.conf"), "a", encoding="utf-8") as file:
        file.write("ssl = on\n")
    return postgres.start()


def url_of(postgres, authority, host="localhost"):
    plain = postgres.create_database()
    return plain.replace("127.0.0.1", host) + f"?sslmode=verify-full&sslrootcert={authority.path}"


def test_all_connections_are_encrypted(lab, authority):
    postgres = secure_postgres(lab, authority.sign("pg", "DNS:localhost"))
    url = url_of(postgres, authority)
    gateway = lab.gateway(stores=lab.stores("memory+postgres", postgres_url=url), routes=[queue_route()])
    assert [gateway.post("/hook", "1").outcome for _ in range(2)] == ["accepted", "duplicate"]
    wait_until(lambda: lab.upstream.requests(), "it is delivered")
    wait_until(lambda: int(postgres.query(TLS, "x/postgres")[0][0]) >= 4, "the drain's link is up as well")
    (count, encrypted), = postgres.query(TLS, "x/postgres")
    assert count == encrypted


@pytest.mark.parametrize("harm", ["wrong name", "wrong authority"])
def test_a_server_that_is_not_believed(lab, authority, tmp_path, harm):
    signer = authority if harm == "wrong name" else tls.Authority(str(tmp_path))
    postgres = secure_postgres(lab, signer.sign("pg", "DNS:other.test" if harm == "wrong name" else "DNS:localhost"))
    url = url_of(postgres, authority)
    gateway = lab.make_gateway(stores=lab.stores("memory+postgres", postgres_url=url)).start(stores=False)

    def told():
        return next((line for line in gateway.logs() if line["msg"] == "postgres is down"), None)
    found = wait_until(told, lambda: gateway.tail())
    assert "certificate" in found["detail"]
    (count, _), = postgres.query(TLS, "x/postgres")
    assert count == "0"
