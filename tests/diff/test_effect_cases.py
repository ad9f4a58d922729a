"""Changes and their effects, derived by hand, as data: tests/cases/effect/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from burgee.diff.cases import MAX_CASES
from burgee.diff.effect import effects
from burgee.diff.wording import moves, who
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.flag_grammar import normalise
from burgee.flagfile.yaml_reader import Document
from burgee.review.change_findings import ReviewedChange, proofs
from burgee.times import parse_time

NOW = parse_time("2027-01-01T12:00:00Z")
FILES = sorted((Path(__file__).parents[1] / "cases/effect").glob("*.yaml"))
CASES = [(file.stem, case) for file in FILES for case in Document(file.name, file.read_bytes()).value]


def snapshot(written: dict[str, Any]) -> dict[str, Any]:
    """A file, or one flag called f."""
    whole = written if "flags" in written else {"flags": {"f": written}}
    return {
        "format": 1,
        "environment": None,
        "flags": {name: normalise(flag) for name, flag in whole["flags"].items()},
        "segments": {name: segment["when"] for name, segment in whole.get("segments", {}).items()},
        "holdouts": whole.get("holdouts", {}),
    }


def test_there_are_enough() -> None:
    assert len(CASES) >= 80
    assert MAX_CASES >= 10_000


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{file}: {case['name']}" for file, case in CASES])
def test_the_effect_is_the_one_derived_by_hand(case: dict[str, Any]) -> None:
    before, after = snapshot(case["before"]), snapshot(case["after"])
    found = effects(before, after, NOW)
    reported = [f"{effect.flag}: {who(one)}: {moves(one)}" for effect in found for one in effect.regions]
    for effect in found:
        for later in effect.later:
            reported += [f"{effect.flag}: from {later.at}: {who(one)}: {moves(one)}" for one in later.regions]
            reported += [] if later.regions else [f"{effect.flag}: from {later.at}: as before"]
    assert sorted(reported) == sorted(case["effect"])
    if "kinds" in case:
        kinds = {str(move.kind) for effect in found for region in effect.regions for move in region.moves}
        assert sorted(kinds) == sorted(case["kinds"])

    change = ReviewedChange(before, after, found, NOW)
    findings = proofs(change, dict.fromkeys(case.get("retired", ()), "once"))
    assert sorted({f"{one.code} {one.flag}" for one in findings}) == sorted(case.get("findings", ()))

    old, new = Ruleset(before), Ruleset(after)
    for effect in found:
        for region in effect.regions:
            for move in region.moves:
                assert move.example is not None
                answers = [side.evaluate(effect.flag, move.example, NOW) for side in (old, new)]
                for outcome, answer in zip((move.before, move.after), answers, strict=True):
                    if not str(outcome).startswith("("):
                        assert (answer.variant, answer.error_code) == (outcome.variant, None)
