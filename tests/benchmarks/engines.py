"""Engines side by side: each rival in a virtual environment of its own, all taking turns on one CPU.

Every engine first shows that it gives the shares and matches that `work.py` asks for. Times are processor time, as
medians over rounds with the middle half of them, because a machine has other things to do.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.machine import PIN, figure

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("BURGEE_BENCH_CACHE", HERE.parents[1] / "build/bench"))
NAMES = {
    "formula": "the formula alone",
    "burgee": "**burgee**",
    "eppo": "Eppo (Rust)",
    "datadog": "Datadog (Rust)",
    "statsig": "Statsig (Rust)",
    "powertools": "Powertools",
    "growthbook": "GrowthBook",
    "configcat": "ConfigCat",
    "launchdarkly": "LaunchDarkly",
    "flagsmith": "Flagsmith",
    "posthog": "PostHog",
    "flagd": "flagd core",
    "unleash": "Unleash (Rust)",
    "flipt": "Flipt (Rust)",
    "goff": "GO Feature Flag (WASM)",
}
ROWS = {"W1": ("ns", 1), "W2": ("ns", 1), "W3": ("µs", 1e3), "W4": ("ns", 1), "W5": ("ms", 1e6)}
FORMULA_ROWS = ("W1",)
ENOUGH_NS = 30e6
"""A round of one row of one engine takes about this long at most."""


class EngineEndedError(OSError):
    """An engine's process ended instead of answering."""


def packages(name: str) -> list[str]:
    """What an adapter says that it needs."""
    tree = ast.parse((HERE / f"rivals/{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "PACKAGES" for target in targets):
            found: list[str] = ast.literal_eval(node.value)  # type: ignore[attr-defined]  # an assignment has one
            return found
    raise ValueError(f"{name} names no PACKAGES")


def installed(name: str, python: str) -> str:
    """The Python of an engine's environment, made once."""
    wanted = packages(name) or ["google-re2"]
    folder = CACHE / f"venv-{name}"
    mark = folder / "installed"
    if not mark.exists() or mark.read_text(encoding="utf-8") != repr(wanted):
        shutil.rmtree(folder, ignore_errors=True)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "-p", python, str(folder)], check=True, capture_output=True)
        command = [*uv, "pip", "install", "-q", "-p", str(folder / "bin/python"), *wanted]
        subprocess.run(command, check=True, capture_output=True)
        mark.write_text(repr(wanted), encoding="utf-8")
    return str(folder / "bin/python")


class Process:
    """An engine in its own process."""

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        self.part: dict[str, float] = {}
        self.process = subprocess.Popen(
            [*PIN, python, str(HERE / "engine.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, command: str, *arguments: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([command, *arguments]) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.close()
            raise EngineEndedError(f"its process ended with {code} over `{command}`")
        return json.loads(line)

    def time(self, row: str) -> float:
        """One round, as long as it must be and no longer."""
        if row not in self.part:
            pieces = {"W3": 20, "W4": 1000, "W5": 1}.get(row, 2000)
            once: float = self("time", row, 0.0)
            self.part[row] = min(1.0, max(ENOUGH_NS / (once * pieces), 0.0))
        taken: float = self("time", row, self.part[row])
        return taken

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        with suppress(BrokenPipeError):
            self.process.communicate()


def measure(python: str, rounds: int, only: list[str] | None = None) -> dict[str, Any]:
    """Figures by engine and row, and what could not be measured and why."""
    missing: dict[str, str] = {}
    processes = [process for name in only or NAMES if (process := _started(name, python, missing))]
    times: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for row in ROWS:
            for process in list(processes):
                if process.name == "formula" and row not in FORMULA_ROWS:
                    continue
                try:
                    times.setdefault(process.name, {}).setdefault(row, []).append(process.time(row))
                except EngineEndedError as error:
                    missing[NAMES[process.name]] = str(error)
                    del times[process.name]
                    processes.remove(process)
    for process in processes:
        process.close()
    figures = {name: {row: figure(reported) for row, reported in rows.items()} for name, rows in times.items()}
    versions = {name: packages(name) for name in figures}
    reported = {"rounds": rounds, "figures": figures, "missing": missing, "versions": versions}
    ours = times.get("burgee", {})
    reported["ratios"] = {
        name: {row: figure([one / mine for one, mine in zip(rows[row], ours[row], strict=True)]) for row in rows}
        for name, rows in times.items()
        if ours and name != "burgee"
    }
    if "formula" in times and ours:
        pairs = zip(ours["W1"], times["formula"]["W1"], strict=True)
        reported["of the formula"] = figure([mine / alone for mine, alone in pairs])
    return reported


def _started(name: str, python: str, missing: dict[str, str]) -> Process | None:
    """An engine that answers as the work says; None where it does not, and why is noted."""
    try:
        process = Process(name, installed(name, python))
        wrong = process("check") if name != "formula" else []
    except subprocess.CalledProcessError as error:
        missing[NAMES[name]] = f"could not be installed: {(error.stderr or b'').decode().strip()[:200]}"
        return None
    except (ValueError, OSError) as error:
        missing[NAMES[name]] = f"could not be run: {error}"
        return None
    if wrong:
        missing[NAMES[name]] = f"answers otherwise than the work says: {'; '.join(wrong)[:200]}"
        process.close()
        return None
    return process


def words(reported: dict[str, Any]) -> dict[str, object]:
    """What the page says."""
    missing = "\n".join(f"- {name}: {why}." for name, why in reported["missing"].items())
    return {
        "rounds": reported["rounds"],
        "table": table(reported),
        "ratios": ratios(reported),
        "w1": "{:.2f} times ({:.2f} to {:.2f})".format(*reported["of the formula"]),
        "missing": f"Not in the table:\n\n{missing}" if missing else "No engine that was tried is missing.",
        "versions": ", ".join(pin for pins in reported["versions"].values() for pin in pins),
    }


def table(reported: dict[str, Any]) -> str:
    """The figures in Markdown."""
    heads = " | ".join(f"{row} {unit}" for row, (unit, _) in ROWS.items())
    lines = [f"| | {heads} |", "|---" * (len(ROWS) + 1) + "|"]
    for name, rows in reported["figures"].items():
        cells = []
        for row, (_, divisor) in ROWS.items():
            if row not in rows:
                cells.append("")
                continue
            middle, low, high = (one / divisor for one in rows[row])
            digits = 1 if high < 100 else 0
            cells.append(f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})")
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratios(reported: dict[str, Any]) -> str:
    """How many times as long as ours each takes, in Markdown."""
    lines = [f"| | {' | '.join(ROWS)} |", "|---" * (len(ROWS) + 1) + "|"]
    for name, rows in reported["ratios"].items():
        cells = ["{:,.2f} ({:,.2f} to {:,.2f})".format(*rows[row]) if row in rows else "" for row in ROWS]
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)
