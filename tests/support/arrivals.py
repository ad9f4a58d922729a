"""Experiments made of numbers: units that arrive and spend in several ways, as evidence without files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from burgee.analysis.evidence import Arm, Evidence, Moment
from burgee.analysis.plans import Plan
from burgee.analysis.stats.estimates import BEFORE, PER, PER_BEFORE, VALUE, Moments
from burgee.flagfile.experiments import Experiment, Method, Metric

START = 1_767_225_600_000
DAY = 86_400_000
DAYS = 20
MARGIN = 10.0
ARRIVALS: dict[str, Any] = {
    "uniform": lambda generator, n, looks: generator.integers(0, looks, n),
    "day one": lambda _generator, n, _looks: np.zeros(n, dtype=int),
    "front-loaded": lambda generator, n, looks: np.minimum(
        np.searchsorted([0.7, 0.8, 0.9, 0.95, 1.0], generator.random(n)) * looks // 5, looks - 1
    ),
}


@dataclass(frozen=True, slots=True)
class Crowd:
    """How units arrive and spend. `growing` units spend in every period, others once.

    A treated unit spends `effect` more, as a share of what it spends, and `shift` more, which leaves the spread alone.
    """

    arrival: str = "uniform"
    growing: bool = False
    kind: str = "mean"
    cuped: bool = False
    effect: float = 0.0
    shift: float = 0.0
    units: int = 1000
    looks: int = 5


def plan_for(crowd: Crowd, method: Method, *, sample_size: int | None = None) -> Plan:
    """A primary, a guardrail that is just at its margin, and a secondary, all of the same numbers."""
    one: dict[str, Any] = {"event": "order", "kind": crowd.kind}
    one |= {"per": {"event": "visit"}} if crowd.kind == "ratio" else {}
    one |= {} if crowd.growing else {"window": "1d"}
    experiment = {
        "hypothesis": "made up",
        "start": "2026-01-01",
        "end": f"2026-01-{DAYS + 1}",
        "primary": "spend",
        "guardrails": {"guard": {"margin": MARGIN}},
        "secondary": ["other"],
        "method": method,
        "looks": min(crowd.looks, 20),
        "sample_size": sample_size or crowd.units,
    }
    metrics = {name: Metric.model_validate(one) for name in ("spend", "guard", "other")}
    return Plan("flag", Experiment.model_validate(experiment), metrics, {"off": 0.5, "on": 0.5})


def evidence_of(crowd: Crowd, generator: np.random.Generator) -> Evidence:
    """One experiment. `guard` is worse by exactly its margin, `other` has no effect."""
    n, looks = crowd.units, crowd.looks
    treated = generator.random(n) < 0.5
    entry = ARRIVALS[crowd.arrival](generator, n, looks)
    rate = generator.lognormal(0, 0.7, n)
    spent = rate[:, None] * generator.gamma(1.0, 1.0, (n, looks))
    periods = np.arange(looks)[None, :]
    there = (periods >= entry[:, None]) if crowd.growing else (periods == entry[:, None])
    values = np.cumsum(spent * there, axis=1)
    visits = np.cumsum((1 + generator.poisson(1.0 + rate[:, None], (n, looks))) * there, axis=1).astype(float)
    before = rate * generator.gamma(4.0, 0.25, n)
    earlier = 1.0 + generator.poisson(1.0 + rate)
    series: dict[str, list[Moment]] = {}
    for name, factor in (("spend", 1 + crowd.effect), ("guard", 1 - MARGIN / 100), ("other", 1.0)):
        changed = values * np.where(treated, factor, 1.0)[:, None]
        if name == "spend":
            changed += crowd.shift * (treated[:, None] & (periods >= entry[:, None]))
        columns = {VALUE: changed}
        if crowd.kind == "ratio":
            columns[PER] = visits
        if crowd.cuped:
            columns[BEFORE] = np.repeat(before[:, None], looks, axis=1)
            if crowd.kind == "ratio":
                columns[PER_BEFORE] = np.repeat(earlier[:, None], looks, axis=1)
        series[name] = _moments(columns, treated, entry, looks)
    last = {name: moments[-1].arms for name, moments in series.items()}
    arms = {
        arm: Arm(int((treated == (arm == "on")).sum()), {name: at[arm] for name, at in last.items()})
        for arm in ("off", "on")
    }
    return Evidence(START + DAYS * DAY, arms, series, {}, n, 0, 0, None)


def _moments(columns: dict[str, Any], treated: Any, entry: Any, looks: int) -> list[Moment]:
    found = []
    for look in range(looks):
        arms, lagged = {}, {}
        for arm in ("off", "on"):
            mine = (treated == (arm == "on")) & (entry <= look)
            now = {name: values[mine, look] for name, values in columns.items()}
            arms[arm] = _of(now)
            old = mine & (entry < look)
            if look and old.sum() > 1:
                before = {name: values[old, look - 1] for name, values in columns.items()}
                after = {name: values[old, look] for name, values in columns.items()}
                lagged[arm] = {
                    (a, b): float(np.cov(before[a], after[b], ddof=1)[0, 1]) for a in columns for b in columns
                }
        found.append(Moment(START + (look + 1) * DAYS * DAY // looks, arms, lagged if len(lagged) == 2 else None))
    return found


def _of(now: dict[str, Any]) -> Moments:
    names, n = list(now), len(next(iter(now.values())))
    if n < 2:
        return Moments(n, dict.fromkeys(names, 0.0), {(a, b): 0.0 for a in names for b in names})
    both = np.atleast_2d(np.cov(np.array([now[name] for name in names]), ddof=1))
    return Moments(
        n,
        {name: float(now[name].mean()) for name in names},
        {(a, b): float(both[i, j]) for i, a in enumerate(names) for j, b in enumerate(names)},
    )
