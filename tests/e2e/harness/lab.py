# SPDX-License-Identifier: Apache-2.0
"""Everything one test uses: made on demand in the test's folder, ended and checked at its end."""
import os

from .config import merge
from .gateway import Gateway
from .postgres import Postgres, make_template
from .redis import Redis
from .upstream import Upstream

STORES = ("memory+sqlite", "memory+postgres", "redis+sqlite", "redis+postgres")


class Shared:
    """Servers that tests share while nobody harms them: started with the first use."""

    def __init__(self, folder):
        self.folder = str(folder)
        os.chmod(self.folder, 0o755)
        self._redis = self._postgres = self._template = None

    def template(self):
        self._template = self._template or make_template(self.folder)
        return self._template

    def redis(self):
        if not self._redis:
            self._redis = Redis(self.folder).start()
        return self._redis

    def postgres(self):
        if not self._postgres:
            self._postgres = Postgres(self.folder, self.template()).start()
        return self._postgres

    def end(self):
        for server in (self._redis, self._postgres):
            if server:
                server.kill()


class Lab:
    def __init__(self, folder, shared):
        self.folder, self.shared = str(folder), shared
        self.parts, self.gateways = [], []
        self.upstream = Upstream(self.folder)
        self.upstreams = [self.upstream]

    # -- servers of this test alone, to be killed and frozen

    def own_redis(self, **options):
        redis = Redis(self.folder, name=f"redis{len(self.parts)}", **options)
        self.parts.append(redis)
        return redis

    def own_postgres(self):
        os.chmod(self.folder, 0o755)
        postgres = Postgres(self.folder, self.shared.template(), name=f"postgres{len(self.parts)}")
        self.parts.append(postgres)
        return postgres

    def other_upstream(self, name):
        """Beside `app`'s, for tests of several."""
        upstream = Upstream(self.folder, name)
        self.upstreams.append(upstream)
        return upstream

    # -- gateways

    def stores(self, kind, redis=None, postgres_url=None):
        """The configuration for "redis+postgres" and the like; each test gets its own keys and database."""
        dedup, journal = kind.split("+")
        prefix = f"t{abs(hash(self.folder)):x}"
        if dedup == "redis":
            # The shared one is never harmed: not to be scheduled for a while does not make it "away".
            where = {"url": redis.url()} if redis else {"url": self.shared.redis().url(), "timeout": "5s"}
            dedup_config = {"store": "redis", "redis": {**where, "prefix": prefix}}
        else:
            dedup_config = {"store": "memory"}
        if journal == "postgres":
            url = postgres_url or self.shared.postgres().create_database()
            journal_config = {"store": "postgres", "postgres": {"url": url}}
        else:
            path = os.path.join(self.folder, f"journal{len(self.gateways)}.db")
            journal_config = {"store": "sqlite", "sqlite": {"path": path}}
        return {"dedup": dedup_config, "journal": journal_config}

    def make_gateway(self, kind="memory+sqlite", stores=None, env=None, **config):
        """A gateway that isn't started yet; `config` is laid on the default."""
        laid = merge(stores or self.stores(kind), config)
        gateway = Gateway(self.folder, self.upstream.port, laid, env, name=f"gateway{len(self.gateways)}")
        self.gateways.append(gateway)
        return gateway

    def gateway(self, kind="memory+sqlite", **options):
        return self.make_gateway(kind, **options).start()

    # -- the end

    def check(self):
        """What holds after every test: nothing malformed went upstream, books balance, gateways end with 0."""
        for upstream in self.upstreams:
            assert not upstream.malformed()
        for gateway in self.gateways:
            if gateway.is_running():
                gateway.wait_quiet()
                status = gateway.stop()
                assert status == 0, f"exit status {status}\n{gateway.tail()}"

    def end(self):
        for part in self.gateways + self.parts:
            if part.is_running():
                part.resume()
                part.kill()
        for upstream in self.upstreams:
            upstream.stop()
