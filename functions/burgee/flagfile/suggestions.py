"""What a name that nothing has was probably meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def near(name: str | int, known: Iterable[str]) -> str | None:
    """A hint where another known name is close to what was written."""
    close = get_close_matches(str(name), [one for one in known if one != name], n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None
