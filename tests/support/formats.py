"""The 38 grammars of RFC 3987, which `jsonschema` loads at its import for a format that is rarely checked."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

NAME = "rfc3987_syntax"


class Later(ModuleType):
    """Stands for the package until something is checked against a grammar."""

    def is_valid_syntax(self, term: str, value: str) -> bool:
        sys.modules.pop(NAME, None)
        is_valid: bool = import_module(NAME).is_valid_syntax(term, value)
        return is_valid


def load_later() -> None:
    """Puts it in the package's place, if nothing has imported that yet."""
    sys.modules.setdefault(NAME, Later(NAME))
