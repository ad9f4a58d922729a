"""What a call for another type than the flag's gets, and how a generated module is named."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.accessors.flag_types import FlagType
from burgee.removal.rewriting import Accessor, Answer

VALUES = {
    FlagType.BOOLEAN: True,
    FlagType.STRING: "green",
    FlagType.INTEGER: 3,
    FlagType.FLOAT: 2.5,
    FlagType.OBJECT: {"cpu": 4},
}
GIVEN = {
    ("boolean", FlagType.BOOLEAN): True,
    ("string", FlagType.STRING): "green",
    ("integer", FlagType.INTEGER): 3,
    ("number", FlagType.INTEGER): 3,
    ("float", FlagType.INTEGER): 3.0,
    ("float", FlagType.FLOAT): 2.5,
    ("number", FlagType.FLOAT): 2.5,
    ("object", FlagType.OBJECT): {"cpu": 4},
}


@pytest.mark.parametrize("kind", ["boolean", "string", "integer", "float", "number", "object"])
@pytest.mark.parametrize("flag_type", VALUES)
def test_a_call_gets_the_value_only_if_the_flag_has_its_type(kind: str, flag_type: FlagType) -> None:
    answer = Answer("old", flag_type, "on", VALUES[flag_type])
    if (kind, flag_type) in GIVEN:
        found: Any = answer.asked_as(kind)
        assert (found, type(found)) == (GIVEN[kind, flag_type], type(GIVEN[kind, flag_type]))
    else:
        with pytest.raises(ValueError, match=f"{kind}, not {flag_type}"):
            answer.asked_as(kind)


def test_a_module_is_named_without_its_folders() -> None:
    assert Accessor("old", "src/shop/flags").module_name == "flags"
    assert Accessor("old", "flags").module_name == "flags"
