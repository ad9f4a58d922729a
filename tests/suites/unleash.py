"""Unleash/client-specification: strategies, constraints and segments as rules.

Strategies are alternatives, so each is a rule. What Unleash draws (by MurmurHash3 modulo 100 or the total weight) has
no equivalent. Properties are strings in Unleash and numbers where a client sends numbers, which it does here.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from burgee.evaluation.conditions import compile_condition
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.grammar import normalise
from suites.outcome import Inexpressible, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIFFERENCES: dict[str, str] = {}
NEVER: dict[str, Any] = {"not": {}}
_TEXTS = {
    "STR_STARTS_WITH": "starts_with",
    "STR_ENDS_WITH": "ends_with",
    "STR_CONTAINS": "contains",
    "REGEX": "matches",
}
_STICKY = {"gradualRolloutUserId": "userId", "gradualRolloutSessionId": "sessionId"}
_ROLLOUTS = {"flexibleRollout", "gradualRolloutRandom", *_STICKY}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


def run(folder: Path) -> Outcome:
    """The suite in a checkout."""
    outcome = Outcome()
    for file in sorted(folder.glob("specifications/[0-9]*.json")):
        suite = json.loads(file.read_text(encoding="utf-8"))
        tests, drawn = suite.get("tests") or [], suite.get("variantTests") or []
        outcome.inexpressible["variants that Unleash draws"] += len(drawn)
        if "features" not in suite.get("state", {}):
            outcome.inexpressible["updates as deltas"] += len(tests)
            continue
        _run(suite["state"], tests, file.stem, outcome)
    return outcome


def _run(state: Mapping[str, Any], tests: list[dict[str, Any]], suite: str, outcome: Outcome) -> None:
    features = {feature["name"]: feature for feature in state["features"]}
    segments = {segment["id"]: segment["constraints"] for segment in state.get("segments", ())}
    flags, lacking = {}, {}
    for name, feature in features.items():
        try:
            flags[name] = normalise(_flag(feature, features, segments))
        except Inexpressible as error:
            lacking[name] = str(error)
    ruleset = Ruleset({"format": 1, "flags": flags})
    for test in tests:
        name = test["toggleName"]
        parents = [one["feature"] for one in features.get(name, {}).get("dependencies") or ()]
        needs = next((lacking[one] for one in (name, *parents) if one in lacking), None)
        if needs is not None:
            outcome.inexpressible[needs] += 1
            continue
        answer = ruleset.evaluate(name, _context(test["context"]), 0.0)
        right = (answer.value is True) == test["expectedResult"]
        outcome.count(f"{suite}: {test['description']}", right=right)


def _context(given: Mapping[str, Any]) -> dict[str, Any]:
    context = {
        **given.get("properties", {}),
        **{name: value for name, value in given.items() if name != "properties"},
    }
    context = {name: value for name, value in context.items() if value is not None}
    return {"currentTime": "2026-11-30T12:00:00Z", **context, **_numbers(context)}


def _numbers(context: Mapping[str, Any]) -> dict[str, float]:
    """Each attribute a second time, as a number, under the name that conditions on numbers read."""
    found = {}
    for name, value in context.items():
        with suppress(TypeError, ValueError):
            found[f"{name} as a number"] = float(value)
    return found


def _flag(feature: Mapping[str, Any], features: Mapping[str, Any], segments: Mapping[int, Any]) -> dict[str, Any]:
    if not _NAME.fullmatch(feature["name"]):
        raise Inexpressible("names beyond ASCII")
    flag: dict[str, Any] = {"status": feature["enabled"]}
    strategies = feature.get("strategies")
    if strategies:
        flag["rules"] = [{"when": _strategy(strategy, segments), "serve": "on"} for strategy in strategies]
        flag["default"] = {"serve": "off"}
    dependencies = feature.get("dependencies") or []
    if any(one.get("variants") for one in dependencies):
        raise Inexpressible("a prerequisite with one of several variants")
    if dependencies:
        flag["requires"] = [
            {"flag": one["feature"], "variant": "on" if one.get("enabled", True) else "off"} for one in dependencies
        ]
    if any(features.get(one["feature"], {}).get("dependencies") for one in dependencies):
        flag["status"] = False  # a parent that has parents of its own is never met
    return flag


def _strategy(strategy: Mapping[str, Any], segments: Mapping[int, Any]) -> dict[str, Any]:
    constraints = list(strategy.get("constraints") or ())
    parts = []
    for one in strategy.get("segments") or ():
        constraints += segments.get(one, ())
        parts += [] if one in segments else [NEVER]
    parts += [_constraint(one) for one in constraints]
    name, parameters = strategy["name"], strategy.get("parameters") or {}
    if name == "userWithId":
        parts.append(_one_of("userId", "in", _listed(parameters.get("userIds", ""))))
    elif name == "remoteAddress":
        addresses = _listed(parameters.get("IPs", ""))
        parts.append(_one_of("remoteAddress", "cidr" if any("/" in one for one in addresses) else "in", addresses))
    elif name in _ROLLOUTS:
        parts += _rollout(name, parameters)
    elif name != "default":
        parts.append(NEVER)
    return {"all": parts} if parts else {}


def _rollout(name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    share = float(parameters.get("rollout", parameters.get("percentage", 0)))
    if share <= 0:
        return [NEVER]
    if share < 100:
        raise Inexpressible("shares that Unleash draws")
    sticky = _STICKY.get(name, parameters.get("stickiness", "default"))
    return [] if sticky in {"default", "random"} else [{sticky: {"exists": True}}]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _one_of(attribute: str, operator: str, values: list[Any]) -> dict[str, Any]:
    return {attribute: {operator: values}} if values else NEVER


def _constraint(constraint: Mapping[str, Any]) -> dict[str, Any]:
    found = _condition(constraint["contextName"], constraint["operator"], constraint)
    try:
        compile_condition(found, lambda _: bool)
    except ValueError:
        found = NEVER  # an operand that is none is never met there
    return {"not": found} if constraint.get("inverted") else found


def _condition(name: str, operator: str, constraint: Mapping[str, Any]) -> dict[str, Any]:
    values, value = constraint.get("values") or [], constraint.get("value")
    if operator in {"IN", "NOT_IN"}:
        found = _one_of(name, "in", values)
        return {"not": found} if operator == "NOT_IN" else found
    if operator in _TEXTS:
        operand = value if operator == "REGEX" else values
        ignored = {"ignore_case": True} if constraint.get("caseInsensitive") else {}
        return {name: {_TEXTS[operator]: operand, **ignored}} if operand else NEVER
    kind, _, rest = operator.partition("_")
    if kind == "NUM":
        try:
            return {f"{name} as a number": {rest.lower(): float(value or "")}}
        except ValueError:
            return NEVER
    if kind == "SEMVER":  # a leading v is refused there
        return {"all": [{name: {operator.lower(): value}}, {"not": {name: {"starts_with": ["v", "V"]}}}]}
    if kind == "DATE":
        return {name: {rest.lower(): value}}
    if operator == "IN_CIDR":
        networks = []
        for one in values:
            with suppress(ValueError):
                networks.append(str(ip_network(one, strict=False)))
        return _one_of(name, "cidr", networks)
    return NEVER
