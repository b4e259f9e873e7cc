# SPDX-License-Identifier: Apache-2.0
"""One child process: started with its output in files, frozen, killed, ended for sure. A child dies with the
test run, however that ends (PR_SET_PDEATHSIG)."""
import ctypes
import os
import random
import signal
import socket
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
# Below Linux's usual range of ephemeral ports, so that no outgoing connection takes one meanwhile, and beside those of
# upstream_server.py, so that no upstream does.
PORTS = range(12000, 22000)
GIVEN = set() # none twice: whoever has one may not listen yet, and listeners share a port silently (SO_REUSEPORT)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    """A TCP port nobody listens on, and that nobody else was given."""
    while True:
        port = random.choice(PORTS)
        if port in GIVEN:
            continue
        GIVEN.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Process:
    """A child with stdout and stderr in `folder`/`name`.{out,err}, appended over restarts."""

    def __init__(self, folder, name):
        self.folder, self.name = str(folder), name
        self.out_path = os.path.join(self.folder, name + ".out")
        self.err_path = os.path.join(self.folder, name + ".err")
        self.child = None

    def spawn(self, arguments, output=None, **options):
        """`output`: a descriptor for stdout and stderr instead of the files."""
        assert not self.is_running(), f"{self.name} runs already"
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output or out,
                                          stderr=output or err, preexec_fn=die_with_parent, **options)

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout_s=30.0):
        """The exit status; negative for a signal."""
        try:
            return self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout_s:g} s:\n{self.tail()}") from None

    def kill(self):
        """SIGKILL, and gone when this returns."""
        if self.is_running():
            self.child.kill()
            self.child.wait()

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def is_stopped(self):
        """True when it was frozen, by us or by a fault point of its own."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def resume(self):
        self.signal(signal.SIGCONT)

    def output(self):
        return read_text(self.out_path)

    def errors(self):
        return read_text(self.err_path)

    def tail(self, size=3000):
        """The end of what it wrote, for messages."""
        return f"--- {self.name} stdout\n{self.output()[-size:]}\n--- stderr\n{self.errors()[-size:]}"


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
