"""The shapes of other engines' entries, checked first, so that later code can rely on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from burgee.importers.base import NoEquivalent

if TYPE_CHECKING:
    from burgee.flagfile.yaml_reader import KeyPath


class Shape(BaseModel):
    """Additional keys are allowed."""

    model_config = ConfigDict(extra="allow", strict=True, alias_generator=to_camel)


def require_shape(shape: type[Shape], value: Any, path: KeyPath) -> None:
    """Raises NoEquivalent, with the place, for an entry that the engine itself could not read."""
    try:
        shape.model_validate(value)
    except ValidationError as error:
        (detail, *_) = error.errors(include_url=False)
        where = ".".join(map(str, detail["loc"])) or "it"
        raise NoEquivalent(f"`{where}`: {detail['msg']}", (*path, *detail["loc"])) from error
    except RecursionError as error:
        raise NoEquivalent("it is nested too deeply", path) from error


class _Clause(Shape):
    attribute: str | None = None
    op: str | None = None
    values: list[Any] | None = None
    negate: bool | None = None
    context_kind: str | None = None


class _Arm(Shape):
    variation: int | None = None
    weight: int | None = None


class _Rollout(Shape):
    variations: list[_Arm] | None = None
    bucket_by: str | None = None
    context_kind: str | None = None
    kind: str | None = None
    seed: int | None = None


class _Serving(Shape):
    variation: int | None = None
    rollout: _Rollout | None = None


class _Rule(_Serving):
    description: str | None = None
    clauses: list[_Clause] | None = None


class _Targets(Shape):
    context_kind: str | None = None
    variation: int | None = None
    values: list[str] | None = None


class _Prerequisite(Shape):
    key: str
    variation: int


class LaunchDarklyFlag(Shape):
    """A flag of LaunchDarkly in one environment."""

    on: bool | None = None
    salt: str | None = None
    variations: list[Any] | None = None
    off_variation: int | None = None
    fallthrough: _Serving | None = None
    targets: list[_Targets] | None = None
    context_targets: list[_Targets] | None = None
    rules: list[_Rule] | None = None
    prerequisites: list[_Prerequisite] | None = None


class _SegmentRule(Shape):
    clauses: list[_Clause] | None = None
    weight: int | None = None
    bucket_by: str | None = None
    rollout_context_kind: str | None = None


class LaunchDarklySegment(Shape):
    """A segment of LaunchDarkly."""

    salt: str | None = None
    included: list[str] | None = None
    excluded: list[str] | None = None
    included_contexts: list[_Targets] | None = None
    excluded_contexts: list[_Targets] | None = None
    rules: list[_SegmentRule] | None = None
    unbounded: bool | None = None


class _Constraint(Shape):
    context_name: str
    operator: str
    values: list[str] | None = None
    value: str | int | float | None = None
    inverted: bool | None = None
    case_insensitive: bool | None = None


class _Payload(Shape):
    type: str
    value: str


class _Override(Shape):
    context_name: str
    values: list[str]


class _Variant(Shape):
    name: str
    weight: int | None = None
    stickiness: str | None = None
    payload: _Payload | None = None
    overrides: list[_Override] | None = None


class _Strategy(Shape):
    name: str
    title: str | None = None
    parameters: dict[str, str | int | float | None] | None = None
    constraints: list[_Constraint] | None = None
    segments: list[int | str] | None = None
    variants: list[_Variant] | None = None


class _Dependency(Shape):
    feature: str
    enabled: bool | None = None
    variants: list[str] | None = None


class UnleashFeature(Shape):
    """A feature of Unleash in one environment."""

    enabled: bool | None = None
    strategies: list[_Strategy] | None = None
    variants: list[_Variant] | None = None
    dependencies: list[_Dependency] | None = None


class UnleashSegment(Shape):
    """A segment of Unleash."""

    id: int | str
    constraints: list[_Constraint] | None = None


class _Parent(Shape):
    id: str
    condition: dict[str, Any] | None = None
    gate: bool | None = None


class _Filter(Shape):
    seed: str | None = None
    attribute: str | None = None
    hash_version: int | None = None
    ranges: list[list[float]]


class _Meta(Shape):
    passthrough: bool | None = None


class _GrowthBookRule(Shape):
    name: str | None = None
    key: str | None = None
    condition: dict[str, Any] | None = None
    parent_conditions: list[_Parent] | None = None
    filters: list[_Filter] | None = None
    namespace: list[Any] | None = None
    variations: list[Any] | None = None
    weights: list[float] | None = None
    ranges: list[list[float]] | None = None
    range: list[float] | None = None
    coverage: float | None = None
    seed: str | None = None
    hash_attribute: str | None = None
    hash_version: int | None = None
    meta: list[_Meta] | None = None


class GrowthBookFeature(Shape):
    """A feature of GrowthBook in one environment."""

    rules: list[_GrowthBookRule] | None = None
