"""Imported flags against GO Feature Flag's own engine, flag by flag and context by context."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from gofeatureflag_python_provider.wasm import EvaluateWasm
from gofeatureflag_python_provider.wasm.model import WasmFlagContext, WasmInput

from burgee.evaluation.hash_strategies import strategy
from burgee.importers.goff import import_goff
from burgee.times import format_time, parse_time
from support.generate import MOMENTS, Goff
from support.migrate import CONTEXTS, FLAGS, compare, context, document, imported, odd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LEFT_OUT = ["do not add up to the same number", "does not grow"]


def rules(flag: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every rule that a flag ever has."""
    for part in (flag, *flag.get("scheduledRollout", ())):
        yield from part.get("targeting", ())
        yield part.get("defaultRule", {})


def without_unit(flag: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """It asks for the unit even where no share is taken."""
    unit = one.get("company") if "bucketingKey" in flag else one.get("targetingKey")
    return not isinstance(unit, str) or not unit


def converted(flag: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    return any(odd(name, value) and name in json.dumps(flag) for name, value in one.items())


def rounded(flag: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """A ramp's percentage at a moment, cut to a thousandth by either engine in its own order of operations."""
    name = str(flag["name"])
    unit = one.get("company") if "bucketingKey" in flag else one.get("targetingKey")
    place = strategy("goff").place(100_000)(str(unit), name)
    now = one["now"]
    for rollout in [rule["progressiveRollout"] for rule in rules(flag) if "progressiveRollout" in rule]:
        first, last = rollout["initial"], rollout["end"]
        begin, end = parse_time(first["date"]), parse_time(last["date"])
        low, high = first["percentage"] * 1000, (last["percentage"] or 100) * 1000
        if begin <= now <= end and abs(low + (high - low) * (now - begin) / (end - begin) - place) < 2:
            return True
    return False


def at_the_end(flag: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    return any(part.get("experimentation", {}).get("end") == format_time(one["now"]) for part in [flag])


def test_every_answer_is_goffs_or_differs_for_a_named_reason(tmp_path: Path) -> None:
    generator = Goff(20261124)
    file = {f"flag-{index}": generator.flag() for index in range(FLAGS * 2)}
    made = import_goff(document(json.dumps(file, ensure_ascii=False)))
    ruleset, compared = imported(made, tmp_path, LEFT_OUT)
    contexts = []
    for number in range(CONTEXTS):
        made_context = context(generator.source, number)
        made_context["anonymous"] = generator.source.choice([True, False])
        contexts.append({**made_context, "now": generator.source.choice(MOMENTS)})
    engine = EvaluateWasm(pool_size=1)
    engine.initialize()

    def theirs(name: str, one: Mapping[str, Any]) -> Any:
        asked = {**{key: value for key, value in one.items() if key != "now"}}
        asked["gofeatureflag"] = {"currentDateTime": format_time(one["now"])}
        answer = engine.evaluate(
            WasmInput(flagKey=name, flag=file[name], evalContext=asked, flagContext=WasmFlagContext())
        )
        none = answer.errorCode or answer.variationType == "SdkDefault"
        return (None, None) if none else (answer.variationType, answer.value)

    def ours(name: str, one: Mapping[str, Any]) -> Any:
        answer = ruleset.evaluate(name, one, one["now"])
        return (answer.variant, answer.value) if answer.variant else (None, None)

    names = {
        "without a unit it answers nothing": without_unit,
        "it converts the value": converted,
        "a ramp is rounded": rounded,
        "an experiment ends after its last instant": at_the_end,
    }
    flags = {name: {**file[name], "name": name} for name in compared}
    found = compare(flags, contexts, ours, theirs, names)
    engine.dispose()
    print(f"\nGO Feature Flag: {found.answers:,} answers, explained {dict(found.explained)}")
    assert found.unexplained[:3] == []
    assert found.answers == FLAGS * CONTEXTS
    assert sum(found.explained.values()) < found.answers / 25


@pytest.mark.parametrize(
    "percentages",
    [
        (33.3, 33.3, 33.4),
        (33.3, 66.7),
        (30, 30, 40),
        (0.5, 99.5, 0),
        (0.1, 0.2, 99.7),
        (1, 1, 1),
        (14.3,) * 6 + (14.2,),
    ],
)
def test_shares_that_goff_itself_divides_now_so_now_so_are_left_out(percentages: tuple[float, ...]) -> None:
    """It adds them up in the order of a map: 33.3 + 33.4 + 33.3 is less than 100, and then users change sides."""
    shares = {f"arm-{number}": share for number, share in enumerate(percentages)}
    flag = {"variations": {name: name for name in shares}, "defaultRule": {"percentage": shares}}
    engine = EvaluateWasm(pool_size=1)
    engine.initialize()
    users = [{"targetingKey": f"user-{number}"} for number in range(20)]

    def asked(user: Mapping[str, Any]) -> Any:
        given = WasmInput(flagKey="flag", flag=flag, evalContext=user, flagContext=WasmFlagContext())
        return engine.evaluate(given).variationType

    steady = all(len({asked(user) for _ in range(12)}) == 1 for user in users)
    engine.dispose()
    made = import_goff(document(json.dumps({"flag": flag})))
    assert bool(made.flags) is steady
