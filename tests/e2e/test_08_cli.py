# SPDX-License-Identifier: Apache-2.0
"""Usage and configuration errors: what is said, where, and with which exit status."""
import os

import pytest
from harness.config import merge, route, to_yaml
from harness.gateway import ROOT, run_cli

GOOD = {
    "listen": [{"address": "127.0.0.1:18080"}],
    "upstreams": {"app": {"endpoints": ["http://127.0.0.1:18081"]}},
    "routes": [route()],
}


def write(tmp_path, text):
    path = tmp_path / "postern.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.smoke
@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("serve",), ("serve", "--nonsense"), ("check", "-c"), ("--nonsense",)])
def test_bad_usage_is_2(arguments):
    done = run_cli(*arguments)
    assert done.returncode == 2 and b"postern" in done.stderr and done.stdout == b""


@pytest.mark.parametrize("arguments", [("--help",), ("help",), ("serve", "--help"), ("check", "--help"), ("key", "--help"),
                                       ("version",), ("--version",)])
def test_help_and_version_are_0(arguments):
    done = run_cli(*arguments)
    assert done.returncode == 0 and b"postern" in done.stdout.lower() and done.stderr == b""


def test_a_good_file(tmp_path):
    done = run_cli("check", "-c", write(tmp_path, to_yaml(GOOD)))
    assert done.returncode == 0, done.stderr
    assert b"events" in done.stdout


BAD = {
    "unknown key": ({"routes": [route(widnow="1h")]}, "widnow", "window"),
    "missing unit": ({"routes": [route(window=30)]}, "window", "30s"),
    "unknown upstream": ({"routes": [{**route(), "upstream": "ap"}]}, "ap", "app"),
    "window out of range": ({"routes": [route(window="31d")]}, "window", "30d"),
    "unknown word": ({"routes": [route(in_flight="wiat")]}, "wiat", "wait"),
    "not supported yet": ({"routes": [route(verify="always")]}, "verify", "not supported"),
    "unreachable secret": ({"admin": {"token": "env:POSTERN_E2E_NOT_SET"}}, "POSTERN_E2E_NOT_SET", ""),
    "admin open to the world": ({"admin": {"address": "0.0.0.0:9901"}}, "admin", "token"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("name", BAD)
def test_bad_configuration_is_78(tmp_path, name, command):
    over, word, hint = BAD[name]
    path = write(tmp_path, to_yaml(merge(GOOD, over)))
    done = run_cli(command, "-c", path)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 78, text
    assert f"{path}:" in text and word in text and hint in text, text


@pytest.mark.parametrize("text", ["", "routes: [", "a: b\n" * 3, "\t- x", "listen: &a []\nroutes: *a\n", "\xff\xfe", "[" * 50000],
                         ids=["empty", "open list", "repeated key", "tab", "alias", "no UTF-8", "deep"])
def test_broken_files_are_78(tmp_path, text):
    path = tmp_path / "postern.yaml"
    path.write_bytes(text.encode("latin-1"))
    assert run_cli("check", "-c", str(path), timeout_s=5).returncode == 78


def test_all_errors_at_once(tmp_path):
    bad = merge(GOOD, {"workers": -1, "nonsense": 1, "routes": [route(window="1", missing="x")]})
    done = run_cli("check", "-c", write(tmp_path, to_yaml(bad)))
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 78
    assert all(word in text for word in ("workers", "nonsense", "window", "missing")), text
    assert text.count("error:") >= 4 and text.count("^") >= 4


def test_a_missing_file(tmp_path):
    assert run_cli("serve", "-c", str(tmp_path / "none.yaml")).returncode in (1, 78)


def test_the_sample_file_is_right(tmp_path):
    done = run_cli("check", "-c", os.path.join(ROOT, "deploy", "postern.yaml"), env={"POSTERN_ADMIN_TOKEN": "t"})
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_an_address_in_use(lab):
    one = lab.gateway()
    two = lab.make_gateway(admin={"address": f"127.0.0.1:{one.admin_port}"})
    two.start(wait_for=None)
    assert two.wait() not in (0, None)
    assert str(one.admin_port) in two.output() + two.errors()


def test_the_key_command(tmp_path):
    path = write(tmp_path, to_yaml(GOOD))
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nX-Event-Id: one\r\nContent-Length: 2\r\n\r\n{}"
    done = run_cli("key", "-c", path, "--route", "events", stdin=request)
    assert done.returncode == 0 and b"one" in done.stdout, done.stderr
    without = request.replace(b"X-Event-Id", b"X-Other")
    assert run_cli("key", "-c", path, "--route", "events", stdin=without).returncode == 1
    assert run_cli("key", "-c", path, "--route", "nowhere", stdin=request).returncode in (1, 2)
