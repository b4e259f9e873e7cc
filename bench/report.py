# SPDX-License-Identifier: Apache-2.0
"""The table that bench/run prints and docs/performance.md holds."""
import os
import platform
import statistics
import subprocess

BASE = "nginx plain proxy"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

# DESIGN section 9: case -> (what it is called there, ratio to reach)
GOALS = {
    "postern unique (redis + postgres async)": 1.25,
    "postern duplicate through redis": 0.65,
    "postern duplicate from L1": 0.45,
}


def ratios(results, name):
    base = results[BASE]
    return [figures["cpu_us"] / base[i]["cpu_us"] for i, figures in enumerate(results[name])]


def median(results, name, field):
    return statistics.median(figures[field] for figures in results[name])


def row(results, name):
    values = ratios(results, name)
    goal = f"≤ {GOALS[name]}" if name in GOALS else ""
    return (f"| {name} | {median(results, name, 'rps'):,.0f} | {median(results, name, 'cpu_us'):.1f} | "
            f"{statistics.median(values):.2f} ({min(values):.2f} … {max(values):.2f}) | {goal} | "
            f"{median(results, name, 'p50_us') / 1000:.1f} / {median(results, name, 'p99_us') / 1000:.1f} |")


def commit():
    out = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return out.stdout.strip() or "unknown"


def table(results, memory, rounds, seconds):
    lines = [
        f"Measured at commit {commit()} on {os.cpu_count()} cores ({platform.machine()}), {rounds} rounds of {seconds} s each, "
        "1 KiB JSON POSTs, 64 keep-alive connections, one worker each.",
        "",
        "| case | requests/s | CPU µs/request | CPU against nginx plain: median (min … max) | goal | p50 / p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    lines += [row(results, name) for name in results]
    if memory:
        lines += ["", "| memory | bytes |", "|---|---|"]
        lines += [f"| {name} | {value:,.0f} |" for name, value in memory.items()]
    return "\n".join(lines) + "\n"


def write(path, text):
    page = path.read_text()
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
