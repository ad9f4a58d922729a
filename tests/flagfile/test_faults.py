"""What a fault of the grammar suggests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.errors import FlagFileError
from burgee.flagfile.compile import compile_file

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
version: 1
flags:
  a:
    status: on
    rollout_percentage: 0
    guard: """


@pytest.mark.parametrize(
    ("guard", "hint"),
    [
        ("[5, 25]", "write `{steps: [5, 25, 100], hold: 6h, alarms: [...]}`"),
        ("{steps: [5], hold: 1h, guardrails: [errors]}", "write `{errors: {margin: 20}}`, with the metric's name"),
        ("{steps: [5], hold: 1h, signals: errors}", "write `{errors: {margin: 20}}`, with the metric's name"),
        ("{steps: [5], hold: 1h, guardrails: {errors: 20}}", "write `{margin: 20}`"),
        ("{steps: 5, hold: 1h, alarms: [x]}", None),
    ],
)
def test_a_guard_in_another_shape_gets_its_own_hint(tmp_path: Path, guard: str, hint: str | None) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(FILE + guard, encoding="utf-8")
    with pytest.raises(FlagFileError) as found:
        compile_file(path)
    (problem,) = found.value.problems
    assert (problem.code, problem.hint) == ("wrong-type", hint)


def test_a_file_that_is_no_mapping_is_a_fault_without_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text("- a", encoding="utf-8")
    with pytest.raises(FlagFileError):
        compile_file(path)
