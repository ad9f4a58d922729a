"""What the generators of both languages share: the flags of a module, and the deprecations of one that exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from burgee.accessors.flag_types import Typed, Untyped, flag_type
from burgee.accessors.inference import inferred

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.model import Definition

_DEPRECATED = re.compile(
    r"^(?:@| \* @)deprecated\b.{0,9}`([A-Za-z0-9._-]+)` has given everyone one answer since ([0-9-]{10}):",
    re.MULTILINE,
)

_FLAG = re.compile(r"(?: \* |    \"\"\")Flag `([A-Za-z0-9._-]+)`")
_FUNCTION = re.compile(r"(?:def|export (?:async )?function) (\w+)\(")


def typed_flags(flags: Mapping[str, Sequence[Definition]]) -> tuple[list[Typed], list[Untyped]]:
    """The flags of a module, from the definitions of each in every environment, and those that no type fits."""
    found = [flag_type(name, definitions) for name, definitions in flags.items()]
    return [one for one in found if isinstance(one, Typed)], [one for one in found if isinstance(one, Untyped)]


def reason(day: str, flag: str) -> str:
    """Why an accessor is deprecated: its flag gives everyone one answer since a day (YYYY-MM-DD)."""
    return f"`{flag}` has given everyone one answer since {day}: put it into the code and remove the flag"


def deprecations(module: str) -> dict[str, str]:
    """The days of the deprecations in a module that was generated before, by flag."""
    return dict(_DEPRECATED.findall(module))


def is_generated(text: str) -> bool:
    """Whether a file is a module of `burgee generate`, which is made again from the flag file."""
    return "Made by `burgee generate " in text[:200]


def functions(module: str) -> dict[str, str]:
    """The names of the functions in a generated module, by flag."""
    found: dict[str, str] = {}
    called = flag = None
    for line in module.splitlines():
        if match := _FUNCTION.match(line):
            called = match[1]
            if flag is not None:  # TypeScript has the comment above
                found[flag] = called
            flag = None
        elif match := _FLAG.match(line):
            if line.startswith(" * "):
                flag = match[1]
            elif called is not None:
                found[match[1]] = called
    return found


def value_schema(flag: Typed) -> Mapping[str, Any]:
    """The schema of a flag's JSON values."""
    return inferred(flag.values) if flag.schema is None else flag.schema
