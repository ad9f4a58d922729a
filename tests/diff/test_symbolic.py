"""A walk through a flag with everything known gives what the engine gives: there is one order of evaluation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from burgee.diff.hash_lines import unit_of
from burgee.diff.outcomes import ABSENT, BROKEN, NO_UNIT
from burgee.diff.partial_context import PartialContext
from burgee.diff.regions import grouped
from burgee.diff.symbolic import Side
from burgee.evaluation.ruleset import Ruleset
from burgee.model import ErrorCode
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from burgee.diff.outcomes import Outcome
    from burgee.model import Evaluation

NOW = parse_time("2027-01-01T00:00:00Z")
TIMES = [format_time(NOW + days * 86_400) for days in range(-3, 4)]
ERRORS = {ErrorCode.FLAG_NOT_FOUND: ABSENT, ErrorCode.PARSE_ERROR: BROKEN, ErrorCode.TARGETING_KEY_MISSING: NO_UNIT}

variants = st.sampled_from(["a", "b", "c"])
ramps = st.builds(
    lambda low, high, times: {"from": low, "to": high, "start": TIMES[times[0]], "end": TIMES[times[1]]},
    st.sampled_from([0, 40, 100]),
    st.sampled_from([0, 40, 100]),
    st.sampled_from([(0, 3), (1, 5), (2, 4), (3, 6)]),
)
shares = st.sampled_from([0, 0.001, 30, 66.667, 100]) | ramps
outcomes = st.fixed_dictionaries({"serve": variants}) | st.fixed_dictionaries(
    {"split": st.dictionaries(variants, st.sampled_from([0, 1, 2.5]), min_size=1).filter(lambda w: any(w.values()))}
)
outcomes |= st.sampled_from([{"ranges": {"a": [0, 30], "b": [40, 100]}}, {"ranges": {"c": [20, 60]}}])
required = st.sampled_from(["f0", "f1", "f2", "gone"])
several = variants | st.lists(variants, min_size=1, max_size=2)
requirements = st.lists(
    st.fixed_dictionaries({"flag": required, "variant": several})
    | st.fixed_dictionaries({"flag": required, "not_variant": several}),
    max_size=2,
)
hashing: dict[str, Any] = {
    "salt": st.sampled_from(["s", "own", ""]),
    "hash": st.sampled_from(["flagd-cbor", "flagd-cbor-value", "goff", "launchdarkly", "unleash"]),
    "bucket_by": st.sampled_from(
        ["company", "targetingKey", ["company", "targetingKey"], ["targetingKey", "device", "company"]]
    ),
    "without_unit": st.sampled_from(["next", "a", "b"]),
}
conditions = st.sampled_from(
    [
        {"country": "DE"},
        {"country": ["DE", "FR"], "plan": {"ne": "pro"}},
        {"any": [{"segment": "eu"}, {"not": {"age": {"gte": 18}}}]},
        {"segment": ["eu", "adult"]},
        {"segment": "nowhere"},
        {"segment": "some"},
        {"not": {"segment": ["some", "companies"]}},
        {"any": [{"segment": "companies"}, {"age": {"gte": 18}, "segment": "some"}]},
        {"targetingKey": {"starts_with": "u"}},
        {"all": [{"plan": {"exists": True}}, {}]},
    ]
)
rules = st.builds(
    lambda outcome, more: {**outcome, **more},
    outcomes,
    st.fixed_dictionaries(
        {"when": conditions},
        optional={
            "name": st.sampled_from(["r", "default"]),
            "rollout_percentage": shares,
            "requires": requirements,
            "start": st.sampled_from(TIMES),
            "end": st.sampled_from(TIMES),
            **hashing,
        },
    ),
)
settings_of_a_flag: dict[str, Any] = {
    "status": st.booleans(),
    "default": outcomes,
    "off_variant": st.sampled_from(["a", "b", "a", "b", "nothing"]),
    "rollout_percentage": shares,
    "rules": st.lists(rules, max_size=2),
    "targets": st.dictionaries(variants, st.lists(st.sampled_from(["u1", "7", 7, "x"]), max_size=2)),
    "requires": requirements,
    "holdout": st.sampled_from(["q", "q", "q", "missing"]),
    "layer": st.sampled_from([{"name": "l", "range": [0, 50]}, {"name": "l", "range": [25.5, 100]}]),
    **hashing,
}
entries = st.fixed_dictionaries(
    {"at": st.sampled_from(TIMES), "set": st.fixed_dictionaries({}, optional=settings_of_a_flag)}
)
flags = st.builds(
    lambda said: {"variants": {"a": 1, "b": 2, "c": None}, "default": {"serve": "a"}, "status": True, **said},
    st.fixed_dictionaries({}, optional={**settings_of_a_flag, "schedule": st.lists(entries, max_size=3)}),
)
contexts = st.fixed_dictionaries(
    {},
    optional={
        "targetingKey": st.sampled_from(["u1", "u2", "7", 7, "x", ""]),
        "company": st.sampled_from(["acme", 7.0, True, ""]),
        "device": st.sampled_from(["phone", True]),
        "country": st.sampled_from(["DE", "IT"]),
        "plan": st.sampled_from(["pro", "free"]),
        "age": st.sampled_from([17, 18]),
    },
)
SHARED = {
    "segments": {
        "eu": {"country": ["DE", "FR"]},
        "adult": {"age": {"gte": 18}},
        "some": {"$share": {"rollout_percentage": 40, "salt": "s"}},
        "companies": {
            "segment": "eu",
            "$share": {
                "rollout_percentage": 70,
                "salt": "s",
                "bucket_by": ["company", "device"],
                "hash": "flagd-cbor-value",
            },
        },
    },
    "holdouts": {"q": {"percentage": 20}},
}


def known(side: Side, name: str, context: dict[str, Any]) -> PartialContext:
    """All that a walk may ask of a context."""
    asked = grouped([term for one in side.family(name) for term in side.terms(one)])
    truths = {atom: atom.test()(context.get(path)) for path, own in asked.items() for atom in own}
    paths = {"targetingKey", *(path for one in side.family(name) for path in side.units(one))}
    return PartialContext(truths, {path: unit_of(context.get(path)) for path in paths})


def as_outcome(answer: Evaluation) -> tuple[Any, Any]:
    if answer.error_code is not None:
        return ERRORS[answer.error_code][:2]
    return answer.variant, json.dumps(answer.value)


def fields(outcome: Outcome) -> tuple[Any, Any]:
    return outcome[:2]


# An override whose schedule is out of order; a prerequisite that is met by some, before one that is broken.
LATE_FIRST = {
    "variants": {"a": 1, "b": 2},
    "default": {"serve": "a"},
    "status": True,
    "schedule": [{"at": TIMES[5], "set": {"default": {"serve": "b"}}}, {"at": TIMES[1], "set": {"targets": {}}}],
}
ON = {"variants": {"a": 1, "b": 2}, "default": {"serve": "a"}, "status": True}
GERMANS = {**ON, "default": {"serve": "b"}, "rules": [{"when": {"country": "DE"}, "serve": "a"}]}
NEEDS = [{"flag": "f1", "variant": "b"}, {"flag": "f2", "variant": "a"}]


@settings(max_examples=300)
@example([LATE_FIRST, ON, ON], {}, 0.0)
@example([{**ON, "requires": NEEDS}, GERMANS, {**ON, "holdout": "missing"}], {"country": "DE"}, 0.0)
@example([{**ON, "requires": NEEDS}, GERMANS, {**ON, "requires": [{"flag": "f0", "variant": "a"}]}], {}, 0.0)
@given(st.lists(flags, min_size=3, max_size=3), contexts, st.sampled_from([-3.5, -1.0, 0.0, 0.25, 2.0, 4.0]))
def test_a_walk_with_everything_known_is_the_engine(
    listed: list[dict[str, Any]], context: dict[str, Any], days: float
) -> None:
    snapshot = {"format": 1, "flags": {f"f{number}": flag for number, flag in enumerate(listed)}, **SHARED}
    now = NOW + days * 86_400
    ruleset, side = Ruleset(snapshot), Side(snapshot, now)
    for name in ("f2", "gone", "f0", "f1"):
        found = side.decide(name, known(side, name, context))
        assert fields(found) == as_outcome(ruleset.evaluate(name, context, now)), name
