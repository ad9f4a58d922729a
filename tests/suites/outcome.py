"""What came of a suite."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


class Inexpressible(Exception):  # noqa: N818 - says what a case is
    """A case that needs something that flags here do not have; its argument is that."""


@dataclass(slots=True)
class Outcome:
    """How many cases are answered as the suite wants, the names of the others, and what cannot be expressed."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    inexpressible: Counter[str] = field(default_factory=Counter)
    """How many, by what they need."""

    def count(self, name: str, *, right: bool) -> None:
        """Counts one case that was asked."""
        if right:
            self.right += 1
        else:
            self.wrong.append(name)
