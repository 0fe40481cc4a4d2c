"""Turns the raw figures of a run into the table: medians, ratios to the ceiling of the same round, targets beside them."""

import collections
import json
import os
import platform
import statistics
import subprocess

# What the project promises itself. Reported, never enforced: machines differ.
INTROSPECTION = {"sqlite": 0.45, "postgres": 0.20}
ISSUE = {"sqlite": 0.20, "postgres": 0.25}
SPREAD, GROWTH, KILL_MS, START_MS, IDLE_MIB, BINARY_MIB = 5, 1.3, 50, 200, 40, 40


def machine(binary):
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), model)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=os.path.dirname(binary))
    return {
        "processor": model, "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit.stdout.strip() or "unknown",
        "binary_bytes": os.path.getsize(binary), "stripped_bytes": stripped_size(binary), "load": os.getloadavg()[0],
    }


def stripped_size(binary):
    """What the binary weighs without the symbols that the shipped one does not carry."""
    copy = f"/tmp/curfew-stripped-{os.getpid()}"
    try:
        done = subprocess.run(["strip", "-o", copy, binary], capture_output=True, check=False)
        return os.path.getsize(copy) if done.returncode == 0 else None
    except FileNotFoundError:
        return None
    finally:
        if os.path.exists(copy):
            os.remove(copy)


class Figures:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.rows = [json.loads(line) for line in file]

    def facts(self, fact, **where):
        return [row for row in self.rows if row.get("fact") == fact and all(row.get(key) == value for key, value in where.items())]

    def measured(self, phase):
        """(backend, tokens) -> variant -> rows in the order of the rounds"""
        found = collections.defaultdict(lambda: collections.defaultdict(list))
        for row in self.rows:
            if row.get("phase") == phase:
                found[row["backend"], row["tokens"]][row["variant"]].append(row)
        return found


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def ratio(rows, ceiling):
    """The median of the ratios round by round, so that a machine that drifts does not count as a change."""
    return statistics.median(row["per_second"] / top["per_second"] for row, top in zip(rows, ceiling))


def table(head, rows):
    if not rows:
        return []
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *("| " + " | ".join(row) + " |" for row in rows), ""]


def per_second(value):
    return f"{value:,.0f}"


def milliseconds(micros):
    return f"{micros / 1000:.2f} ms"


def introspection(figures):
    rows, ratios = [], {}
    for (backend, tokens), variants in figures.measured("introspection").items():
        asked, top = variants["introspect"], variants["ceiling"]
        share, p50, p99 = ratio(asked, top), median(asked, "p50_us"), median(asked, "p99_us")
        ratios[backend, tokens] = share, p50, p99
        rows.append([
            backend, f"{tokens:,}", per_second(median(top, "per_second")), per_second(median(asked, "per_second")), f"**{share:.2f}**",
            f"≥ {INTROSPECTION[backend]:.2f}", milliseconds(p50), milliseconds(p99), f"{p99 / p50:.1f}", f"≤ {SPREAD}",
            f"{ratio(variants['garbage'], top):.2f}", scans(figures, backend, tokens),
        ])
    head = ["backend", "tokens stored", "ceiling /s", "introspection /s", "ratio", "target", "p50", "p99", "p99 : p50", "target",
            "garbage tokens, ratio", "sequential scans"]
    return ["### Introspection of a live token", ""] + table(head, rows) + growth(ratios)


def scans(figures, backend, tokens):
    for fact in figures.facts("scans", backend=backend, tokens=tokens):
        if fact["tables"] is not None:
            return ", ".join(f"{name} {count}" for name, count in fact["tables"].items()) or "none"
    return "not counted"


def growth(ratios):
    lines = []
    for backend in dict.fromkeys(backend for backend, _ in ratios):
        sizes = sorted(tokens for name, tokens in ratios if name == backend)
        if len(sizes) > 1:
            small, big = ratios[backend, sizes[0]], ratios[backend, sizes[-1]]
            lines.append(
                f"{backend}: {sizes[-1]:,} tokens are {small[0] / big[0]:.2f} times slower than {sizes[0]:,} (target ≤ {GROWTH}); "
                f"p50 {big[1] / small[1]:.2f} times, p99 {big[2] / small[2]:.2f} times."
            )
    return lines + [""] if lines else []


def issue(figures):
    rows = []
    for (backend, _), variants in figures.measured("issue").items():
        issued, top = variants["issue"], variants["ceiling"]
        synced = figures.facts("syncs", backend=backend)
        each = f"{synced[0]['syncs'] / synced[0]['issues']:.3f}" if synced and synced[0]["syncs"] is not None else "not counted"
        rows.append([
            backend, str(issued[0]["connections"]), per_second(median(top, "per_second")), per_second(median(issued, "per_second")),
            f"**{ratio(issued, top):.2f}**", f"≥ {ISSUE[backend]:.2f}", milliseconds(median(issued, "p50_us")),
            milliseconds(median(issued, "p99_us")), each,
        ])
    head = ["backend", "connections", "ceiling /s", "issue /s", "ratio", "target", "p50", "p99", "syncs per issue"]
    return ["### Durable issue (client credentials, with its audit row)", ""] + table(head, rows)


def others(figures):
    rows = []
    for phase, what, steps in (("device", "device flow, start to token (three requests)", 3), ("session", "a session looked up", 1)):
        for (backend, _), variants in figures.measured(phase).items():
            done, top = variants[phase], variants["ceiling"]
            rows.append([
                what, backend, str(done[0]["connections"]), per_second(median(top, "per_second")), per_second(median(done, "per_second") / steps),
                f"**{ratio(done, top) / steps:.3f}**", milliseconds(median(done, "p50_us")), milliseconds(median(done, "p99_us")),
            ])
    head = ["what", "backend", "connections", "ceiling /s", "done /s", "ratio", "p50 of a request", "p99 of a request"]
    return ["### Devices and sessions", ""] + table(head, rows) if rows else []


def kill(figures):
    rows = []
    for fact in figures.facts("kill"):
        written = f"{fact['rows']} rows" if fact["rows"] is not None else f"{fact['pages']} pages of the log"
        rows.append([
            fact["backend"], f"{fact['tokens']:,}", f"{fact['command_ms']:.0f} ms", f"{fact['baseline_ms']:.0f} ms", f"< {KILL_MS} ms", written,
            f"{fact['alive']} of {fact['asked']}",
        ])
    head = ["backend", "tokens of the user", "`user logout-everywhere`, whole process", "`user show`, whole process", "target", "written (audit row included)",
            "alive afterwards"]
    return ["### Ending everything of a user", ""] + table(head, rows)


def footprint(figures):
    rows = []
    for backend in dict.fromkeys(row["backend"] for row in figures.rows if "backend" in row):
        starts, idle = figures.facts("start", backend=backend), figures.facts("memory", backend=backend, when="idle")
        load = figures.facts("memory", backend=backend, when="load")
        if starts and idle and load:
            rows.append([
                backend, f"{median(starts, 'start_ms'):.0f} ms", f"< {START_MS} ms", f"{median(idle, 'rss_kib') / 1024:.1f} MiB", f"< {IDLE_MIB} MiB",
                f"{max(row['peak_kib'] for row in load) / 1024:.1f} MiB",
            ])
    head = ["backend", "start to ready", "target", "idle memory", "target", "peak memory under load (one worker)"]
    return ["### Footprint", ""] + table(head, rows)


def garbage(figures):
    return [
        f"{fact['backend']}: {fact['requests']:,} garbage tokens cost {fact['transactions']:,} transactions of the database, for what is left to ask:"
        " who the caller is."
        for fact in figures.facts("garbage")
    ]


def render(path):
    figures = Figures(path)
    about = figures.facts("machine")[0]
    stripped = f", {about['stripped_bytes'] / 2**20:.1f} MiB stripped" if about["stripped_bytes"] else ""
    lines = [
        f"Commit {about['commit']} on {about['processor']}, {about['cores']} cores, Linux {about['kernel']}, load average {about['load']:.1f} at the start. "
        f"Binary: {about['binary_bytes'] / 2**20:.1f} MiB{stripped} (target < {BINARY_MIB} MiB).", "",
    ]
    lines += introspection(figures) + garbage(figures) + [""] + issue(figures) + others(figures) + kill(figures) + footprint(figures)
    return "\n".join(lines).rstrip("\n") + "\n"
