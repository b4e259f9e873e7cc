# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end and fault tests stand on: real servers in a temporary folder on free ports, a scripted
upstream with a synced log, a raw HTTP client, and the gateway's own process. Nothing here sleeps: everything
waits for a condition with a time-out (wait.py)."""
