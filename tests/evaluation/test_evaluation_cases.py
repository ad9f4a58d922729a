"""tests/cases/evaluation: flag files and what they must answer, as data that another language could run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.yaml_reader import Document
from burgee.times import parse_time

FOLDER = Path(__file__).parents[1] / "cases/evaluation"
SECTIONS = ("environments", "segments", "holdouts", "flags")


def groups() -> list[Any]:
    return [
        pytest.param(group, id=f"{path.stem}: {group['about']}")
        for path in sorted(FOLDER.glob("*.yaml"))
        for group in Document(str(path), path.read_bytes()).value
    ]


@pytest.mark.parametrize("group", groups())
def test_each_case_gives_what_it_says(tmp_path: Path, group: dict[str, Any]) -> None:
    path = tmp_path / "flags.yaml"
    # JSON is YAML, so a file of the group's own sections passes through the whole reader.
    path.write_text(json.dumps({"version": 1, **{k: group[k] for k in SECTIONS if k in group}}), encoding="utf-8")
    ruleset = Ruleset(compile_file(path, group.get("environment")))
    assert group["cases"]
    for case in group["cases"]:
        context = dict(case.get("context", {}))
        if "user" in case:
            context["targetingKey"] = case["user"]
        answer = ruleset.evaluate(case["flag"], context, parse_time(case.get("at", "2027-01-01")))
        if "error" in case:
            assert (answer.error_code, answer.value, answer.reason) == (case["error"], None, "ERROR"), case
        else:
            assert [answer.variant, answer.value, answer.reason] == case["gives"], case
            assert json.dumps(answer.value) == json.dumps(case["gives"][1]), case
        assert (
            ruleset.explain(case["flag"], context, parse_time(case.get("at", "2027-01-01")))["variant"]
            == answer.variant
        )
