"""The grammar of `metrics:` and `experiment:`: what is measured, and the plan that Git registers."""

from __future__ import annotations

from enum import StrEnum
from math import inf, isfinite
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from burgee.evaluation.definition import DEFAULT_RULE, off_variant, owners, weights
from burgee.flagfile.fields import Name, Number, Part, Percentage, Switch, Text, Time
from burgee.times import parse_duration, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping


class MetricKind(StrEnum):
    """What a metric measures of a unit."""

    PROPORTION = "proportion"
    MEAN = "mean"
    RATIO = "ratio"
    QUANTILE = "quantile"


class Direction(StrEnum):
    """Which way is better."""

    INCREASE = "increase"
    DECREASE = "decrease"


class Method(StrEnum):
    """When an experiment may be decided."""

    FIXED = "fixed"
    GROUP_SEQUENTIAL = "group-sequential"
    ALWAYS_VALID = "always-valid"


class Spending(StrEnum):
    """How a group-sequential design spends its alpha over the interim analyses."""

    OBRIEN_FLEMING = "obrien-fleming"
    POCOCK = "pocock"


def _duration(value: Any) -> Any:
    try:
        parse_duration(value)
    except (TypeError, ValueError) as error:
        message = "{found} is not a time such as 30m, 12h or 7d"
        raise PydanticCustomError("invalid-duration", message, {"found": repr(value)}) from error
    return value


def _fraction(value: float) -> float:
    if not 0 < value < 1:
        raise PydanticCustomError("fraction-range", "{value} is not between 0 and 1, exclusive", {"value": value})
    return value


def _risk(value: float) -> float:
    if not 0 < value <= MOST_ALPHA:
        message = "{value} is not above 0 and at most {most}: that many false alarms decide nothing"
        raise PydanticCustomError("alpha-range", message, {"value": value, "most": MOST_ALPHA})
    return value


def _positive(value: float) -> float:
    if not 0 < value < float("inf"):
        raise PydanticCustomError("not-positive", "{value} is not above zero", {"value": value})
    return value


def _whole(value: Any) -> Any:
    if type(value) is not int or value < 1:
        raise PydanticCustomError("not-positive", "{value} is not a whole number above zero", {"value": repr(value)})
    return value


MOST_ALPHA = 0.2
MOST_LOOKS = 20
_RISK = {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_ALPHA}
_FRACTION = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
Duration = Annotated[
    str, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": r"^\d{1,6}[smhd]$"})
]
Fraction = Annotated[Number, AfterValidator(_fraction), WithJsonSchema(_FRACTION)]
Risk = Annotated[Number, AfterValidator(_risk), WithJsonSchema(_RISK)]
Positive = Annotated[Number, AfterValidator(_positive), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer", "minimum": 1})]
Property = Annotated[str, Field(min_length=1, max_length=255)]
Literal_ = Number | Switch | Annotated[str, Field(max_length=512)]
Where = dict[Property, Literal_ | Annotated[list[Literal_], Field(min_length=1, max_length=100)]]


class Per(Part):
    """The denominator of a ratio."""

    event: Property = Field(description="The event of the denominator, or a fact of the experiment's source.")
    value: Property | None = Field(None, description="A property to sum; without it events are counted.")
    distinct: Property | None = Field(None, description="Count the different values of this property instead.")
    where: Where = Field(default_factory=dict, description="Only events whose properties have these values.")

    @model_validator(mode="after")
    def _asks_once(self) -> Per:
        _one_question(self)
        return self


class Metric(Part):
    """A metric, computed from a unit's events after its first exposure."""

    description: Text | None = Field(None, description="What the metric means.")
    event: Property = Field(description="The tracked event, or a fact of the experiment's source.")
    kind: MetricKind = Field(description="`proportion` of units with an event, `mean` per unit, `ratio`, `quantile`.")
    value: Property | None = Field(None, description="The property to sum; without it events are counted.")
    distinct: Property | None = Field(None, description="Count the different values of this property instead.")
    where: Where = Field(default_factory=dict, description="Only events whose properties have these values.")
    per: Per | None = Field(None, description="A ratio's denominator.")
    quantile: Fraction | None = Field(None, description="Which quantile over units, such as 0.9.")
    direction: Direction = Field(Direction.INCREASE, description="Which way is better: `increase` or `decrease`.")
    winsorise: Percentage | None = Field(
        None, description="Cap units' values at this percentile, such as 99.9, so that one outlier does not decide."
    )
    window: Duration | None = Field(None, description="How long after its first exposure a unit's events count.")
    delay: Duration | None = Field(None, description="From how long after its first exposure on they count.")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Metric:
        _one_question(self)
        for key, kinds in _ONLY_FOR.items():
            if getattr(self, key) is not None and self.kind not in kinds:
                message = "`{key}` does not go with kind {kind}"
                raise PydanticCustomError(
                    "metric-kind", message, {"key": key, "kind": str(self.kind), "path": (key,)}
                )
        for kind, key in _NEEDED:
            if self.kind is kind and getattr(self, key) is None:
                message = "a metric of kind {kind} needs `{key}`"
                raise PydanticCustomError("metric-kind", message, {"key": key, "kind": str(kind), "path": ("kind",)})
        if self.delay and self.window and parse_duration(self.delay) >= parse_duration(self.window):
            message = "the window is over after {window}, before events count"
            raise PydanticCustomError("metric-delay", message, {"window": self.window, "path": ("delay",)})
        return self


Counted: TypeAlias = Metric | Per
"""What is counted of a unit: events, the sum of a property, or how many different values of one there are."""


def _one_question(counted: Counted) -> None:
    if counted.value is not None and counted.distinct is not None:
        message = "`value` is summed and `distinct` counted: write one of them"
        raise PydanticCustomError("metric-kind", message, {"path": ("distinct",)})


_ONLY_FOR = {
    "per": {MetricKind.RATIO},
    "quantile": {MetricKind.QUANTILE},
    "value": {MetricKind.MEAN, MetricKind.RATIO, MetricKind.QUANTILE},
    "distinct": {MetricKind.MEAN, MetricKind.RATIO},
    "winsorise": {MetricKind.MEAN, MetricKind.RATIO},
}
_NEEDED = [(MetricKind.RATIO, "per"), (MetricKind.QUANTILE, "quantile"), (MetricKind.QUANTILE, "value")]


class Guardrail(Part):
    """How much worse a metric may get, at most."""

    margin: Percentage = Field(description="In percent of the control's value.")


class Baseline(Part):
    """Today's value of the primary metric, from which the planned size was computed."""

    mean: Number = Field(description="The value: for a proportion the share, 0 to 1.")
    sd: Positive | None = Field(None, description="Standard deviation over units; not needed for a proportion.")


class Experiment(Part):
    """The plan of an experiment, registered in Git before there are data."""

    hypothesis: Text = Field(description="What is expected, and why.")
    owner: str | None = Field(None, max_length=255, description="Who decides; default: the flag's owner.")
    unit: str | None = Field(
        None, min_length=1, description="The unit of randomisation; the flag's `bucket_by` or user."
    )
    environment: Name | None = Field(None, description="The environment; default: all with exposures.")
    source: Name | None = Field(None, description="Whose tables are read; default Burgee's own records.")
    start: Time = Field(description="When exposures begin to count.")
    end: Time = Field(description="When it is decided at the latest.")
    rule: str = Field(DEFAULT_RULE, min_length=1, description="The rule with the split; default: the flag's default.")
    control: str | None = Field(None, description="The control arm; default: the first.")
    primary: Name | list[Name] = Field(description="The metric that decides, or several.")
    secondary: list[Name] = Field(default_factory=list, description="Metrics that are reported but decide nothing.")
    guardrails: dict[Name, Guardrail] = Field(default_factory=dict, description="Metrics that must not get worse.")
    alpha: Risk = Field(0.05, description="Probability of a false positive, two-sided.")
    power: Fraction = Field(0.8, description="Probability of detecting the minimum detectable effect.")
    minimum_detectable_effect: Positive | None = Field(None, description="In percent of the baseline.")
    baseline: Baseline | None = Field(None, description="Today's value of the primary metric.")
    sample_size: Whole | None = Field(None, description="Planned units in all arms together.")
    method: Method = Field(Method.FIXED, description="When it may be decided.")
    looks: Annotated[Whole, Field(le=MOST_LOOKS)] = Field(
        5, description="Planned analyses (looks) of a group-sequential design."
    )
    spending: Spending = Field(Spending.OBRIEN_FLEMING, description="How alpha is spent over the looks.")
    cuped: Duration | None = Field(None, description="How long before exposure a unit's events reduce the noise.")
    segments: list[Property] = Field(
        default_factory=list, description="Exposure properties to break results down by."
    )
    auto_expose: Switch = Field(False, description="Log an exposure whenever the flag is evaluated by a split.")

    @model_validator(mode="after")
    def _in_order(self) -> Experiment:
        if parse_time(self.end) <= parse_time(self.start):
            raise PydanticCustomError("experiment-order", "`end` must be after `start`", {"path": ("end",)})
        return self

    @property
    def primaries(self) -> list[str]:
        """The deciding metrics."""
        return [self.primary] if isinstance(self.primary, str) else list(self.primary)

    @property
    def metrics(self) -> list[str]:
        """Every metric it names, the deciding ones first."""
        return list(dict.fromkeys([*self.primaries, *self.secondary, *self.guardrails]))


def impossible(mean: float, sd: float | None, percent: float | None = None) -> str | None:
    """Why a metric cannot be like this, or cannot change by so many percent; None where it can.

    Without `sd`, a standard deviation, it is a proportion.
    """
    if sd is None and not 0 < mean < 1:
        return f"a proportion is between 0 and 1, not {mean:g}; a mean needs its standard deviation"
    if not isfinite(mean):
        return f"a mean is a finite number, not {mean:g}"
    if sd is not None and not 0 < sd < inf:
        return f"a standard deviation is above zero and finite, not {sd:g}"
    if percent is None:
        return None
    changed = mean * (1 + percent / 100)
    if not isfinite(changed) or changed == mean:
        return f"{mean:g} changed by {percent:g} % is not an effect to look for"
    if sd is None and not 0 < changed < 1:
        return f"{mean:g} changed by {percent:g} % is {changed:g}, which is not a proportion"
    return None


def allocation(definition: Mapping[str, Any], rule: str) -> dict[str, float]:
    """The arms of an experiment and their shares, which sum to 1; empty if the flag has none."""
    owner = next((owner for owner in owners(definition) if owner.name == rule), None)
    if owner is None:
        return {}
    arms = weights(owner.outcome)
    if "split" in owner.outcome or "ranges" in owner.outcome:
        total = sum(arms.values())
        return {arm: weight / total for arm, weight in arms.items()}
    share = owner.settings.get("rollout_percentage")
    if owner.rule is not None or not isinstance(share, (int, float)) or not 0 < share < 100:
        return {}
    off = off_variant(definition)
    return {} if off is None else {off: 1 - share / 100, **dict.fromkeys(arms, share / 100)}
