"""LaunchDarkly: generated flags, segments and contexts, in the JSON that its SDKs receive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

COUNTRIES = ["DE", "FR", "NL", "de", "", "Ünited"]
VERSIONS = ["1.0.0", "1.2.3", "1.2.4-rc.1", "2.0.0-alpha", "2.0.0", "2.3.1+build.7", "10.0.0", "nonsense", "2", "2.3"]
TIMES = ["2026-01-01T00:00:00Z", "2026-06-01T10:30:00+02:00", 1_767_225_600_000, 1_780_000_000_000]
VALUES: dict[str, list[Any]] = {
    "country": COUNTRIES,
    "plan": ["free", "pro", "enterprise"],
    "email": ["a@example.com", "b@example.org", "A@EXAMPLE.COM"],
    "age": [-1, 0, 17, 18, 19, 42, 18.5],
    "beta": [True, False],
    "version": VERSIONS,
    "groups": [[], ["new"], ["new", "vip"], "new", ["vip", 1]],
    "joined": TIMES,
    "company": ["acme", "globex", "initech", 7, 1.5, True],
    "name": ["Ada", "Bob"],
}
ORG: dict[str, list[Any]] = {"tier": ["gold", "silver"], "seats": [1, 50], "region": ["eu", "us"]}


class LaunchDarkly:
    """Makes files and contexts."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def file(self, flags: int) -> dict[str, Any]:
        """Flags and segments by key."""
        segments = {f"segment-{index}": self.segment(f"segment-{index}", index) for index in range(6)}
        made: dict[str, Any] = {}
        for index in range(flags):
            key = f"flag-{index}"
            made[key] = self.flag(key, list(made.values())[-5:])
        return {"flags": made, "segments": segments}

    def flag(self, key: str, before: list[dict[str, Any]]) -> dict[str, Any]:
        source = self.source
        kinds: list[list[Any]] = [
            [True, False],
            ["red", "green", "blue"],
            [1, 10, 100],
            [0.5, 1],
            [{"a": 1}, {}],
            ["a b", ""],
        ]
        variations = source.choice(kinds)
        count = len(variations)
        made = {
            "key": key,
            "version": 1,
            "on": source.random() < 0.9,
            "salt": source.choice(["5d2e", "checkout", ""]),
            "variations": variations,
            "offVariation": source.choice([None, *range(count)]),
            "fallthrough": self.serving(count),
            "rules": [
                {"id": f"rule-{index}", "clauses": self.clauses(), **self.serving(count)}
                for index in range(source.randint(0, 3))
            ],
            "targets": [],
            "contextTargets": [],
            "prerequisites": [],
        }
        if source.random() < 0.4:
            made["targets"] = [
                {"values": [f"user-{source.randrange(30)}" for _ in range(3)], "variation": index}
                for index in range(count)
            ]
            if source.random() < 0.5:
                orders = [
                    *({"contextKind": "user", "values": [], "variation": index} for index in range(count)),
                    {"contextKind": "org", "values": ["org-1", "org-2"], "variation": source.randrange(count)},
                ]
                source.shuffle(orders)
                made["contextTargets"] = orders
        if before and source.random() < 0.3:
            other = source.choice(before)
            made["prerequisites"] = [{"key": other["key"], "variation": source.randrange(len(other["variations"]))}]
        return made

    def serving(self, count: int) -> dict[str, Any]:
        source = self.source
        if source.random() < 0.5:
            return {"variation": source.randrange(count)}
        shares = source.choice([[50_000, 50_000], [10_000, 20_000, 70_000], [33_333, 33_333, 33_334], [1, 99_999]])
        shares = source.choice([shares, shares, shares, [20_000, 30_000], [0, 60_000, 70_000], [0, 100_000]])
        weights = [{"variation": index, "weight": weight} for index, weight in enumerate(shares[:count])]
        if source.random() < 0.2:  # an experiment on a part of the users; the others get one of its variations
            arms = [{"variation": index, "weight": 10_000} for index in range(count)]
            others = {"variation": source.randrange(count), "weight": 100_000 - 10_000 * count, "untracked": True}
            weights = [*arms, others]
        rollout: dict[str, Any] = {"variations": weights}
        kind = source.random()
        if kind < 0.25:
            rollout["bucketBy"] = source.choice(["company", "country", "age", "key"])
        elif kind < 0.4:
            rollout |= {"contextKind": "org", "bucketBy": source.choice(["region", "key"])}
        if source.random() < 0.25:
            rollout |= {"kind": "experiment", "seed": source.choice([61, 7])}
        return {"rollout": rollout}

    def segment(self, key: str, index: int) -> dict[str, Any]:
        source = self.source
        rules: list[dict[str, Any]] = [
            {"clauses": self.clauses(nested=index), **self.weight()} for _ in range(source.randint(0, 2))
        ]
        return {
            "key": key,
            "version": 1,
            "included": [f"user-{source.randrange(30)}" for _ in range(2)],
            "excluded": [f"user-{source.randrange(30)}" for _ in range(2)],
            "includedContexts": [{"contextKind": "org", "values": ["org-3"]}] if source.random() < 0.3 else [],
            "excludedContexts": [{"contextKind": "org", "values": ["org-1"]}] if source.random() < 0.3 else [],
            "salt": "seg",
            "rules": rules,
        }

    def weight(self) -> dict[str, Any]:
        source = self.source
        if source.random() < 0.7:
            return {}
        by = source.choice([{}, {"bucketBy": "country"}, {"rolloutContextKind": "org"}])
        return {"weight": source.choice([0, 30_000, 50_001, 100_000]), **by}

    def clauses(self, nested: int | None = None) -> list[dict[str, Any]]:
        return [self.clause(nested) for _ in range(self.source.choice([1, 1, 2]))]

    def clause(self, nested: int | None) -> dict[str, Any]:
        """One clause; `nested` is how many segments it may refer to, all if None."""
        source = self.source
        negate = {"negate": True} if source.random() < 0.25 else {}
        if nested != 0 and source.random() < 0.15:
            known = 6 if nested is None else nested
            values = [f"segment-{source.randrange(known)}", *(["gone"] if source.random() < 0.2 else [])]
            return {"op": "segmentMatch", "attribute": "", "values": values, **negate}
        if source.random() < 0.2:
            name = source.choice(list(ORG))
            values = source.sample(ORG[name], 1)
            return {"contextKind": "org", "attribute": name, "op": "in", "values": values, **negate}
        pieces: list[tuple[str, str, list[Any]]] = [
            ("country", "in", source.sample(COUNTRIES, 2)),
            ("plan", "in", [source.choice(["free", "pro"])]),
            ("groups", "in", source.choice([["new"], ["vip"], ["vip", 1]])),
            ("groups", source.choice(["startsWith", "contains", "matches"]), ["v"]),
            ("company", "in", [source.choice(["acme", 7, True])]),
            ("beta", "in", [source.choice([True, False])]),
            ("age", source.choice(["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"]), [18, 42]),
            ("age", "in", [18, 42]),
            ("email", source.choice(["endsWith", "contains"]), ["example.com", "@EX"]),
            ("email", "startsWith", ["a@", "b"]),
            ("email", "matches", [source.choice(["^a", r"\.org$", "(["])]),
            ("version", source.choice(["semVerEqual", "semVerLessThan", "semVerGreaterThan"]), ["2.0.0", "1.2"]),
            ("joined", source.choice(["before", "after"]), [source.choice(TIMES)]),
            ("key", source.choice(["in", "endsWith"]), ["user-1", "user-2"]),
            ("anonymous", "in", [source.choice([True, False])]),
            ("kind", "in", [source.choice(["org", "user"])]),
            ("country", "noSuchOperator", ["DE"]),
            ("/address/city", "in", ["Bonn"]),
            ("name", "in", ["Ada"]),
        ]
        attribute, operator, values = source.choice(pieces)
        kind = {"contextKind": "user"} if attribute.startswith("/") or source.random() < 0.5 else {}
        return {"attribute": attribute, "op": operator, "values": values, **kind, **negate}

    def context(self, number: int) -> dict[str, Any]:
        """A user with most attributes, three in ten with an organisation beside it."""
        source = self.source
        user: dict[str, Any] = {
            name: source.choice(values) for name, values in VALUES.items() if source.random() < 0.8
        }
        user |= {"key": f"user-{source.randrange(30) if number % 3 else number}"}
        if source.random() < 0.2:
            user["anonymous"] = source.choice([True, False])
        if source.random() < 0.5:
            user["address"] = {"city": source.choice(["Bonn", "Paris"])}
        if source.random() < 0.3:
            org: dict[str, Any] = {
                name: source.choice(values) for name, values in ORG.items() if source.random() < 0.8
            }
            return {"kind": "multi", "user": user, "org": {**org, "key": f"org-{source.randrange(5)}"}}
        return {"kind": "user", **user}


def empty_unit(flag: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether an attribute that divides is an empty string, which LaunchDarkly hashes; here it counts as missing."""
    user = context["user"] if context["kind"] == "multi" else context
    parts = [flag["fallthrough"], *flag["rules"]]
    by = {part["rollout"].get("bucketBy") for part in parts if "rollout" in part}
    uses_segments = any(clause["op"] == "segmentMatch" for rule in flag["rules"] for clause in rule["clauses"])
    return user.get("country") == "" and ("country" in by or uses_segments)


def context_here(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """A context of LaunchDarkly as one of OpenFeature's: the user's attributes, and a mapping for each other kind."""
    if theirs.get("kind") != "multi":
        theirs = {"kind": "multi", theirs.get("kind", "user"): theirs}
    made: dict[str, Any] = {}
    for kind, attributes in theirs.items():
        if kind == "kind":
            continue
        own = {name: value for name, value in attributes.items() if name not in {"kind", "_meta"}}
        if kind == "user":
            made |= {"targetingKey" if name == "key" else name: value for name, value in own.items()}
        else:
            made[kind] = own
    return made
