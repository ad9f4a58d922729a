"""growthbook/growthbook, the cases that its SDKs share: features as `burgee import growthbook` brings them in.

An experiment of a case is one rule of a feature, a condition too; a hash is the share that has that place alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.yaml_reader import Document
from burgee.importers.base import LEFT_OUT
from burgee.importers.growthbook import PLACES, import_growthbook
from burgee.importers.writing import written
from suites.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.model import Evaluation

_VERSIONS = "GrowthBook pads versions and compares strings, also those that are not versions"
DIFFERENCES = {
    "condition: comparing numbers and strings": "JavaScript compares a number with a string",
    "condition: version a.b.c.d.e.f > 1.2.3": _VERSIONS,
    "condition: version 1-2-3": _VERSIONS,
    "condition: version 1.2.3.4": _VERSIONS,
}
_CLIENT = {
    "forcedVariations": "a variation that the client forces",
    "url": "a variation that the page's address forces",
    "qaMode": "a client in QA mode",
    "enabled": "a client that is switched off",
    "stickyBucketAssignmentDocs": "sticky buckets",
}
_EXPERIMENT = {
    "active": "an experiment of the client that is not active",
    "force": "an experiment that the client forces",
}
_ELSEWHERE = {
    "getBucketRange": "functions of the SDK",
    "chooseVariation": "functions of the SDK",
    "getEqualWeights": "functions of the SDK",
    "getQueryStringOverride": "a variation that the page's address forces",
    "decrypt": "encrypted payloads",
    "stickyBucket": "sticky buckets",
    "urlRedirect": "redirects",
    "contextualBandit": "contextual bandits",
}


def run(folder: Path) -> Outcome:
    """The suite in a checkout."""
    cases = json.loads((folder / "packages/sdk-js/test/cases.json").read_text(encoding="utf-8"))
    outcome = Outcome()
    for section, why in _ELSEWHERE.items():
        outcome.inexpressible[why] += len(cases.get(section, ()))
    for title, condition, attributes, expected, *groups in cases["evalCondition"]:
        file = {"features": {"flag": _flag(False, {"condition": condition, "force": True})}}
        file["savedGroups"] = groups[0] if groups else {}
        _ask(f"condition: {title}", file, attributes, outcome, value=expected)
    for seed, value, version, expected in cases["hash"]:
        if not seed:
            outcome.inexpressible["an empty seed, which no rule has"] += 1
            continue
        start = expected or 0
        rule = {
            "force": True,
            "seed": seed,
            "hashVersion": version,
            "range": [start, start + 1 / PLACES.get(version, 1)],
        }
        attributes = {"id": value}
        wanted = expected is not None
        _ask(f"hash: {seed} {value}", {"features": {"flag": _flag(False, rule)}}, attributes, outcome, value=wanted)
    for title, value, namespace, expected in cases["inNamespace"]:
        rule = {"variations": [False, True], "weights": [0, 1], "namespace": namespace, "hashVersion": 1}
        _ask(
            f"namespace: {title}", {"features": {"flag": _flag(False, rule)}}, {"id": value}, outcome, value=expected
        )
    for title, client, key, expected in cases["feature"]:
        if not _is_plain(client, _CLIENT, outcome):
            continue
        _ask(f"feature: {title}", client, client.get("attributes") or {}, outcome, key=key, value=expected["value"])
    for title, client, experiment, value, *_ in cases["run"]:
        if not _is_plain(client, _CLIENT, outcome) or not _is_plain(experiment, _EXPERIMENT, outcome):
            continue
        rule = {name: one for name, one in experiment.items() if name != "status"}
        features = {**client.get("features", {}), "flag": _flag(experiment["variations"][0], rule)}
        file = {**client, "features": features}
        _ask(f"run: {title}", file, client.get("attributes") or {}, outcome, value=value)
    return outcome


def _flag(default: Any, rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"defaultValue": default, "rules": [dict(rule)]}


def _is_plain(given: Mapping[str, Any], words: Mapping[str, str], outcome: Outcome) -> bool:
    """Whether a case asks about features alone, not about what a client or a page forces."""
    why = next((words[key] for key in given if key in words), None)
    if why is not None:
        outcome.inexpressible[why] += 1
    return why is None


def _ask(
    title: str, file: Mapping[str, Any], attributes: Any, outcome: Outcome, *, value: Any, key: str = "flag"
) -> None:
    plain = {"features": file.get("features", {}), "savedGroups": file.get("savedGroups", {})}
    text = json.dumps(plain, ensure_ascii=False).encode("utf-8", "surrogatepass")
    made = import_growthbook([(None, Document("features.json", text))])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "flags.yaml"
        path.write_text(written(made, "a test"), encoding="utf-8")
        ruleset = Ruleset(compile_file(path))
    lacking = {finding.subject: finding.text for finding in made.findings if finding.code == LEFT_OUT}
    if key in lacking:
        outcome.inexpressible[lacking[key]] += 1
        return
    context = {"targetingKey" if name == "id" else name: one for name, one in attributes.items()}
    answer: Evaluation = ruleset.evaluate(key, context, 0)
    outcome.count(title, right=answer.value == value)
