"""Unleash/client-specification: its features as `burgee import unleash` brings them in.

Properties are strings in Unleash and numbers where a client sends numbers, which it does here.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.yaml_reader import Document
from burgee.importers.base import LEFT_OUT
from burgee.importers.unleash import PLAIN, import_unleash
from burgee.importers.writing import written
from burgee.times import parse_time
from suites.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.importers.base import Imported

DIFFERENCES = {
    "15-global-constraints: F9.globalSegmentOn should be enabled": "the context lacks the attribute that divides: "
    "Unleash draws a variant at each call, here there is none",
    "13-constraint-operators: F7.dateAfter is exclusive of date parameter": "a rule's `start` is part of its time",
}
NOW = parse_time("2026-11-30T12:00:00Z")


def run(folder: Path) -> Outcome:
    """The suite in a checkout."""
    outcome = Outcome()
    for file in sorted(folder.glob("specifications/[0-9]*.json")):
        suite = json.loads(file.read_text(encoding="utf-8"))
        tests, drawn = suite.get("tests") or [], suite.get("variantTests") or []
        if "features" not in suite.get("state", {}):
            outcome.inexpressible["updates as deltas"] += len(tests)
            continue
        _run(suite["state"], [*tests, *drawn], file.stem, outcome)
    return outcome


def _run(state: Mapping[str, Any], tests: list[dict[str, Any]], suite: str, outcome: Outcome) -> None:
    made = import_unleash([(None, Document("state.json", json.dumps(state, ensure_ascii=False).encode()))])
    numeric = set(_numeric(state))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "flags.yaml"
        file.write_text(written(made, "a test"), encoding="utf-8")
        ruleset = Ruleset(compile_file(file))
    lacking = {finding.subject: finding.text for finding in made.findings if finding.code == LEFT_OUT}
    for test in tests:
        name = test["toggleName"]
        if name in lacking:
            outcome.inexpressible[lacking[name]] += 1
            continue
        clock = test["context"].get("currentTime")
        now = parse_time(clock) if clock else NOW
        answer = ruleset.evaluate(name, _context(test["context"], numeric), now)
        outcome.count(f"{suite}: {test['description']}", right=_is_right(answer, test["expectedResult"], name, made))


def _is_right(answer: Any, expected: Any, name: str, made: Imported) -> bool:
    """Whether a feature is enabled as expected, and has the variant and the value that are expected."""
    is_boolean = "variants" not in made.flags.get(name, {})
    enabled = answer.value is True if is_boolean else answer.variant is not None
    if isinstance(expected, bool):
        return enabled is expected
    variant = None if is_boolean or answer.variant in {None, PLAIN} else answer.variant
    if enabled is not expected.get("feature_enabled", enabled):
        return False
    if not expected["enabled"]:
        return variant is None
    payload = expected.get("payload")
    value = (
        variant
        if payload is None
        else json.loads(payload["value"])
        if payload["type"] != "string"
        else payload["value"]
    )
    return bool(variant == expected["name"] and answer.value == value)


def _numeric(node: Any) -> Iterator[str]:
    """The attributes that constraints read as numbers."""
    if isinstance(node, dict):
        if str(node.get("operator")).startswith("NUM_"):
            yield node["contextName"]
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from _numeric(part)


def _context(given: Mapping[str, Any], numeric: set[str]) -> dict[str, Any]:
    context = {
        **given.get("properties", {}),
        **{name: value for name, value in given.items() if name not in {"properties", "userId"}},
    }
    context = {name: value for name, value in context.items() if value is not None}
    for name in numeric & context.keys():
        with suppress(TypeError, ValueError):
            context[name] = float(context[name])
    return {**context, **({"targetingKey": given["userId"]} if given.get("userId") else {})}
