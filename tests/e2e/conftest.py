# SPDX-License-Identifier: Apache-2.0
"""The end-to-end tests' fixtures are the harness's."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))

from harness.fixtures import lab, module_lab, pytest_runtest_makereport, shared  # noqa: E402,F401
