"""Writes docs/conformance.md: what other people's clients and suites say of us, counted by running them.

`python tests/conformance.py`, or `make conformance`. `BURGEE_OPENFEATURE_SPEC` names a checkout of open-feature/spec,
whose scenarios are then run as they are, beside our transcription; `BURGEE_SUITES` a folder of other engines' suites
(`suites.published`), without which their part of the page stays as it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pytest

from suites.published import FOLDER, PUBLISHED

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/conformance.md"
HEADING = "## The published suites of other engines"


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that say one thing: where they are, and a part of their names where others stand beside them."""

    title: str
    oracle: str
    file: str
    name: str = ""


def _python(package: str) -> str:
    return f"{package} {version(package)}"


def _node(package: str) -> str:
    wanted = json.loads((ROOT / "tests/clients/package.json").read_text(encoding="utf-8"))["dependencies"]
    return f"{package} {wanted[package]}"


SUITES = (
    Suite(
        "Stock Python client, over HTTP",
        f"{_python('openfeature-provider-ofrep')}, {_python('openfeature-sdk')}",
        "tests/web/test_ofrep_clients.py",
        "python_client",
    ),
    Suite(
        "Stock web client, over HTTP",
        f"{_node('@openfeature/ofrep-web-provider')}, {_node('@openfeature/web-sdk')}",
        "tests/web/test_ofrep_clients.py",
        "web_client",
    ),
    Suite(
        "Stock Node client, over HTTP",
        f"{_node('@openfeature/ofrep-provider')}, {_node('@openfeature/server-sdk')}",
        "tests/web/test_ofrep_clients.py",
        "server_client",
    ),
    Suite(
        "OFREP 0.3's contract, published defects mended",
        _python("schemathesis"),
        "tests/web/test_ofrep_schema.py",
    ),
    Suite("OFREP beyond its contract", "our cases", "tests/web/test_ofrep.py"),
    Suite(
        "OpenFeature's scenarios, transcribed, through the Python provider",
        _python("openfeature-sdk"),
        "tests/test_openfeature_spec.py",
        "test_the_scenarios",
    ),
    Suite(
        "OpenFeature's feature files themselves, through the Python provider",
        "open-feature/spec, specification/assets/gherkin",
        "tests/test_openfeature_spec.py",
        "test_the_specification_itself",
    ),
    Suite(
        "Imported flagd files against flagd's own engine",
        _python("openfeature-flagd-core"),
        "tests/importers/test_flagd_engine.py",
    ),
    Suite(
        "Imported GO Feature Flag files against its own engine",
        _python("gofeatureflag-python-provider"),
        "tests/importers/test_goff_engine.py",
    ),
    Suite(
        "The Python provider beside the service, and its life",
        _python("openfeature-provider-ofrep"),
        "tests/test_openfeature.py",
    ),
)


@dataclass(slots=True)
class Outcomes:
    """What pytest reports of each test, by suite."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    skips: Counter[tuple[str, str]] = field(default_factory=Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts one test."""
        if report.when != "call" and report.outcome == "passed":
            return
        for suite in SUITES:
            if report.nodeid.startswith(suite.file) and suite.name in report.nodeid:
                self.counts.setdefault(suite.title, Counter())[report.outcome] += 1
                if report.skipped and isinstance(report.longrepr, tuple):
                    self.skips[suite.title, report.longrepr[2].removeprefix("Skipped: ")] += 1


def page(outcomes: Outcomes) -> str:
    """The page, from what was counted."""
    lines = [
        "# Conformance",
        "",
        "Results of other projects' clients and test suites: `make conformance` runs them against the real server",
        "over the loopback, counts, and writes this page. Each stock client is tried twice: against the embedded",
        "service, and against the Lambda handler behind an HTTP API's stage. One test of a Node client checks much.",
        "",
        "| suite | whose | passed | failed | skipped |",
        "|---|---|---|---|---|",
    ]
    for suite in SUITES:
        count = outcomes.counts.get(suite.title, Counter())
        lines.append(
            f"| {suite.title} | {suite.oracle} | {count['passed']} | {count['failed']} | {count['skipped']} |"
        )
    lines += ["", "Skipped, and why:", ""]
    lines += [f"- {title}: {number}: {reason}." for (title, reason), number in sorted(outcomes.skips.items())]
    return "\n".join(lines) + "\n"


def published() -> str:
    """The part of the page on other engines' suites: counted, or as it stands where they are not here."""
    if FOLDER is None:
        return PAGE.read_text(encoding="utf-8").partition(HEADING)[2]
    rows, differ, lacking = [], [], []
    for suite in PUBLISHED:
        folder = FOLDER / suite.repository.partition("/")[2]
        at = subprocess.run(
            ["git", "rev-parse", "--short=7", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        )
        outcome = suite.run(folder)
        counts = f"{outcome.right} | {len(outcome.wrong)} | {outcome.inexpressible.total()}"
        rows.append(f"| {suite.title} | {suite.repository} {at.stdout.strip()} | {counts} |")
        reasons = Counter(suite.why(case) or f"**nobody knows why**: {case}" for case in outcome.wrong)
        differ += [f"- {suite.title}: {number}: {why}." for why, number in reasons.items()]
        lacking += [f"- {suite.title}: {number}: {what}." for what, number in outcome.inexpressible.most_common()]
    parts = [
        "",
        "",
        "Each suite is asked through the import of its engine, where there is one, or a small adapter,",
        "`tests/suites`. What a flag here cannot say is counted apart.",
        "",
        "| suite | whose | right | different | not expressible |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "LaunchDarkly's cases of bucketing are a program, not data. They are written again in",
        "`tests/importers/test_launchdarkly_bucketing.py`: 112 answers are LaunchDarkly's. 4 are not, for a",
        "segment's share by an attribute that is neither a string nor a whole number, and the import reports such",
        "a share.",
        "",
        "Different, and why:",
        "",
        *differ,
        "",
        "Not expressible:",
        "",
        *lacking,
    ]
    return "\n".join(parts) + "\n"


def main() -> int:
    """Runs the suites and writes the page; 1 where something failed."""
    outcomes = Outcomes()
    files = sorted({suite.file for suite in SUITES})
    code = pytest.main(["-q", "-p", "no:cacheprovider", *files], plugins=[outcomes])
    PAGE.write_text(f"{page(outcomes)}\n{HEADING}{published()}", encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
