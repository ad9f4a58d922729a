"""GrowthBook: generated features, saved groups and attributes, in the JSON that its SDKs receive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

VALUES: dict[str, list[Any]] = {
    "country": ["DE", "FR", "NL", "de", "", "Ünited"],
    "plan": ["free", "pro", "enterprise"],
    "email": ["a@example.com", "b@example.org", "A@EXAMPLE.COM"],
    "age": [-1, 0, 17, 18, 19, 42, 18.5],
    "beta": [True, False],
    "groups": [[], ["new"], ["new", "vip"], "new", ["vip", 1, None]],
    "version": ["1.0.0", "1.2.3", "1.2.4-rc.1", "2.0.0-alpha", "2.0.0", "10.0.0"],
    "company": ["acme", "globex", "initech", 7, "Ünited", "\N{GRINNING FACE}"],
}
COVERAGES = [0, 0.1, 0.25, 0.333, 0.5, 0.99, 1, 0.12345]


class GrowthBook:
    """Makes files and attributes."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def file(self, features: int) -> dict[str, Any]:
        """Features and saved groups by key."""
        made: dict[str, Any] = {}
        for index in range(features):
            made[f"feature-{index}"] = self.feature(dict(list(made.items())[-5:]))
        groups = {"group-1": ["DE", "FR"], "group-2": ["pro"], "group-3": ["user-1", "user-2", "user-3"]}
        return {"features": made, "savedGroups": groups}

    def feature(self, before: Mapping[str, Any]) -> dict[str, Any]:
        source = self.source
        kinds: list[list[Any]] = [[True, False], ["red", "green", "blue"], [1, 10, 100], [{"a": 1}, {}, {"a": 2}]]
        values = source.choice(kinds)
        rules = [self.rule(values, before) for _ in range(source.randint(0, 3))]
        if before and source.random() < 0.15:
            name, parent = source.choice(list(before.items()))
            gate = {"id": name, "condition": self.parent_condition(parent), "gate": True}
            rules.insert(0, {"parentConditions": [gate]})
        return {"defaultValue": source.choice(values), "rules": rules}

    def parent_condition(self, parent: Mapping[str, Any]) -> dict[str, Any]:
        source, value = self.source, parent["defaultValue"]
        if isinstance(value, dict):
            return {"value": {"$exists": True}}
        kinds = [{"$eq": value}, {"$ne": value}, {"$in": [value]}, {"$exists": source.choice([True, False])}]
        return {"value": source.choice(kinds)}

    def rule(self, values: list[Any], before: Mapping[str, Any]) -> dict[str, Any]:
        source = self.source
        made: dict[str, Any] = {}
        if source.random() < 0.6:
            made["condition"] = self.condition(1)
        if before and source.random() < 0.15:
            name, parent = source.choice(list(before.items()))
            made["parentConditions"] = [{"id": name, "condition": self.parent_condition(parent)}]
        hashed: dict[str, Any] = {"hashVersion": source.choice([1, 2, 2])}
        if source.random() < 0.4:
            hashed["seed"] = source.choice(["seed", "s2"])
        if source.random() < 0.3:
            hashed["hashAttribute"] = source.choice(["company", "country", "id"])
        kind = source.random()
        if kind < 0.25:
            return {**made, "force": source.choice(values)}
        if kind < 0.45:
            return {**made, **hashed, "force": source.choice(values), "coverage": source.choice(COVERAGES)}
        if kind < 0.55:
            low = source.choice([0, 0.1, 0.3])
            return {**made, **hashed, "force": source.choice(values), "range": [low, low + source.choice([0.2, 0.7])]}
        return {**made, **hashed, **self.experiment(values)}

    def experiment(self, values: list[Any]) -> dict[str, Any]:
        source = self.source
        arms = source.sample(values, source.randint(2, len(values)))
        made: dict[str, Any] = {"variations": arms, "key": source.choice(["exp-1", "exp-2"])}
        if source.random() < 0.5:
            made["coverage"] = source.choice(COVERAGES)
        if source.random() < 0.6:
            made["weights"] = source.choice(
                [[0.5, 0.5], [0.1, 0.9], [0.2, 0.3, 0.5], [0.1, 0.2, 0.7], [0.3334, 0.3333]]
            )
        if source.random() < 0.2:
            made["ranges"] = [[0, 0.1], [0.5, 0.6], [0.9, 1]][: len(arms)]
        if source.random() < 0.2:
            made["namespace"] = ["page", *source.choice([[0, 0.5], [0.4, 0.6], [0.5, 1]])]
        elif source.random() < 0.2:
            one = {"seed": "f", "ranges": [[0.1, 0.3], [0.7, 1]], "hashVersion": source.choice([1, 2])}
            made["filters"] = [{**one, "attribute": source.choice(["id", "company"])}]
        if source.random() < 0.2:
            made["meta"] = [{"key": str(index), "passthrough": index == 0} for index in range(len(arms))]
        return made

    def condition(self, depth: int) -> dict[str, Any]:
        source = self.source
        if depth and source.random() < 0.3:
            parts = [self.condition(0), self.condition(0)]
            nested: list[dict[str, Any]] = [{"$or": parts}, {"$and": parts}, {"$nor": parts}, {"$not": parts[0]}]
            return source.choice(nested)
        size = source.choice(["$lt", "$lte", "$gt", "$gte"])
        pieces: list[dict[str, Any]] = [
            {"country": source.choice(["DE", None])},
            {"country": {source.choice(["$in", "$nin"]): ["DE", "FR"]}},
            {"country": {source.choice(["$ini", "$nini"]): ["DE", "nl"]}},
            {"country": {source.choice(["$inGroup", "$notInGroup"]): "group-1"}},
            {"plan": {source.choice(["$eq", "$ne"]): "pro"}},
            {"plan": {"$inGroup": source.choice(["group-2", "gone"])}},
            {"id": {"$inGroup": "group-3"}},
            {"age": {size: source.choice([0, 18, 18.5])}},
            {"beta": source.choice([True, False])},
            {"email": {source.choice(["$regex", "$notRegex"]): r"\.org$"}},
            {"email": {"$regexi": "^a"}},
            {"version": {source.choice(["$veq", "$vne", "$vgt", "$vlt", "$vgte"]): "2.0.0"}},
            {"groups": {source.choice(["$in", "$nin"]): ["new", 1]}},
            {"groups": {"$all": ["new", "vip"]}},
            {"groups": {"$elemMatch": source.choice([{"$eq": "vip"}, {"$in": ["new"]}, {"$regex": "^v"}])}},
            {"company": {"$exists": source.choice([True, False])}},
            {"address.city": "Bonn"},
            {"age": {"$not": {"$gt": 18}}},
        ]
        return source.choice(pieces)

    def context(self, number: int) -> dict[str, Any]:
        """A user with most attributes."""
        source = self.source
        made = {name: source.choice(values) for name, values in VALUES.items() if source.random() < 0.8}
        if source.random() < 0.95:
            made["id"] = f"user-{source.randrange(30) if number % 3 else number}"
        if source.random() < 0.5:
            made["address"] = {"city": source.choice(["Bonn", "Paris"])}
        return made


def uses_not_regex(name: str, features: Mapping[str, Any]) -> bool:
    """Whether a feature or its parents use an operator that JavaScript's SDK of npm does not know yet."""
    feature = features[name]
    parents = [one["id"] for rule in feature["rules"] for one in rule.get("parentConditions", ())]
    return "$notRegex" in json.dumps(feature) or any(uses_not_regex(parent, features) for parent in parents)


def context_here(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of GrowthBook as a context of OpenFeature."""
    return {"targetingKey" if name == "id" else name: value for name, value in theirs.items()}
