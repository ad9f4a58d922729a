"""Eppo-exp/sdk-test-data, `ufc`: allocations as rules, asked through the OpenFeature provider as typed callers do.

Eppo takes MD5 of a salt and the subject modulo 10,000, one salt for each share. That number is computed here and
given as an attribute, so that the suite asks for the rules; no hash of ours has two salts in one rule.
"""

from __future__ import annotations

import json
import time
from hashlib import md5
from typing import TYPE_CHECKING, Any

import re2
from openfeature.evaluation_context import EvaluationContext

from burgee.flagfile.flag_grammar import normalise
from burgee.numeric import parse_json, parse_number
from burgee.openfeature import BurgeeProvider
from burgee.serving.serving import Serving
from burgee.times import parse_time
from suites.outcome import Inexpressible, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIFFERENCES = {
    "invalid-value-flag: bob": "variants of 1 and 3.14 are both floats here, so callers that ask for an integer get "
    "the default; Eppo decides by each value whether a number is whole",
}
NEVER: dict[str, Any] = {"not": {}}
_TYPES = {"BOOLEAN": "boolean", "STRING": "string", "INTEGER": "integer", "NUMERIC": "float", "JSON": "object"}


def run(folder: Path) -> Outcome:
    """The suite in a checkout."""
    outcome = Outcome()
    flags = json.loads((folder / "ufc/flags-v1.json").read_text(encoding="utf-8"))["flags"]
    now = time.time()
    for file in sorted(folder.glob("ufc/tests/*.json")):
        test = json.loads(file.read_text(encoding="utf-8"))
        key, default = test["flag"], test["defaultValue"]
        try:
            made = {key: _flag(flags[key], now)} if key in flags else {}
        except Inexpressible as error:
            outcome.inexpressible[str(error)] += len(test["subjects"])
            continue
        provider = BurgeeProvider(Serving(bundled={"format": 1, "flags": made}))
        resolve = getattr(provider, f"resolve_{_TYPES[test['variationType']]}_details")
        for subject in test["subjects"]:
            context = EvaluationContext(subject["subjectKey"], _attributes(flags.get(key), subject))
            value = resolve(key, default, context).value
            outcome.count(f"{key}: {subject['subjectKey']}", right=value == subject["assignment"])
    return outcome


def _attributes(flag: Mapping[str, Any] | None, subject: Mapping[str, Any]) -> dict[str, Any]:
    key = subject["subjectKey"]
    attributes = {
        "id": key,
        **{name: value for name, value in subject["subjectAttributes"].items() if value is not None},
    }
    for salt in _salts(flag):
        digest = md5(f"{salt}-{key}".encode(), usedforsecurity=False).digest()
        attributes[f"shard {salt}"] = int.from_bytes(digest[:4]) % flag["totalShards"] if flag else 0
    return attributes


def _salts(flag: Mapping[str, Any] | None) -> set[str]:
    allocations = flag["allocations"] if flag else ()
    return {shard["salt"] for one in allocations for split in one["splits"] for shard in split["shards"]}


def _flag(flag: Mapping[str, Any], now: float) -> Mapping[str, Any]:
    """The flag as it is now: an allocation may begin and end."""
    if not flag["variations"]:
        raise Inexpressible("a flag without variants")
    variants = {name: one["value"] for name, one in flag["variations"].items()}
    if flag["variationType"] == "JSON":
        variants = {name: json.loads(value) for name, value in variants.items()}
    rules = []
    for one in flag["allocations"]:
        begins, ends = one.get("startAt"), one.get("endAt")
        if (begins and parse_time(begins) > now) or (ends and parse_time(ends) < now):
            continue
        whens = [{"all": [_condition(part) for part in rule["conditions"]]} for rule in one.get("rules") or ()]
        for split in one["splits"]:
            parts = [_shares(shard) for shard in split["shards"]]
            rules.append({"when": {"all": [{"any": whens or [{}]}, *parts]}, "serve": split["variationKey"]})
    nobody = {"default": {"serve": next(iter(variants))}, "rollout_percentage": 0}
    return normalise({"status": flag["enabled"], "variants": variants, "rules": rules, **nobody})


def _shares(shard: Mapping[str, Any]) -> dict[str, Any]:
    ranges = [{f"shard {shard['salt']}": {"gte": one["start"], "lt": one["end"]}} for one in shard["ranges"]]
    return {"any": ranges} if ranges else NEVER


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    name, operator, value = condition["attribute"], condition["operator"], condition["value"]
    if operator == "IS_NULL":
        return {name: {"exists": not value}}
    if operator.endswith(("ONE_OF", "MATCHES")):
        held = _one_of(name, value) if operator.endswith("ONE_OF") else _matches(name, value)
        return {name: {"exists": True}, "not": held} if operator.startswith("NOT_") else held
    number = parse_number(str(value))
    return {name: {f"semver_{operator.lower()}": value} if number is None else {operator.lower(): number}}


def _one_of(name: str, texts: list[str]) -> dict[str, Any]:
    """Numbers and booleans are compared by their text there."""
    typed = [
        value
        for text in texts
        if text in {"true", "false"} or parse_number(text) is not None
        for value in (parse_json(text),)
    ]
    return {name: {"in": [*texts, *typed]}}


def _matches(name: str, pattern: str) -> dict[str, Any]:
    """Booleans are matched by their text there."""
    truths = [truth for truth in (True, False) if re2.search(pattern, str(truth).lower())]
    return {"any": [{name: {"matches": pattern}}, *({name: truth} for truth in truths)]}
