"""The bound on segments in segments and flags that require flags: at it all works, past it `lint` says where."""

from __future__ import annotations

import inspect
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.checks import check
from burgee.flagfile.compile import compile_file
from burgee.flagfile.nesting import MAX_NESTING
from burgee.flagfile.source import Source
from burgee.model import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cli import Burgee


def requiring(number: int, first: str = "{status: on}", more: str = "") -> str:
    """So many flags, of which each requires the one before."""
    chain = "".join(
        f"  f{at}: {{status: on, requires: [{{flag: f{at - 1}, variant: on}}]{more}}}\n" for at in range(1, number)
    )
    return f"flags:\n  f0: {first}\n{chain}"


def nested(number: int, inner: str = "{{segment: s{}}}") -> str:
    """So many segments, of which each names the one before."""
    chain = "".join(f"  s{at}: {{when: {inner.format(at - 1)}}}\n" for at in range(1, number))
    return f"segments:\n  s0: {{when: {{a: 1}}}}\n{chain}"


def ruled(segment: int) -> str:
    return f"flags:\n  f: {{status: on, rules: [{{when: {{segment: s{segment}}}}}], default: {{serve: off}}}}\n"


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "flags.yaml"
    path.write_text(f"version: 1\n{text}", encoding="utf-8")
    return [f"{one.code} {one.place.line}:{one.place.column}" for one in check(Source(path))]


@pytest.mark.parametrize("number", [MAX_NESTING + 2, 95, 200, 500])
def test_flags_that_require_each_other_too_deep_are_reported_once_where_it_begins(
    tmp_path: Path, number: int
) -> None:
    assert problems(tmp_path, requiring(number)) == [f"too-deep {4 + MAX_NESTING}:21"]


@pytest.mark.parametrize("number", [MAX_NESTING + 2, 200, 500])
def test_segments_that_name_each_other_too_deep_are_reported_once_where_it_begins(
    tmp_path: Path, number: int
) -> None:
    assert problems(tmp_path, nested(number) + ruled(number - 1)) == [f"too-deep {4 + MAX_NESTING}:25"]


def test_every_level_of_a_condition_counts(tmp_path: Path) -> None:
    inner = "{{any: [{{not: {{segment: s{}}}}}]}}"
    deepest = MAX_NESTING // 3
    assert problems(tmp_path, nested(deepest + 1, inner) + ruled(deepest)) == []
    assert problems(tmp_path, nested(deepest + 2, inner) + ruled(deepest)) == [f"too-deep {4 + deepest}:37"]


@pytest.mark.parametrize(
    "where",
    [
        "environments: {{e: {{rules: [{{when: {{segment: s{}}}}}]}}}}",
        "schedule: [{{at: 2027-01-01, set: {{rules: [{{when: {{segment: s{}}}}}]}}}}]",
        "environments: {{e: {{schedule: [{{at: 2027-01-01, set: {{rules: [{{when: {{segment: s{}}}}}]}}}}]}}}}",
    ],
)
def test_rules_of_every_environment_and_time_are_looked_at(tmp_path: Path, where: str) -> None:
    text = "environments: [e]\n" + nested(MAX_NESTING + 1) + "flags: {f: {default: {serve: off}, WHERE}}\n"
    assert problems(tmp_path, text.replace("WHERE", where.format(MAX_NESTING - 1))) == []
    (problem,) = problems(tmp_path, text.replace("WHERE", where.format(MAX_NESTING)))
    assert problem.startswith(f"too-deep {5 + MAX_NESTING}:")


def test_requirements_of_every_environment_and_time_are_looked_at(tmp_path: Path) -> None:
    chain = requiring(MAX_NESTING + 1)
    last = f"requires: [{{flag: f{MAX_NESTING}, variant: on}}]"
    for where in (f"environments: {{e: {{{last}}}}}", f"schedule: [{{at: 2027-01-01, set: {{{last}}}}}]"):
        found = problems(tmp_path, f"environments: [e]\n{chain}  last: {{status: off, {where}}}\n")
        assert [problem.partition(":")[0] for problem in found] == [f"too-deep {5 + MAX_NESTING}"]


def test_a_hundred_thousand_in_a_row_are_judged_in_one_pass(tmp_path: Path) -> None:
    """Doubling the file doubles the work: counted in calls, as time would depend on the machine."""

    def calls(number: int) -> int:
        counted = 0

        def count(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal counted
            counted += event == "call"

        path = tmp_path / "flags.yaml"
        path.write_text(f"version: 1\n{nested(number)}", encoding="utf-8")
        source = Source(path)
        sys.setprofile(count)
        try:
            assert len(check(source)) == 1
        finally:
            sys.setprofile(None)
        return counted

    assert calls(2_000) < 2.2 * calls(1_000)


def test_long_cycles_are_reported_short(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(f"version: 1\n{nested(3_000).replace('{a: 1}', '{segment: s2999}')}", encoding="utf-8")
    (problem,) = [problem for problem in check(Source(path)) if problem.code == "cycle"]
    assert len(problem.message) < 300


RULE = f"rules: [{{when: {{segment: s{MAX_NESTING - 1}}}}}], default: {{serve: off}}"
AT_THE_BOUND = nested(MAX_NESTING) + requiring(MAX_NESTING + 1, f"{{status: on, {RULE}}}", f", {RULE}")


def test_at_the_bound_every_command_works(burgee: Burgee) -> None:
    burgee.write(f"version: 1\n{AT_THE_BOUND}")
    burgee.write(f"version: 1\n{AT_THE_BOUND}".replace("{a: 1}", "{a: 2}"), "other.yaml")
    last = f"f{MAX_NESTING}"
    assert burgee("lint").code == 0
    assert burgee("eval", last, "--user", "u", "--set", "a=1", "--json").json["value"] is True
    assert burgee("eval", last, "--user", "u", "--set", "a=1", "--explain").code == 0
    assert burgee("diff", "flags.yaml", "other.yaml").code == 0
    assert burgee("timeline").code == 0


@contextmanager
def stack(frames: int) -> Iterator[None]:
    """So many frames from here on: a library may have raised the limit."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def test_at_the_bound_half_of_pythons_stack_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(f"version: 1\n{AT_THE_BOUND}", encoding="utf-8")
    snapshot = compile_file(path)
    with stack(500):
        for ruleset in (Ruleset(snapshot), Ruleset(snapshot)):
            assert ruleset.evaluate(f"f{MAX_NESTING}", {"a": 1}, 0).value is True
        assert all(answer.value is True for answer in Ruleset(snapshot).evaluate_all({"a": 1}, 0).values())


@pytest.mark.parametrize("number", [95, 500, 1_100])
def test_a_release_from_before_the_bound_never_makes_evaluation_raise(number: int) -> None:
    """Where it answered it still does; where the stack ends, it is the flag's error."""
    segments: dict[str, Any] = {"s0": {"a": 1}}
    flags: dict[str, Any] = {"f0": {"status": True}}
    for at in range(1, number):
        segments[f"s{at}"] = {"not": {"not": {"segment": f"s{at - 1}"}}}
        flags[f"f{at}"] = {"status": True, "requires": [{"flag": f"f{at - 1}", "variant": "on"}]}
        rule = {"when": {"segment": f"s{at}"}}
        flags[f"r{at}"] = {"status": True, "rules": [rule], "default": {"serve": "off"}}
    ruleset = Ruleset({"format": 1, "flags": flags, "segments": segments})
    began = time.process_time()
    with stack(1_000):
        found = (
            ruleset.evaluate_all({"a": 1}, 0),
            {name: ruleset.evaluate(name, {"a": 1}, 0) for name in flags},
        )
    for answers in found:
        assert answers["f40"].value is True
        assert answers["r40"].value is True
        failed = {answer.error_code for answer in answers.values()}
        assert failed <= {None, ErrorCode.PARSE_ERROR}
        assert ErrorCode.PARSE_ERROR in failed or number < 1_000, "the stack has 1,000 frames"
    assert time.process_time() - began < 300
