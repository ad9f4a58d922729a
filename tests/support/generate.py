"""Generated files of other engines, using what their documentation shows."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from burgee.times import format_time, parse_time
from support.migrate import VALUES

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86_400
BEGIN = parse_time("2027-01-01T00:00:00Z")
MOMENTS = [BEGIN + day * DAY + second for day in (-1, 0, 1, 2, 3, 5, 8, 12) for second in (0, 40_007)]


class Flagd:
    """flagd files that use what its documentation shows."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)

    def file(self, number: int) -> dict[str, Any]:
        shared = {name: self.condition(1) for name in ("staff", "europe")}
        return {"$evaluators": shared, "flags": {f"flag-{index}": self.flag() for index in range(number)}}

    def flag(self) -> dict[str, Any]:
        values: list[Any] = self.source.choice(
            [[True, False], ["red", "green", "blue"], [1, 10, 100], [0.5, 1.5], [{"a": 1}, {}]]
        )
        names = ["true", "false"] if values[0] is True and self.source.random() < 0.5 else list("abc")
        variants = dict(zip(names, values, strict=False))
        made: dict[str, Any] = {
            "state": "DISABLED" if self.source.random() < 0.05 else "ENABLED",
            "variants": variants,
            "defaultVariant": self.source.choice([*variants, None]),
        }
        if self.source.random() < 0.9:
            made["targeting"] = self.targeting(list(variants), 2)
        return made

    def targeting(self, variants: list[str], depth: int) -> Any:
        kind = self.source.random()
        if "true" in variants and kind < 0.3:
            return {"==": [{"var": "country"}, "DE"]}
        if kind < 0.5:
            return self.fractional(variants)
        arguments: list[Any] = []
        for _ in range(self.source.randint(1, 3)):
            arguments += [self.condition(2), self.outcome(variants, depth)]
        if self.source.random() < 0.6:
            arguments.append(self.outcome(variants, depth))
        return {"if": arguments}

    def outcome(self, variants: list[str], depth: int) -> Any:
        kind = self.source.random()
        if kind < 0.15 and depth:
            return self.targeting(variants, depth - 1)
        if kind < 0.3:
            return {"fractional": self.shares(variants)}
        return None if kind < 0.35 else self.source.choice(variants)

    def fractional(self, variants: list[str]) -> Any:
        keyed = {"cat": [{"var": "$flagd.flagKey"}, {"var": "company"}]}
        seeded = {"cat": ["seed", {"var": "user.name"}]}
        unit = self.source.choice([None, None, keyed, seeded, {"var": "company"}, {"var": "targetingKey"}])
        return {"fractional": [*([] if unit is None else [unit]), *self.shares(variants)]}

    def shares(self, variants: list[str]) -> list[Any]:
        made: list[Any] = [[name, self.source.choice([0, 1, 10, 33, 50, 77])] for name in variants]
        if self.source.random() < 0.2:
            made = [[name] for name in variants]
        if self.source.random() < 0.2:
            made[0][0] = {"if": [self.condition(0), variants[0], variants[1]]}
        return made

    def condition(self, depth: int) -> Any:
        kind = self.source.randrange(12)
        if kind < 3 and depth:
            inner = [self.condition(depth - 1) for _ in range(self.source.randint(2, 3))]
            return {self.source.choice(["and", "or"]): inner}
        if kind == 3 and depth:
            return {"!": self.condition(depth - 1)}
        if kind == 4 and depth == 2:
            return {"$ref": self.source.choice(["staff", "europe"])}
        text, equal = self.source.choice(["country", "plan", "email"]), self.source.choice(["==", "===", "!=", "!=="])
        size = self.source.choice(["<", "<=", ">", ">="])
        version = ["=", "!=", "<", "<=", ">", ">=", "^", "~"]
        pieces: list[Any] = [
            {equal: [{"var": text}, self.source.choice([*VALUES[text], None])]},
            {equal: [{"var": ["plan", "free"]}, self.source.choice(VALUES["plan"])]},
            {equal: [{"var": "age"}, self.source.choice([0, 18])]},
            {size: [{"var": "age"}, self.source.choice([0, 18, 65])]},
            {size: [{"var": "score"}, 1.5]},
            {"<": [0, {"var": "age"}, 65]},
            {"in": [{"var": text}, self.source.sample(VALUES[text], 2)]},
            {"in": ["example", {"var": "email"}]},
            {"in": ["vip", {"var": "tags"}]},
            {
                self.source.choice(["starts_with", "ends_with"]): [
                    {"var": "email"},
                    self.source.choice(["a@", ".com"]),
                ]
            },
            {"sem_ver": [{"var": "version"}, self.source.choice(version), self.source.choice(["1.2.3", "2.0.0"])]},
            {"==": [{"var": "beta"}, self.source.choice([True, False])]},
            {"!!": {"var": self.source.choice(["plan", "beta", "age", "tags"])}},
            {"==": [{"var": "user.level"}, 2]},
            {"in": [{"var": "targetingKey"}, ["user-1", "user-2"]]},
        ]
        return self.source.choice(pieces)


class Goff:
    """GO Feature Flag files that use what its documentation shows."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)

    def flag(self) -> dict[str, Any]:
        source = self.source
        values: list[Any] = source.choice(
            [[True, False], ["red", "green", "blue"], [1, 10, 100], [0.5, 1.5], [{"a": 1}, {}]]
        )
        names = source.choice([["A", "B", "C"], ["True", "False", "Default"], ["x", "control", "treatment-1"]])
        variations = dict(zip(names, values, strict=False))
        made: dict[str, Any] = {"variations": variations, "defaultRule": self.serving(list(variations), ())}
        if source.random() < 0.7:
            made["targeting"] = [self.rule(list(variations), index) for index in range(source.randint(1, 3))]
        if source.random() < 0.2:
            made["bucketingKey"] = "company"
        if source.random() < 0.1:
            made["disable"] = source.choice([True, False])
        if source.random() < 0.15:
            made["experimentation"] = {"start": self.date(0, 2), "end": self.date(5, 9)}
        if source.random() < 0.25:
            made["scheduledRollout"] = [self.step(made, list(variations)) for _ in range(source.randint(1, 3))]
        return made

    def date(self, first: int, last: int) -> str:
        return format_time(BEGIN + self.source.randint(first, last) * DAY + 1)

    def rule(self, variations: list[str], index: int) -> dict[str, Any]:
        made = {"name": f"rule {index}", "query": self.query(), **self.serving(variations, (index,))}
        if self.source.random() < 0.1:
            made["disable"] = True
        return made

    def serving(self, variations: list[str], _index: tuple[int, ...]) -> dict[str, Any]:
        kind = self.source.random()
        if kind < 0.45:
            return {"percentage": self.percentage(variations)}
        if kind < 0.6:
            initial = {
                "variation": variations[0],
                "percentage": self.source.choice([0, 0, 10]),
                "date": self.date(0, 3),
            }
            end = {
                "variation": variations[1],
                "percentage": self.source.choice([100, 60, 0]),
                "date": self.date(4, 9),
            }
            return {"progressiveRollout": {"initial": initial, "end": end}}
        return {"variation": self.source.choice(variations)}

    def percentage(self, variations: list[str]) -> dict[str, float]:
        kinds: list[list[float]] = [
            [50, 50, 0],
            [10, 20, 70],
            [33.3, 33.3, 33.4],
            [1, 2, 3],
            [0, 100, 0],
            [0.5, 99.5, 0],
        ]
        shares = dict(zip(variations, self.source.choice(kinds), strict=False))
        return shares if any(shares.values()) else {variations[0]: 100}

    def step(self, flag: Mapping[str, Any], variations: list[str]) -> dict[str, Any]:
        made: dict[str, Any] = {"date": self.date(0, 9)}
        kind = self.source.random()
        if kind < 0.3:
            made["disable"] = self.source.choice([True, False])
        elif kind < 0.6 and "percentage" in flag["defaultRule"]:
            made["defaultRule"] = {"percentage": self.percentage(variations)}
        elif kind < 0.8 and flag.get("targeting"):
            made["targeting"] = [{"name": "rule 0", "query": self.query()}]
        else:
            made["targeting"] = [{"name": "added", "query": self.query(), "variation": variations[0]}]
        return made

    def query(self) -> str:
        if self.source.random() < 0.25:
            return json.dumps(self.logic(1))
        parts = [self.comparison()]
        for _ in range(self.source.randint(0, 2)):
            inner = f"({self.comparison()} {self.source.choice(['and', 'or'])} {self.comparison()})"
            other = self.source.choice([self.comparison(), inner, f"not ({self.comparison()})"])
            parts += [self.source.choice(["and", "or"]), other]
        return " ".join(parts)

    def comparison(self) -> str:
        source = self.source
        text = source.choice(["country", "plan", "email"])
        words = json.dumps(source.choice(VALUES[text]), ensure_ascii=False)
        several = json.dumps(source.sample(VALUES[text], 2), ensure_ascii=False)
        size = source.choice(["eq", "ne", "gt", "lt", "ge", "le", "==", "!=", ">", "<", ">=", "<="])
        pieces = [
            f"{text} {source.choice(['eq', 'ne', 'co', 'sw', 'ew', 'EQ', '=='])} {words}",
            f"{text} in {several}",
            f"age {size} {source.choice([0, 18, 65])}",
            f"age in {source.choice(['[17, 18]', '[1,65]'])}",
            f"score {size} {source.choice(['1.5', '2.25'])}",
            f"version {size} {source.choice(['1.2.3', '2.0.0'])}",
            f"beta {source.choice(['eq', 'ne'])} {source.choice(['true', 'false'])}",
            f"{text} pr",
            f"{text} {source.choice(['eq', 'ne'])} null",
            'user.name eq "NAME-7"',
            "user.level gt 1",
            f"anonymous {source.choice(['eq', 'ne'])} {source.choice(['true', 'false'])}",
            f'{source.choice(["key", "targetingKey"])} {source.choice(["sw", "ne"])} "user-1"',
        ]
        return source.choice(pieces)

    def logic(self, depth: int) -> Any:
        source = self.source
        if depth and source.random() < 0.4:
            return {source.choice(["and", "or"]): [self.logic(0), self.logic(0)]}
        text, equal = source.choice(["country", "plan"]), source.choice(["==", "===", "!="])
        pieces: list[Any] = [
            {equal: [{"var": text}, source.choice([*VALUES[text], None])]},
            {source.choice(["<", "<=", ">", ">="]): [{"var": "age"}, source.choice([0, 18])]},
            {"in": [{"var": text}, source.sample(VALUES[text], 2)]},
            {"in": ["example", {"var": "email"}]},
            {"==": [{"var": "beta"}, source.choice([True, False])]},
            {"!": {"var": "plan"}},
        ]
        return source.choice(pieces)
