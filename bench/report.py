# SPDX-License-Identifier: Apache-2.0
"""The tables that bench/run prints and docs/performance.md holds, each part's between markers of its own."""
import os
import platform
import statistics
import subprocess

BASE = "nginx plain proxy"
ACCEPT = "postern queue: accept only (redis + postgres)"

# DESIGN section 9: case -> ratio to reach
GOALS = {
    "postern unique (redis + postgres async)": 1.25,
    "postern duplicate through redis": 0.65,
    "postern duplicate from L1": 0.45,
    ACCEPT: 1.0,
    "postern TLS, unique (redis + postgres async)": 1.4,
}


def ratios(results, name, base=BASE):
    base = results[base]
    return [figures["cpu_us"] / base[i]["cpu_us"] for i, figures in enumerate(results[name])]


def median(results, name, field):
    return statistics.median(figures[field] for figures in results[name])


def spread(values, form=".2f"):
    """The median of all rounds, the least and the greatest."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} … {max(values):{form}})"


def table(titles, rows):
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n\n"


def row(results, name, base):
    return (name, f"{median(results, name, 'rps'):,.0f}", f"{median(results, name, 'cpu_us'):.1f}", spread(ratios(results, name, base)),
            f"≤ {GOALS[name]}" if name in GOALS else "",
            f"{median(results, name, 'p50_us') / 1000:.1f} / {median(results, name, 'p99_us') / 1000:.1f}")


def compared(results, args, base=BASE):
    """Cases beside nginx's proxy, plain or with TLS."""
    titles = ("case", "requests/s", "CPU µs/request", f"CPU against {base}: median (min … max)", "goal", "p50 / p99 ms")
    return (f"{args.rounds} rounds of {args.seconds} s each, 1 KiB JSON POSTs, 64 keep-alive connections, one worker each.\n\n"
            + table(titles, [row(results, name, base) for name in results]))


def commit():
    out = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return out.stdout.strip() or "unknown"


def measured():
    return f"Measured at commit {commit()} on {os.cpu_count()} cores ({platform.machine()}). "


def write(path, part, text):
    """Replaces what the page has between the part's markers."""
    begin, end = f"<!-- bench:{part}:begin -->", f"<!-- bench:{part}:end -->"
    page = path.read_text()
    before, rest = page.split(begin, 1)
    after = rest.split(end, 1)[1]
    path.write_text(f"{before}{begin}\n{text.rstrip()}\n{end}{after}")
