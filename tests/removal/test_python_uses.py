"""What a file of Python asks about a flag: found where it is known, and refused in its place where it is not."""

from __future__ import annotations

import pytest

from burgee.accessors.flag_types import FlagType
from burgee.removal.python_code import rewrite
from burgee.removal.rewriting import Accessor, Answer
from support.python_shapes import REFUSED

OLD = Answer("old", FlagType.BOOLEAN, "on", True)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_rewritten_is_refused_at_its_place(name: str) -> None:
    code, place = REFUSED[name]
    made = rewrite(code, OLD)
    (refusal,) = made.refusals
    assert refusal[:2] == place, refusal
    assert refusal.why


def test_a_parameter_is_no_generated_module() -> None:
    code = (
        "from shop import flags\n\ndef run(flags):\n    return flags.old()\n\ndef other():\n    return flags.old()\n"
    )
    made = rewrite(code, OLD, [Accessor("old", "flags")])
    assert made.refusals == []
    assert made.text == code[: code.rindex("flags.old()")] + "True\n"


def test_tests_that_set_the_variant_no_longer_do() -> None:
    code = """\
@pytest.mark.flags(old=True)
def test_one(): pass

@pytest.mark.flags(old="on", beta=True)
def test_two(flags):
    flags.set(old=True)
    with flags(old=True, beta=False):
        pass
"""
    made = rewrite(code, OLD)
    assert (made.uses, made.refusals) == (4, [])
    assert (
        made.text
        == """\
def test_one(): pass

@pytest.mark.flags(beta=True)
def test_two(flags):
    with flags(beta=False):
        pass
"""
    )


def test_a_mapping_that_sets_the_variant_no_longer_does() -> None:
    code = """\
@pytest.mark.flags({"new-search": True})
def test_one(): pass

@pytest.mark.flags({"new-search": "on", "b": "x"}, c=True)
def test_two(flags):
    flags.set({"new-search": True})
    flags.set({"b": "x", "new-search": True})
    flags.set({
        "b": "x",
        "new-search": True,
    })
    with flags({"new-search": True}):
        pass
"""
    answer = Answer("new-search", FlagType.BOOLEAN, "on", True)
    made = rewrite(code, answer)
    assert (made.uses, made.refusals) == (6, [])
    assert (
        made.text
        == """\
def test_one(): pass

@pytest.mark.flags({"b": "x"}, c=True)
def test_two(flags):
    flags.set({"b": "x"})
    flags.set({
        "b": "x",
    })
    with flags():
        pass
"""
    )
    for other in ("False", '"off"', "EVERY", "some()"):
        (refusal,) = rewrite(code.replace('"new-search": "on"', f'"new-search": {other}'), answer).refusals
        assert refusal[:2] == (4, 21)
