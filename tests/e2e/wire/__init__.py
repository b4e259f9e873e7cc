# SPDX-License-Identifier: Apache-2.0
"""Tables of raw octets for test_40_wire*.py: what a client or an upstream sends, and what has to come of it. Written
from RFC 9110 and RFC 9112 and the attacks that are known against others; test_02_refused.py has more of the plain ones."""
