"""Experiments for the analysis: plans with their arms and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.analysis.stats.planning import Design, MetricBaseline
from burgee.evaluation.bucketing import holdout_salt
from burgee.events.records import HELD_OUT, RELEASED, topic_of
from burgee.flagfile.experiments import MetricKind, allocation
from burgee.flagfile.fields import dump
from burgee.records import dataclass
from burgee.times import parse_duration, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.flagfile.data_sources import DataSource
    from burgee.flagfile.experiments import Experiment, Metric
    from burgee.flagfile.flag_grammar import FlagSpec
    from burgee.flagfile.grammar import FlagFile


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """The experiment of a flag, or of a holdout, named `holdout:q4`.

    `arms` are shares that sum to 1, the control first; `source` has its tables.
    """

    flag: str
    experiment: Experiment
    metrics: Mapping[str, Metric]
    arms: Mapping[str, float]
    source: DataSource | None = None

    @property
    def topic(self) -> str:
        """The topic of its exposures."""
        return topic_of(self.flag)

    @property
    def control(self) -> str:
        """The arm that the others are compared with."""
        return next(iter(self.arms))

    @property
    def treatments(self) -> list[str]:
        """The other arms."""
        return list(self.arms)[1:]

    @property
    def start(self) -> int:
        """Milliseconds."""
        return int(parse_time(self.experiment.start) * 1000)

    @property
    def end(self) -> int:
        """Milliseconds."""
        return int(parse_time(self.experiment.end) * 1000)

    @property
    def before(self) -> int | None:
        """How long before its exposure a unit's events are used, in milliseconds."""
        cuped = self.experiment.cuped
        return None if cuped is None else int(parse_duration(cuped) * 1000)

    @property
    def comparisons(self) -> int:
        """The number of deciding comparisons: primary metrics times treatments."""
        return len(self.experiment.primaries) * len(self.treatments)

    @property
    def pair(self) -> float:
        """The share of all units in the control and the smallest other arm."""
        return self.arms[self.control] + min(self.arms[arm] for arm in self.treatments)

    @property
    def design(self) -> Design:
        """For planning: the control against the smallest other arm; alpha shared among the comparisons."""
        one = self.experiment
        smallest = min(self.arms[arm] for arm in self.treatments)
        alpha = one.alpha / self.comparisons
        return Design(alpha, one.power, one.method, one.looks, one.spending, self.arms[self.control], smallest)

    @property
    def baseline(self) -> MetricBaseline | None:
        """The plan's baseline of the primary metric; None if it is incomplete."""
        result = self.experiment.baseline
        if result is None:
            return None
        proportion = self.metrics[self.experiment.primaries[0]].kind is MetricKind.PROPORTION
        if not proportion and result.sd is None:
            return None
        return MetricBaseline(result.mean, None if proportion else result.sd)


def plans(model: FlagFile) -> dict[str, ExperimentPlan]:
    """All plans of a file: of flags by name, then of holdouts as `holdout:q4`."""
    found = {name: plan_of(model, name, flag.experiment) for name, flag in model.flags.items() if flag.experiment}
    for name, holdout in model.holdouts.items():
        if holdout.experiment is not None:
            share = float(holdout.percentage) / 100
            arms = {HELD_OUT: share, RELEASED: 1 - share}
            found[holdout_salt(name)] = _plan(model, holdout_salt(name), holdout.experiment, arms)
    return found


def plan_of(model: FlagFile, name: str, experiment: Experiment) -> ExperimentPlan:
    """The plan of a flag's experiment."""
    shares = allocation(laid(model.flags[name], experiment.environment), experiment.rule)
    control = experiment.control or next(iter(shares))
    return _plan(model, name, experiment, {control: shares[control], **shares})


def _plan(model: FlagFile, name: str, experiment: Experiment, arms: dict[str, float]) -> ExperimentPlan:
    metrics = {metric: model.metrics[metric] for metric in experiment.metrics}
    source = None if experiment.source is None else model.sources[experiment.source]
    return ExperimentPlan(name, experiment, metrics, arms, source)


def laid(flag: FlagSpec, environment: str | None) -> dict[str, object]:
    """A flag with an environment's keys applied."""
    written = dump(flag)
    return {**written, **written.get("environments", {}).get(environment, {})}
