"""Patterns are understood as RE2 understands them, or not at all."""

from __future__ import annotations

import pytest
import re2

from burgee.diff.satisfiability.machines import SURROGATES
from burgee.diff.satisfiability.pattern_syntax import MAX_DEPTH, Unparsed, characters, parse_pattern
from burgee.diff.satisfiability.patterns import Patterns, inside

CLASSES = ["[a-z]", "[^a-z0-9_]", ".", r"\d", r"\W", r"[\w.-]", "[[:^alpha:]]", "k", r"\.", "[^K]", "[]a]", "[^]a]"]


@pytest.mark.parametrize("flags", ["", "i", "s", "is"])
@pytest.mark.parametrize("text", [*CLASSES, r"\pL", r"\p{Greek}", r"[^\PN]", r"\x{e9}", "ß", "[à-ü]", r"\x41"])
def test_a_class_has_the_characters_that_re2_takes(text: str, flags: str) -> None:
    ranges = characters(text, flags)
    pattern = re2.compile(f"(?{flags}){text}" if flags else text)
    for code in {*range(0x3000), *range(0xA600, 0xD800), *range(0xE000, 0x11000), 0x1F600, 0x10FFFF} - set(
        SURROGATES
    ):
        assert inside(ranges, code) == (pattern.fullmatch(chr(code)) is not None), hex(code)


@pytest.mark.parametrize(
    "pattern",
    [r"\C", r"a\C", r"\Qab\E+", "(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1), "(?x)a", "((a{30}){30}){30}"],
)
def test_what_is_not_understood_is_left_open(pattern: str) -> None:
    with pytest.raises(Unparsed):
        Patterns([pattern])


@pytest.mark.parametrize("pattern", ["a{,2}", "a{", "{", "}", "]", "a{2}{3}", "x{0}", "(?:)", "()|a", "^*", r"\Q\E"])
def test_odd_patterns_mean_what_they_mean_to_re2(pattern: str) -> None:
    try:
        expected = re2.compile(f"^(?:{pattern})$")
    except re2.error:
        pytest.skip("not a pattern of this RE2")
    machine = Patterns([f"^(?:{pattern})$"])
    for text in ("", "a", "aa", "a{,2}", "a{", "{", "}", "]", "aaaaaa", "x", "()"):
        state = machine.start
        for char in text:
            state = machine.step(state, char)
        assert machine.outcomes(state) == (expected.search(text) is not None,), text


def test_depth_is_bounded_and_allowed_depth_is_understood() -> None:
    assert parse_pattern("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH) == parse_pattern("a")
