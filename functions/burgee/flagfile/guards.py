"""The grammar of `guard:`: the plan by which a share raises itself, and what takes it back."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from burgee.flagfile.experiments import Baseline, Duration, Guardrail, Positive, Risk, Whole
from burgee.flagfile.fields import Name, Part, Percentage, Time
from burgee.guards.plan import ALPHA, MINIMUM, ON_HARM, OnHarm

MOST_STEPS = 20
MOST_METRICS = 20
MOST_ALARMS = 20


def _alarm(value: str) -> str:
    if not value.isprintable() or value.startswith("arn:"):
        raise PydanticCustomError("guard-alarm", "{found} is not an alarm's name", {"found": repr(value)})
    return value


def _once(values: list[str]) -> list[str]:
    for index, value in enumerate(values):
        if value in values[:index]:
            words = {"found": repr(value), "path": (index,)}
            raise PydanticCustomError("guard-alarm", "{found} is named already", words)
    return values


Alarm = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_alarm)]
Alarms = Annotated[list[Alarm], Field(max_length=MOST_ALARMS), AfterValidator(_once)]


class GuardedMetric(Guardrail):
    """How much worse a metric may get, at most."""

    margin: Percentage = Field(description="In percent of the comparison group's value.")
    baseline: Baseline | None = Field(
        None, description="Today's value of the metric, from which lint computes how long a step takes to see a harm."
    )


Metrics = Annotated[dict[Name, GuardedMetric], Field(max_length=MOST_METRICS)]


class Guard(Part):
    """A plan that raises a share by itself, and takes it back if a metric gets worse."""

    steps: Annotated[list[Percentage], Field(min_length=1, max_length=MOST_STEPS)] = Field(
        description="The shares that are served one after the other, rising, in percent; the last may be 100."
    )
    hold: Duration = Field(description="How long each step lasts, at least.")
    minimum: Whole = Field(MINIMUM, description="Units in each group before a step counts.")
    comparison: Percentage | None = Field(
        None, description="The comparison group in percent; default: all that no step below 100 reaches."
    )
    guardrails: Metrics = Field(
        default_factory=dict, description="Metrics that take the share back if they get worse."
    )
    signals: Metrics = Field(default_factory=dict, description="Metrics that stop the guard until a person decides.")
    alarms: Alarms = Field(default_factory=list, description="Names of CloudWatch alarms, which act at once.")
    on_harm: OnHarm = Field(ON_HARM, description="What a worse guardrail or an alarm does: `roll_back` or `hold`.")
    start: Time | None = Field(None, description="When the first step begins; default: with the release.")
    approve: list[Percentage] = Field(default_factory=list, description="Steps that wait for a person.")
    alpha: Risk = Field(
        ALPHA, description="Probability of taking a harmless change back, over all steps and metrics."
    )
    units_per_day: Positive | None = Field(
        None, description="Units that use the flag in a day, from which lint computes how long a step takes."
    )

    @model_validator(mode="after")
    def _rises(self) -> Guard:
        last = 0.0
        for index, step in enumerate(self.steps):
            if step <= last:
                words = {"step": f"{step:g}", "last": f"{last:g}", "path": ("steps", index)}
                raise PydanticCustomError("guard-steps", "steps rise: {step} % is not above {last} %", words)
            last = step
        for index, step in enumerate(self.approve):
            if step not in self.steps:
                known = ", ".join(f"{one:g}" for one in self.steps)
                words = {"step": f"{step:g}", "known": known, "path": ("approve", index)}
                raise PydanticCustomError("guard-steps", "{step} is none of the steps {known}", words)
        return self

    @model_validator(mode="after")
    def _leaves_a_comparison(self) -> Guard:
        if self.comparison is None:
            return self
        most = 100 - max(self.steps[:-1], default=0)
        if not 0 < self.comparison <= most:
            message = "{share} % is not above 0 and at most {most} %, which the steps before the last leave"
            words = {"share": f"{self.comparison:g}", "most": f"{most:g}", "path": ("comparison",)}
            raise PydanticCustomError("guard-comparison", message, words)
        return self

    @model_validator(mode="after")
    def _watches(self) -> Guard:
        if not (self.guardrails or self.signals or self.alarms):
            message = "a guard watches at least one metric or alarm: write `guardrails`, `signals` or `alarms`"
            raise PydanticCustomError("guard-watches", message, {})
        for name in self.signals:
            if name in self.guardrails:
                words = {"name": name, "path": ("signals", name)}
                raise PydanticCustomError("metric-twice", "{name} is a guardrail already", words)
        return self
