# SPDX-License-Identifier: Apache-2.0
"""The fault tests stand on the end-to-end harness."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

from harness.fixtures import lab, pytest_runtest_makereport, shared  # noqa: E402,F401
