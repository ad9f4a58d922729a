"""Code without a settled flag does what it did with the flag: each shape runs before and after."""

from __future__ import annotations

import ast
import asyncio
import inspect
from typing import Any

import pytest

from burgee.accessors.flag_types import FlagType
from burgee.removal.python_code import rewrite
from burgee.removal.rewriting import Answer
from support.python_shapes import SHAPES

ANSWERS = {
    "old": Answer("old", FlagType.BOOLEAN, "on", True),
    "colour": Answer("colour", FlagType.STRING, "green", "green"),
    "retries": Answer("retries", FlagType.INTEGER, "few", -5),
    "limits": Answer("limits", FlagType.OBJECT, "large", {"cpu": 4, "zones": ["a"]}),
}


class Client:
    """A client of settled flags, which keeps what it was asked."""

    def __init__(self, gone: str | None = None) -> None:
        self.gone = gone

    def __getattr__(self, name: str) -> Any:
        def ask(flag_key: str, default_value: Any, _context: Any = None) -> Any:
            assert flag_key != self.gone, "the flag is gone"
            answer = ANSWERS.get(flag_key)
            value = default_value if answer is None else answer.value
            value = float(value) if name == "get_float_value" else value
            return type("Details", (), {"value": value}) if name.endswith("_details") else value

        async def ask_async(*arguments: Any) -> Any:
            return ask(*arguments)

        return ask_async if name.endswith("_async") else ask


def outcome(code: str, client: Client, x: int) -> Any:
    """What a shape returns or raises, and what it called."""
    namespace: dict[str, Any] = {}
    exec(compile(code, "shape", "exec"), namespace)
    try:
        found = namespace["run"](client, x)
        if inspect.iscoroutine(found):
            found = asyncio.run(found)
        elif inspect.isgenerator(found):
            found = list(found)
    except Exception as error:  # noqa: BLE001 - a shape may raise anything
        found = type(error).__name__, str(error)
    return repr(found), repr(namespace["log"])


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_does_the_same_without_the_flag(name: str) -> None:
    flag, code = SHAPES[name]
    made = rewrite(code, ANSWERS[flag])
    assert made.refusals == []
    assert made.uses > 0
    for x in (0, 1, 2, 3):
        assert outcome(made.text, Client(gone=flag), x) == outcome(code, Client(), x), made.text
    assert rewrite(made.text, ANSWERS[flag]).uses == 0


@pytest.mark.parametrize("name", [name for name, (flag, _) in SHAPES.items() if flag == "old"])
def test_a_flag_that_is_off_for_everyone_goes_as_well(name: str) -> None:
    _, code = SHAPES[name]
    made = rewrite(code, Answer("old", FlagType.BOOLEAN, "off", False))
    assert made.refusals == []

    class Off(Client):
        def __getattr__(self, name: str) -> Any:
            asked = super().__getattr__(name)

            def ask(flag_key: str, default_value: Any, *more: Any) -> Any:
                return asked("old off" if flag_key == "old" else flag_key, default_value, *more)

            return ask

    if name == "a while loop that never runs":
        return  # it runs for ever before
    for x in (0, 1, 2, 3):
        assert outcome(made.text, Client(gone="old"), x) == outcome(code, Off(), x), made.text


def test_dead_branches_leave_no_trace() -> None:
    gone = ("legacy(", 'client.get_boolean_value("old"', "if ")
    for name in ("if and else", "early return", "negated early return", "nested ifs", "a constant of the module"):
        body = rewrite(SHAPES[name][1], ANSWERS["old"]).text.partition('return "legacy"\n')[2]
        assert not [word for word in gone if word in body.replace("if x", "")], body
        assert ast.parse(body)


def test_comments_and_layout_stay() -> None:
    code = """\
def run(client, x):
    # about both
    if client.get_boolean_value("old", False):  # gone with its line
        # about the new

        return (x  +  1)   # as it was
    return  x
"""
    assert (
        rewrite(code, ANSWERS["old"]).text
        == """\
def run(client, x):
    # about both
    # about the new

    return (x  +  1)   # as it was
"""
    )
