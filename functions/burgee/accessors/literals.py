"""JSON values and what people wrote, as source text that can mean nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted(text: str) -> str:
    """A string literal of both Python and TypeScript: whatever could not be seen in an editor is escaped."""
    return "".join(
        one if one.isprintable() else json.dumps(one)[1:-1] for one in json.dumps(text, ensure_ascii=False)
    )


def docstring(text: str) -> str:
    """What a person wrote, as one line of a Python docstring, which it cannot end."""
    return _one_line(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def comment(text: str) -> str:
    """What a person wrote, as one line of a TypeScript comment, which it cannot end."""
    return _one_line(text).replace("*/", "*\\/")


def any_comment(text: str) -> str:
    """What a person wrote, as one line that ends no comment and no docstring of any language.

    The OpenFeature CLI's generators copy descriptions into both, as they are.
    """
    return _one_line(text).replace("\\", "\\\\").replace("*/", "* /").replace('"""', "'''")


def _one_line(text: str) -> str:
    return "".join(one for one in " ".join(text.split()) if one.isprintable())


def is_bare(name: str) -> bool:
    """Whether a property's name needs no quotes."""
    return _BARE.fullmatch(name) is not None


def python_literal(value: Any) -> str:
    """A JSON value in Python."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(name)}: {python_literal(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(python_literal, value)) + "]"
    return repr(value)


def typescript_literal(value: Any) -> str:
    """A JSON value in TypeScript."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)}: {typescript_literal(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(typescript_literal, value)) + "]"
    return json.dumps(value)


def _key(name: str) -> str:
    """The name of a property in TypeScript, where `"__proto__": {}` would set the prototype instead."""
    return f"[{quoted(name)}]" if name == "__proto__" else quoted(name)
