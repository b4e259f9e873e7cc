# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end and fault tests. A failed test shows the tails of what its processes wrote."""
import shutil
import tempfile

import pytest

from .lab import Lab, Shared


@pytest.fixture(scope="session")
def shared():
    folder = tempfile.mkdtemp(prefix="postern-e2e-")
    servers = Shared(folder)
    yield servers
    servers.end()
    shutil.rmtree(folder)


def make_lab(shared):
    folder = tempfile.mkdtemp(prefix="postern-test-")
    return Lab(folder, shared)


def end_lab(lab, failed):
    lab.end()
    if failed:
        for part in lab.gateways + lab.parts:
            print(part.tail())
    shutil.rmtree(lab.folder)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.failed_once = True


@pytest.fixture
def lab(shared, request):
    """Fresh for each test; `lab.check()` runs after a test that passed."""
    one = make_lab(shared)
    try:
        yield one
        if not getattr(request.node, "failed_once", False):
            one.check()
    except BaseException:
        request.node.failed_once = True
        raise
    finally:
        end_lab(one, getattr(request.node, "failed_once", False))


@pytest.fixture(scope="module")
def module_lab(shared):
    """One for all tests of a file, for tables of cases that only need a gateway that is there."""
    one = make_lab(shared)
    try:
        yield one
        one.check()
    finally:
        end_lab(one, False)
