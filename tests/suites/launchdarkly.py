"""launchdarkly/sdk-test-harness, its data files: flags and segments as `burgee import launchdarkly` brings them in.

A file is a template: each of its parameters, or each combination of them, makes a suite.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.yaml_reader import Document
from burgee.importers.base import LEFT_OUT
from burgee.importers.launchdarkly import import_launchdarkly
from burgee.importers.writing import written
from suites.outcome import Outcome
from suites.sdks.launchdarkly import context_here

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PARTIAL = "a partial version with a pre-release, such as 2-rc, is not a version here"
DIFFERENCES = {
    "operators - semver - bad syntax: v2.0.0 semVerEqual 2.0.0 fails": "a version may have a leading `v` here",
    "operators - semver - equal: 2.0-rc": _PARTIAL,
    "operators - semver - equal: 2-rc": _PARTIAL,
}


def run(folder: Path) -> Outcome:
    """The suite in a checkout."""
    outcome = Outcome()
    for file in sorted(folder.glob("data/data-files/server-side-eval/*.yml")):
        for document in YAML(typ="safe").load_all(file):
            for suite in _suites(document) if document else ():
                _run(suite, outcome)
    return outcome


def _suites(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A template with its constants and every combination of its parameters put in."""
    constants, parameters = document.get("constants") or {}, document.get("parameters") or []
    lists = parameters if parameters and isinstance(parameters[0], list) else [parameters or [{}]]
    body = {key: value for key, value in document.items() if key not in {"constants", "parameters"}}
    for chosen in product(*lists):
        text = json.dumps(body)
        merged = {name: value for one in chosen for name, value in one.items()}
        for words in (constants, merged, constants):
            text = _filled(text, words)
        yield json.loads(text)


def _filled(text: str, words: Mapping[str, Any]) -> str:
    for name, value in words.items():
        typed = json.dumps(value)
        text = text.replace(f'"<{name}>"', typed).replace(f"<{name}>", value if isinstance(value, str) else typed)
    return text


def _run(suite: Mapping[str, Any], outcome: Outcome) -> None:
    text = json.dumps(suite.get("sdkData") or {"flags": {}}, ensure_ascii=False)
    made = import_launchdarkly([(None, Document("flags.json", text.encode("utf-8", "surrogatepass")))])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "flags.yaml"
        file.write_text(written(made, "a test"), encoding="utf-8")
        ruleset = Ruleset(compile_file(file))
    lacking = {finding.subject: finding.text for finding in made.findings if finding.code == LEFT_OUT}
    for test in suite["evaluations"]:
        name = test["flagKey"]
        if name in lacking:
            outcome.inexpressible[lacking[name]] += 1
            continue
        answer = ruleset.evaluate(name, _context(test["context"]), 0)
        value = test["default"] if answer.value is None else answer.value
        expected = test["expect"].get("value")
        right = value == expected and isinstance(value, bool) is isinstance(expected, bool)
        outcome.count(f"{suite['name']}: {test.get('name', name)}", right=right)


def _context(given: Mapping[str, Any]) -> dict[str, Any]:
    """A context, also in the form of users, whose own attributes are under `custom`."""
    if "kind" not in given:
        given = {"kind": "user", **given.get("custom", {}), **{k: v for k, v in given.items() if k != "custom"}}
    return {key: value for key, value in context_here(given).items() if value is not None}
