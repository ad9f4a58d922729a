"""The registry of findings."""

from __future__ import annotations

import re

import pytest

from burgee.findings import RULES, Code, blocking, finding, unknown_codes
from burgee.model import Severity


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_stable_text_with_a_meaning(code: Code) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]+", code)
    assert RULES[code].about


def test_what_blocks_is_what_was_asked_for() -> None:
    lowered, starved = finding(Code.LOWERED, "f", "less"), finding(Code.STARVED, "f", "never")
    assert blocking([lowered, starved], []) == []
    assert blocking([lowered, starved], ["lowered"]) == [lowered]
    assert lowered.severity is Severity.NOTE
    assert blocking([lowered, starved], ["all"]) == [starved]
    assert unknown_codes(["stale", "all", "stail"]) == ["stail"]
