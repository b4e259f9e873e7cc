# SPDX-License-Identifier: Apache-2.0
"""The part `micro`: CPU time of one signature check and one key, each on a body of 1 KiB. The signatures are made here, by Python's hmac, so
that what is measured is known to be right."""
import base64
import hmac
import json
import statistics
import subprocess

import report

ROUNDS = 7
CALLS = 100_000
QUICK_CALLS = 2_000
TIME = b"1700000000"
# case -> most microseconds per call (issue 4, "Figures to show with it")
GOALS = {
    "signature: github": 1.5,
    "signature: stripe": 1.5,
    "signature: standard-webhooks": 1.5,
    "key: canonical payload": 3.0,
    "fields: found": 1.0,
    "key: fields": 1.0,
}


def signatures(body):
    """As bench/micro.c asks for them."""
    standard = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    github = hmac.new(b"It's a Secret to Everybody", body, "sha256").hexdigest()
    stripe = hmac.new(b"whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH", TIME + b"." + body, "sha256").hexdigest()
    message = b"msg_p5jXN8AQM9LWM0D4loKWxJek." + TIME + b"." + body
    v1 = base64.b64encode(hmac.new(standard, message, "sha256").digest()).decode()
    return [f"sha256={github}", f"t={TIME.decode()},v1={stripe}", f"v1,{v1}"]


def row(name, us):
    return (name, f"{min(us):.3f}", f"{statistics.median(us):.3f}", f"≤ {GOALS[name]}" if name in GOALS else "")


def part(run, args):
    program = str(run.binaries / "bench/bench_micro")
    body = subprocess.run([program, "--body"], check=True, capture_output=True).stdout
    calls = QUICK_CALLS if args.quick else CALLS
    out = subprocess.run([program, str(ROUNDS), str(calls), *signatures(body)], check=True, capture_output=True, text=True).stdout
    cases = [json.loads(line) for line in out.splitlines()]
    return (f"One call on a JSON body of 1 KiB, CPU time of the thread, {ROUNDS} rounds of {calls:,} calls each.\n\n"
            + report.table(("case", "µs/call: min", "median", "goal"), [row(case["name"], case["us"]) for case in cases]))
