# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL cluster in a folder, on a free port, run as user postgres when the tests run as root."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess

from .process import Process, die_with_parent, free_port
from .wait import wait_until

# Process kills don't lose what the kernel has, so syncing would only make the tests slower.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "max_connections": "60",
            "listen_addresses": "127.0.0.1", "log_min_messages": "warning", "autovacuum": "off"}


def find_bin():
    """The newest server's programs; Debian keeps them out of PATH."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    assert found, "PostgreSQL's server is not installed (deploy/packages test)"
    return os.path.dirname(found[-1])


def as_server_user():
    """Options for subprocess: the server refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Postgres(Process):
    """`template`: a folder made by make_template, copied instead of running initdb each time."""

    def __init__(self, folder, template, name="postgres"):
        super().__init__(folder, name)
        self.port = free_port()
        self.data = os.path.join(self.folder, name + "-data")
        self.databases = 0
        self.locker = None
        shutil.copytree(template, self.data)
        if os.geteuid() == 0:
            for where, _, names in os.walk(self.data):
                for path in [where] + [os.path.join(where, inner) for inner in names]:
                    shutil.chown(path, "postgres", "postgres")

    def start(self):
        options = [f"-c{key}={value}" for key, value in SETTINGS.items()]
        self.spawn([os.path.join(find_bin(), "postgres"), "-D", self.data, "-p", str(self.port), "-k", "", *options],
                   cwd="/", **as_server_user())
        wait_until(self.answers, lambda: "postgres answers\n" + self.tail(), 30)
        return self

    def stop(self):
        """Immediate shutdown, as after a crash, but with all its children gone."""
        if self.is_running():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGQUIT)
            self.wait()

    def kill(self):
        """SIGKILL to the postmaster and everybody of its."""
        if self.is_running():
            self.signal(signal.SIGSTOP) # so that it starts nobody while the children are counted
            children = children_of(self.pid)
            signal_all(children + [self.pid], signal.SIGKILL)
            self.child.wait()
            # One that still holds the shared memory would keep the next postmaster from starting.
            wait_until(lambda: not any(map(is_alive, children)), "its children are gone")

    def freeze(self):
        """Postmaster and backends: connections stay open, nothing answers."""
        self.signal(signal.SIGSTOP)
        signal_all(children_of(self.pid), signal.SIGSTOP)

    def resume(self):
        signal_all(children_of(self.pid) + [self.pid], signal.SIGCONT)

    def restart(self):
        self.stop()
        return self.start()

    def end_backends(self):
        """Ends all client connections, as an administrator does."""
        names = {pid: read_command(pid) for pid in children_of(self.pid)}
        signal_all([pid for pid, name in names.items() if "127.0.0.1(" in name], signal.SIGTERM)

    def answers(self):
        assert self.is_running(), self.tail()
        return self.psql("SELECT 1", "postgres", check=False).stdout == "1\n"

    def create_database(self):
        """Makes an empty database; its URL."""
        self.databases += 1
        name = f"postern{self.databases}"
        self.psql(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)

    def url(self, name):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def psql(self, sql, database, check=True):
        return subprocess.run(["psql", "-X", "-A", "-t", "-q", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
                               "-p", str(self.port), "-U", "postgres", "-c", sql, database],
                              capture_output=True, text=True, check=check, timeout=30)

    @contextlib.contextmanager
    def locked(self, table, url):
        """Nobody else writes to the table until unlock(), or the end of the block."""
        self.locker = subprocess.Popen(["psql", "-X", "-A", "-t", "-q", url], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.locker.stdin.write(f"BEGIN; LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE; SELECT 'locked';\n")
        self.locker.stdin.flush()
        assert self.locker.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            self.unlock()

    def unlock(self):
        if self.locker:
            self.locker.communicate("COMMIT;\n", timeout=30)
        self.locker = None

    def query(self, sql, url):
        """Rows as lists of text."""
        out = self.psql(sql, url.rsplit("/", 1)[1]).stdout
        return [line.split("\x1f") for line in out.splitlines()]


def signal_all(pids, number):
    """A backend may end by itself between being listed and being signalled."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def is_alive(pid):
    """A zombie holds nothing any more."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def read_command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def children_of(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path, encoding="ascii") as file:
            found += [int(word) for word in file.read().split()]
    return found


def make_template(folder):
    """Runs initdb once; the folder to copy from."""
    data = os.path.join(str(folder), "pg-template")
    os.makedirs(data, mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
    subprocess.run([os.path.join(find_bin(), "initdb"), "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8",
                    "--locale=C", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/", **as_server_user())
    return data
