"""Unleash: generated features, segments and contexts, in the JSON that its clients receive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

PROPERTIES: dict[str, list[str]] = {
    "country": ["DE", "FR", "NL", "de", "Ünited"],
    "plan": ["free", "pro", "enterprise"],
    "email": ["a@example.com", "b@example.org", "A@EXAMPLE.COM"],
    "age": ["-1", "0", "17", "18", "19", "42", "18.5"],
    "version": ["1.0.0", "1.2.3", "1.2.4-rc.1", "2.0.0-alpha", "2.0.0", "2.3.1+build.7", "10.0.0", "nonsense"],
    "joined": ["2026-01-01T00:00:00Z", "2026-06-01T10:30:00+02:00", "2027-01-01T00:00:00.5Z"],
    "company": ["acme", "globex", "initech", "hooli", "umbrella"],
}
NUMERIC = {"age"}


class Unleash:
    """Makes files and contexts."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def file(self, features: int) -> dict[str, Any]:
        """Features and segments as clients receive them."""
        segments = [
            {"id": number, "name": f"Segment {number}", "constraints": self.constraints()} for number in range(5)
        ]
        made: list[dict[str, Any]] = []
        for number in range(features):
            made.append(self.feature(f"feature-{number}", made[-5:]))
        return {"version": 2, "features": made, "segments": segments}

    def feature(self, name: str, before: list[dict[str, Any]]) -> dict[str, Any]:
        source = self.source
        style = source.choice(["plain", "plain", "feature", "strategy"])
        strategies = [self.strategy(name, with_variants=style == "strategy") for _ in range(source.randint(0, 3))]
        made: dict[str, Any] = {
            "name": name,
            "type": "release",
            "enabled": source.random() < 0.9,
            "strategies": strategies,
            "variants": self.variants() if style == "feature" else [],
        }
        if style == "feature":  # Unleash: variants of a feature are drawn by its name alone
            for strategy in strategies:
                strategy["parameters"] = {**strategy["parameters"], "groupId": name}
        if before and source.random() < 0.3:
            parent = source.choice(before)
            named = [one["name"] for one in parent["variants"]]
            wanted: dict[str, Any] = {"feature": parent["name"]}
            if named and source.random() < 0.5:
                wanted["variants"] = source.sample(named, 1)
            elif source.random() < 0.3:
                wanted["enabled"] = False
            made["dependencies"] = [wanted]
        return made

    def variants(self) -> list[dict[str, Any]]:
        source = self.source
        weights = source.choice([[500, 500], [333, 333, 334], [1, 999], [100, 0, 900], [1000]])
        sticky = source.choice(["default", "default", "company", "userId"])
        made: list[dict[str, Any]] = [
            {"name": f"v{index}", "weight": weight, "weightType": "variable", "stickiness": sticky}
            for index, weight in enumerate(weights)
        ]
        kind = source.choice([None, "string", "json", "number"])
        for index, one in enumerate(made if kind else ()):
            one["payload"] = {
                "type": kind,
                "value": {"string": "x", "json": '{"a": 1}'}.get(str(kind), "1") + "" * index,
            }
        if source.random() < 0.2:
            made[-1]["overrides"] = [{"contextName": "userId", "values": ["user-1", "user-2"]}]
        return made

    def strategy(self, feature: str, *, with_variants: bool) -> dict[str, Any]:
        source = self.source
        group = source.choice([feature, "shared"])
        share = str(source.choice([0, 1, 10, 33, 50, 99, 100]))
        flexible = {"rollout": share, "stickiness": source.choice(["default", "userId", "company", "sessionId"])}
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("default", {}),
            ("userWithId", {"userIds": "user-1, user-2,user-3"}),
            ("gradualRolloutUserId", {"percentage": share, "groupId": group}),
            ("gradualRolloutSessionId", {"percentage": share, "groupId": group}),
            ("remoteAddress", {"IPs": "10.0.0.1, 192.168.0.0/16"}),
            *[("flexibleRollout", {**flexible, "groupId": group})] * 5,
        ]
        name, parameters = source.choice(kinds)
        made: dict[str, Any] = {"name": name, "parameters": parameters, "constraints": [], "variants": []}
        if source.random() < 0.6:
            made["constraints"] = self.constraints()
        if source.random() < 0.2:
            made["segments"] = source.sample(range(5), source.randint(1, 2))
        if with_variants and name == "flexibleRollout":
            made["variants"] = self.variants()
            for one in made["variants"]:
                one.pop("overrides", None)
                one.pop("payload", None)
                one["stickiness"] = parameters["stickiness"]
        return made

    def constraints(self) -> list[dict[str, Any]]:
        return [self.constraint() for _ in range(self.source.randint(1, 2))]

    def constraint(self) -> dict[str, Any]:
        source = self.source
        any_case = {"caseInsensitive": True} if source.random() < 0.3 else {}
        pieces: list[dict[str, Any]] = [
            {"contextName": "country", "operator": source.choice(["IN", "NOT_IN"]), "values": ["DE", "FR"]},
            {"contextName": "plan", "operator": source.choice(["IN", "NOT_IN"]), "values": ["pro"]},
            {"contextName": "userId", "operator": "IN", "values": ["user-1", "user-5"]},
            {"contextName": "email", "operator": "STR_ENDS_WITH", "values": ["example.com"], **any_case},
            {"contextName": "email", "operator": "STR_STARTS_WITH", "values": ["a", "b"], **any_case},
            {"contextName": "email", "operator": "STR_CONTAINS", "values": ["EXAMPLE"], **any_case},
            {
                "contextName": "age",
                "operator": f"NUM_{source.choice(['EQ', 'GT', 'GTE', 'LT', 'LTE'])}",
                "value": "18",
            },
            {"contextName": "version", "operator": f"SEMVER_{source.choice(['EQ', 'GT', 'LT'])}", "value": "2.0.0"},
            {"contextName": "joined", "operator": "DATE_AFTER", "value": "2026-03-01T00:00:00Z"},
            {"contextName": "joined", "operator": "DATE_BEFORE", "value": "2026-06-01T09:00:00Z"},
            {"contextName": "email", "operator": "REGEX", "value": source.choice(["^a", "[.]org$", "(["])},
            {"contextName": "remoteAddress", "operator": "IN_CIDR", "values": ["10.0.0.0/8"]},
        ]
        inverted = {"inverted": True} if source.random() < 0.25 else {}
        return {"values": [], **source.choice(pieces), **inverted}

    def context(self, number: int) -> dict[str, Any]:
        """A user with most properties; one in twenty has no id, but a session."""
        source = self.source
        properties = {name: source.choice(values) for name, values in PROPERTIES.items() if source.random() < 0.8}
        made: dict[str, Any] = {"properties": properties, "sessionId": f"session-{source.getrandbits(20)}"}
        if source.random() < 0.95:
            made["userId"] = f"user-{source.randrange(30) if number % 3 else number}"
        if source.random() < 0.5:
            made["remoteAddress"] = source.choice(["10.0.0.1", "10.2.3.4", "192.168.1.1", "8.8.8.8"])
        return made


def drawn_at_random(name: str, features: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether Unleash draws a variant of a feature or its parents at each call: the context lacks what divides."""
    feature = features[name]
    if any(drawn_at_random(one["feature"], features, context) for one in feature.get("dependencies", ())):
        return True
    lists = [feature["variants"], *(one["variants"] for one in feature["strategies"])]
    sticky = {one["stickiness"] for variants in lists for one in variants} - {"default"}
    return any(name not in context and name not in context["properties"] for name in sticky)


def compares_dates(name: str, features: Mapping[str, Any], segments: Mapping[int, Any]) -> bool:
    """Whether a feature, its segments or its parents compare an attribute with a date."""
    feature = features[name]
    parents = [one["feature"] for one in feature.get("dependencies", ())]
    used = [segments.get(one) for strategy in feature["strategies"] for one in strategy.get("segments", ())]
    dated = '"joined"' in json.dumps([feature, used])
    return dated or any(compares_dates(parent, features, segments) for parent in parents)


def context_here(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """A context of Unleash as one of OpenFeature's, with numbers as numbers."""
    plain = {name: value for name, value in theirs.items() if name not in {"properties", "userId"}}
    properties = {
        name: float(value) if name in NUMERIC else value for name, value in theirs.get("properties", {}).items()
    }
    user = {"targetingKey": theirs["userId"]} if "userId" in theirs else {}
    return {**plain, **properties, **user}
