"""What comparisons share: a solver, witnesses, and a budget of cases and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.diff.satisfiability.solver import Solver
from burgee.diff.witnesses import Witnesses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from burgee.diff.satisfiability.atoms import Atom


class TooMany(Exception):  # noqa: N818 - a result: there are more cases than are computed
    """More cases than the budget allows."""


class Budget:
    """The number of further cases allowed, and whether the time is over."""

    def __init__(self, cases: int, is_over: Callable[[], bool] | None = None) -> None:
        self.left = cases
        self.is_over = is_over

    def half(self) -> Budget:
        """Half of what is left."""
        return Budget(self.left // 2, self.is_over)

    def take(self) -> None:
        """Counts one more case. Raises TooMany beyond the budget, or when the time is over."""
        self.left -= 1
        if self.left < 0 or (self.is_over is not None and self.is_over()):
            raise TooMany


class World:
    """What comparisons of several flags and sides share: a solver and witnesses, which keep what they found."""

    def __init__(self, is_over: Callable[[], bool] | None = None) -> None:
        """`is_over` says whether the time for comparing is over."""
        self.solver = Solver()
        self.witnesses = Witnesses(self.solver)
        self._is_over = is_over

    @property
    def is_over(self) -> bool:
        """Whether the time for comparing is over."""
        return self._is_over is not None and self._is_over()

    def budget(self, cases: int) -> Budget:
        """For so many cases, as long as there is time."""
        return Budget(cases, self._is_over)

    def truths(self, own: Iterable[Atom], value: Any) -> dict[Atom, bool]:
        """The truths of atoms for a value of their attribute, MISSING for none."""
        return {atom: self.solver.holds(atom, value) for atom in own}
