"""Experiments made of numbers: units that arrive and spend in several ways, as evidence without files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from burgee.analysis.evidence import Arm, Evidence, Moment
from burgee.analysis.plans import ExperimentPlan
from burgee.analysis.stats.estimates import BEFORE, PER, PER_BEFORE, VALUE, Moments
from burgee.flagfile.experiments import Experiment, Method, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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

    A treated unit spends more by the share `effect`, and by `shift`, which leaves the spread alone. `treated` is the
    treatment's share of units. Of a proportion, the share `rate` of units converts, at once.
    """

    arrival: str = "uniform"
    growing: bool = False
    kind: str = "mean"
    cuped: bool = False
    effect: float = 0.0
    shift: float = 0.0
    units: int = 1000
    looks: int = 5
    treated: float = 0.5
    rate: float = 0.0


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
    return ExperimentPlan("flag", Experiment.model_validate(experiment), metrics, _shares(crowd))


def _shares(crowd: Crowd) -> dict[str, float]:
    return {"off": 1 - crowd.treated, "on": crowd.treated}


def evidence_of(crowd: Crowd, generator: np.random.Generator) -> Evidence:
    """One experiment. `guard` is worse by exactly its margin, `other` has no effect."""
    if crowd.kind == "proportion":
        return _converted(crowd, generator)
    n, looks = crowd.units, crowd.looks
    treated = generator.random(n) < crowd.treated
    entry = ARRIVALS[crowd.arrival](generator, n, looks)
    rate = generator.lognormal(0, 0.7, n)
    spent = rate[:, None] * generator.gamma(1.0, 1.0, (n, looks))
    periods = np.arange(looks)[None, :]
    there = (periods >= entry[:, None]) if crowd.growing else (periods == entry[:, None])
    values = np.cumsum(spent * there, axis=1)
    visits = np.cumsum((1 + generator.poisson(1.0 + rate[:, None], (n, looks))) * there, axis=1).astype(float)
    before = rate * generator.gamma(4.0, 0.25, n)
    earlier = 1.0 + generator.poisson(1.0 + rate)
    columns = {VALUE: values}
    if crowd.kind == "ratio":
        columns[PER] = visits
    if crowd.cuped:
        columns[BEFORE] = np.repeat(before[:, None], looks, axis=1)
        if crowd.kind == "ratio":
            columns[PER_BEFORE] = np.repeat(earlier[:, None], looks, axis=1)
    same = _moments(columns, treated, entry, looks)
    series = {
        "spend": [_changed(one, 1 + crowd.effect, crowd.shift) for one in same],
        "guard": [_changed(one, 1 - MARGIN / 100) for one in same],
        "other": same,
    }
    return _evidence(series, {arm: int((treated == (arm == "on")).sum()) for arm in ("off", "on")})


def _changed(moment: Moment, factor: float, shift: float = 0.0) -> Moment:
    """The moments if each treated unit's value were multiplied by `factor`, and then larger by `shift`."""
    arm = moment.arms["on"]
    means = {**arm.means, VALUE: arm.means[VALUE] * factor + shift}
    lagged = moment.lagged and {**moment.lagged, "on": _scaled(moment.lagged["on"], factor)}
    changed = Moments(arm.n, means, _scaled(arm.covariances, factor))
    return replace(moment, arms={**moment.arms, "on": changed}, lagged=lagged)


def _scaled(covariances: Mapping[tuple[str, str], float], factor: float) -> dict[tuple[str, str], float]:
    return {pair: cell * factor ** pair.count(VALUE) for pair, cell in covariances.items()}


def _converted(crowd: Crowd, generator: np.random.Generator) -> Evidence:
    """Proportions need only counts, so that many units cost no more than few."""
    treated = int(generator.binomial(crowd.units, crowd.treated))
    entered = {
        arm: generator.multinomial(n, np.full(crowd.looks, 1 / crowd.looks))
        for arm, n in (("off", crowd.units - treated), ("on", treated))
    }
    series: dict[str, list[Moment]] = {}
    for name, factor in (("spend", 1 + crowd.effect), ("guard", 1 - MARGIN / 100), ("other", 1.0)):
        rates = {"off": crowd.rate, "on": crowd.rate * factor}
        converted = {arm: np.cumsum(generator.binomial(n, rates[arm])) for arm, n in entered.items()}
        series[name] = [
            Moment(
                START + (look + 1) * DAYS * DAY // crowd.looks,
                {
                    arm: proportion(int(converted[arm][look]), int(np.sum(n[: look + 1])))
                    for arm, n in entered.items()
                },
            )
            for look in range(crowd.looks)
        ]
    return _evidence(series, {"off": crowd.units - treated, "on": treated})


def proportion(converted: int, n: int) -> Moments:
    """The moments of ones and zeros."""
    share = converted / max(n, 1)
    return Moments(n, {VALUE: share}, {(VALUE, VALUE): share * (1 - share) * n / max(n - 1, 1)})


def outcomes(sizes: tuple[int, int], rates: tuple[float, float]) -> Iterator[tuple[float, tuple[int, int]]]:
    """The outcomes of two binomials with their probabilities, without the improbable ones."""
    counts = [
        np.arange(stats.binom.ppf(1e-7, n, rate), stats.binom.isf(1e-7, n, rate) + 1)
        for n, rate in zip(sizes, rates, strict=True)
    ]
    chances = np.outer(*(stats.binom.pmf(k, n, rate) for k, n, rate in zip(counts, sizes, rates, strict=True)))
    for i, j in np.argwhere(chances > 1e-7):
        yield float(chances[i, j]), (int(counts[0][i]), int(counts[1][j]))


def _evidence(series: dict[str, list[Moment]], sizes: dict[str, int]) -> Evidence:
    last = {name: moments[-1].arms for name, moments in series.items()}
    arms = {arm: Arm(n, {name: at[arm] for name, at in last.items()}) for arm, n in sizes.items()}
    return Evidence(START + DAYS * DAY, arms, series, {}, sum(sizes.values()), 0, 0)


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
