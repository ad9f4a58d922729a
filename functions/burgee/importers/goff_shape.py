"""The shape of a GO Feature Flag flag, checked first, so that later code can rely on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.importers import shapes
from burgee.importers.shapes import Shape

if TYPE_CHECKING:
    from burgee.flagfile.yaml_reader import KeyPath


class _Bound(Shape):
    variation: str | None = None
    percentage: float | None = None
    date: str | None = None


class _Progressive(Shape):
    initial: _Bound | None = None
    end: _Bound | None = None


class _Rule(Shape):
    name: str | None = None
    query: str | None = None
    variation: str | None = None
    percentage: dict[str, float] | None = None
    progressive_rollout: _Progressive | None = None
    disable: bool | None = None


class _Experiment(Shape):
    start: str | None = None
    end: str | None = None


class _State(Shape):
    variations: dict[str, Any] | None = None
    targeting: list[_Rule] | None = None
    default_rule: _Rule | None = None
    experimentation: _Experiment | None = None
    disable: bool | None = None


class _StepShape(_State):
    date: str


class _FlagShape(_State):
    bucketing_key: str | None = None
    scheduled_rollout: list[_StepShape] | None = None


def require_shape(flag: Any, path: KeyPath) -> None:
    """Raises NoEquivalent, with the place, for a flag that GO Feature Flag itself could not read."""
    shapes.require_shape(_FlagShape, flag, path)
