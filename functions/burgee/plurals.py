"""How counts are written in messages."""

from __future__ import annotations


def counted(number: int, one: str, several: str | None = None) -> str:
    """A count with its noun, or with what is said of one and of several: `1 unit was`, `2 units were`."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
