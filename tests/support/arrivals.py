"""Experiments made of numbers: units that arrive and spend in several ways, as evidence without files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from burgee.analysis.evidence import Arm, Evidence, Moment
from burgee.analysis.plans import ExperimentPlan
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

    A treated unit spends more by the share `effect`, and by `shift`, which leaves the spread alone.
    """

    arrival: str = "uniform"
    growing: bool = False
    kind: str = "mean"
    cuped: bool = False
    effect: float = 0.0
    shift: float = 0.0
    units: int = 1000
    looks: int = 5


def plan_for(crowd: Crowd, method: Method, *, sample_size: int | None = None) -> ExperimentPlan:
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
    return ExperimentPlan("flag", Experiment.model_validate(experiment), metrics, {"off": 0.5, "on": 0.5})


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
    return Evidence(START + DAYS * DAY, arms, series, {}, n, 0, 0)


def _moments(columns: dict[str, Any], treated: Any, entry: Any, looks: int) -> list[Moment]:
    """The moments at every look, of all looks at once: sums of products about a point near the means."""
    centres = {name: float(values.mean()) for name, values in columns.items()}
    arms: list[dict[str, Moments]] = [{} for _ in range(looks)]
    lagged: list[dict[str, dict[tuple[str, str], float]]] = [{} for _ in range(looks)]
    periods = np.arange(looks)[None, :]
    for arm in ("off", "on"):
        mine = treated == (arm == "on")
        there = (periods >= entry[mine][:, None]).astype(float)
        about = {name: (values[mine] - centres[name]) * there for name, values in columns.items()}
        n, old = there.sum(axis=0), there[:, :-1].sum(axis=0)
        sums = {name: values.sum(axis=0) for name, values in about.items()}
        grown = {name: (values[:, 1:] * there[:, :-1]).sum(axis=0) for name, values in about.items()}
        both, across = {}, {}
        for a, one in about.items():
            for b, other in about.items():
                products = np.einsum("il,il->l", one, other)
                both[a, b] = (products - sums[a] * sums[b] / np.maximum(n, 1)) / np.maximum(n - 1, 1)
                crossed = np.einsum("il,il->l", one[:, :-1], other[:, 1:])
                across[a, b] = (crossed - sums[a][:-1] * grown[b] / np.maximum(old, 1)) / np.maximum(old - 1, 1)
        for look in range(looks):
            means = {name: centres[name] + float(sums[name][look] / max(n[look], 1)) for name in columns}
            arms[look][arm] = Moments(int(n[look]), means, {pair: float(cell[look]) for pair, cell in both.items()})
            if look and old[look - 1] > 1:
                lagged[look][arm] = {pair: float(cell[look - 1]) for pair, cell in across.items()}
    return [
        Moment(START + (look + 1) * DAYS * DAY // looks, arms[look], lagged[look] if len(lagged[look]) == 2 else None)
        for look in range(looks)
    ]
