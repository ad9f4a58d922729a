"""Simulates experiments through the real path: bucketing, recorder's records, files, queries, verdict. A/A runs give
the false-positive rate of a method, A/B runs its power.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
from scipy import stats

from burgee.analysis.decisions import estimate_of
from burgee.analysis.engines import DuckDB
from burgee.analysis.evidence import Gatherer
from burgee.analysis.health import SAMPLE_RATIO, Light
from burgee.analysis.plans import ExperimentPlan
from burgee.analysis.reports import report
from burgee.analysis.tables import records as stored
from burgee.analysis.verdicts import Decision
from burgee.evaluation.ruleset import Ruleset
from burgee.events.jsonl_sink import JsonlSink
from burgee.events.records import RecordScope, accept, exposure
from burgee.flagfile.experiments import Experiment, Method, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from burgee.analysis.evidence import Evidence
    from burgee.events.records import Record

START = 1_767_225_600  # 2026-01-01
DAYS = 20
DAY = 86_400
BUYERS = 0.3
SIGMA = 2.0
METRICS = {
    name: Metric.model_validate(one)
    for name, one in {
        "bought": {"event": "order", "kind": "proportion"},
        "revenue": {"event": "order", "kind": "mean", "value": "amount"},
        "basket": {"event": "order", "kind": "ratio", "value": "amount", "per": {"event": "visit"}},
        "slow": {"event": "visit", "kind": "quantile", "value": "ms", "quantile": 0.9},
    }.items()
}
"""The metrics: `revenue` is heavy-tailed, log-normal with sigma 2 among buyers and zero for the others."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The parameters of each experiment. `effect` is relative, on the share of buyers."""

    units: int = 2000
    effect: float = 0.0
    looks: int = 20
    alpha: float = 0.05
    seed: int = 1


@dataclass(slots=True)
class Tally:
    """The results of the runs: by method how many found an effect; by metric how many intervals contained the true
    value.
    """

    runs: int = 0
    found: Counter[str] = field(default_factory=Counter)
    peeked: int = 0
    covered: Counter[str] = field(default_factory=Counter)
    unhealthy: int = 0
    mismatched: int = 0
    wrong: int = 0

    def share(self, hits: int) -> tuple[float, float, float]:
        """A share of the runs, with its exact 95 % interval."""
        interval = stats.binomtest(hits, self.runs).proportion_ci(0.95)
        return hits / self.runs, float(interval.low), float(interval.high)


def simulate(runs: int, setting: Setting, progress: Callable[[int], None] = lambda _done: None) -> Tally:
    """Runs experiments one after the other."""
    tally = Tally()
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET threads = 1")
    try:
        for run in range(runs):
            with tempfile.TemporaryDirectory(prefix="burgee-") as folder:
                _run(run, setting, Path(folder), connection, tally)
            progress(run + 1)
    finally:
        connection.disconnect()
    return tally


def _run(run: int, setting: Setting, folder: Path, connection: Any, tally: Tally) -> None:
    name = f"simulated-{setting.seed}-{run}"
    sink = JsonlSink(folder)
    sink.write(list(records(name, run, setting)))
    sink.close()
    plan = plan_for(name, setting, Method.FIXED)
    gatherer = Gatherer(DuckDB(connection), stored(connection, folder, (name,)))
    period = (plan.end - plan.start) // setting.looks
    evidence = gatherer.gather(plan, plan.end, period=period, segments=False)
    _count(plan, evidence, setting, tally)


def records(name: str, run: int, setting: Setting) -> Iterator[Record]:
    """The records of one experiment, unordered."""
    ruleset = Ruleset({"flags": {name: {"status": True, "rollout_percentage": 50}}}, release={"version": 1})
    generator, scope = np.random.default_rng([setting.seed, run]), RecordScope()
    n = setting.units
    at = START + generator.random(n) * (DAYS - 1) * DAY
    chance, visits = generator.random(n), 1 + generator.poisson(1.0, n)
    amount, ms = generator.lognormal(1.0, SIGMA, n), generator.lognormal(5.0, 0.5, n)
    delay = generator.random(n) * DAY * 0.9
    for i in range(n):
        unit, now = f"{run}-{i}", float(at[i])
        answer = ruleset.evaluate(name, {"targetingKey": unit}, now)
        outcome = {"variant": answer.variant, "reason": str(answer.reason), "rule": answer.metadata["rule"]}
        yield exposure(name, {**outcome, "release": "1", "properties": {}}, unit, scope, now)
        later = now + float(delay[i])
        for visit in range(int(visits[i])):
            yield _tracked(f"{unit}-v{visit}", unit, "visit", later, ms=float(ms[i]))
        lift = setting.effect if answer.variant == "on" else 0.0
        if chance[i] < BUYERS * (1 + lift):
            yield _tracked(f"{unit}-o", unit, "order", later, amount=float(amount[i]))


def plan_for(name: str, setting: Setting, method: Method) -> ExperimentPlan:
    """The plan of a simulated experiment, with all its units as the planned size."""
    experiment = {
        "hypothesis": "made up",
        "start": "2026-01-01",
        "end": f"2026-01-{DAYS + 1:02}",
        "primary": "bought",
        "secondary": ["revenue", "basket", "slow"],
        "alpha": setting.alpha,
        "method": method,
        "looks": setting.looks,
        "sample_size": setting.units,
    }
    return ExperimentPlan(name, Experiment.model_validate(experiment), METRICS, {"off": 0.5, "on": 0.5})


def truth(setting: Setting) -> dict[str, float]:
    """The true differences, which the intervals should contain."""
    lift = BUYERS * setting.effect
    mean = math.exp(1.0 + SIGMA**2 / 2)
    return {"bought": lift, "revenue": lift * mean, "basket": lift * mean / 2, "slow": 0.0}


def _count(plan: ExperimentPlan, evidence: Evidence, setting: Setting, tally: Tally) -> None:
    tally.runs += 1
    for method in Method:
        outcome = report(replace(plan, experiment=plan.experiment.model_copy(update={"method": method})), evidence)
        primary = next(one for one in outcome.results if one.role == "primary")
        tally.found[method] += primary.found
        tally.wrong += outcome.verdict.decision is Decision.WORSE and setting.effect > 0
        if method is Method.FIXED:
            tally.unhealthy += not outcome.healthy
            tally.mismatched += any(one.name == SAMPLE_RATIO and one.light is Light.BAD for one in outcome.checks)
            # The error of looking at a fixed experiment each day and stopping at the first significant result.
            late = [look.estimate for look in primary.curve if look.estimate.n >= 100]
            tally.peeked += any(abs(one.z) > stats.norm.isf(setting.alpha / 2) for one in late)
            for metric, true in truth(setting).items():
                estimate = estimate_of(plan, evidence.arms, metric, "on", setting.alpha)
                if estimate is not None and estimate.low is not None and estimate.high is not None:
                    tally.covered[metric] += estimate.low <= true <= estimate.high


def _tracked(event_id: str, unit: str, event: str, now: float, **properties: float) -> Record:
    raw = {"type": "track", "event_id": event_id, "time": now, "unit": unit, "event": event}
    return accept({**raw, "properties": properties}, RecordScope(), now)
