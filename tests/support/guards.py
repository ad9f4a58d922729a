"""Guards made of numbers: plans, aggregates of units, and guards simulated unit by unit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri, stdtr

from burgee.guards.aggregates import PER, VALUE, Aggregates, Arm, Measured, Moments
from burgee.guards.driver import asks, decide
from burgee.guards.margins import ENOUGH, NORMAL_DEGREES, critical
from burgee.guards.plan import GuardMetric, GuardPlan
from burgee.guards.transitions import Action, Decision, Seen, Serving

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.guards.plan import Direction
    from burgee.guards.state import GuardState

HOUR = 3_600_000
NOW = 1_767_225_600_000
MINUTE = 60_000
QUIET = {"5xx": False}
"""No alarm fires."""
LOOKS_A_DAY = 288
"""A look every five minutes."""


def metric(name: str, margin: float = 5, direction: Direction = "decrease", **more: Any) -> GuardMetric:
    definition = {"event": name, "kind": "mean", "direction": direction, **more}
    return GuardMetric(name, margin, definition, direction)


def plan(**more: Any) -> GuardPlan:
    """A plan of four steps, with an hour for each, unless said otherwise."""
    given: dict[str, Any] = {
        "flag": "checkout",
        "rule": None,
        "begins": 0.0,
        "steps": (1.0, 10.0, 50.0, 100.0),
        "hold": HOUR,
        "minimum": 100,
        "comparison": 50.0,
        "guardrails": (metric("errors"),),
        "signals": (),
        "alarms": (),
        "on_harm": "roll_back",
        "start": None,
        "approve": frozenset(),
        "alpha": 0.05,
        "unit": "targetingKey",
        "salt": "checkout",
    }
    return GuardPlan(**{**given, **more})


def moments(value: Any, per: Any = None) -> Moments:
    """The moments of raw values."""
    columns = [VALUE] if per is None else [VALUE, PER]
    rows = np.array([value] if per is None else [value, per], dtype=float)
    both = np.atleast_2d(np.cov(rows, ddof=1))
    return Moments(
        rows.shape[1],
        {name: float(rows[i].mean()) for i, name in enumerate(columns)},
        {(a, b): float(both[i, j]) for i, a in enumerate(columns) for j, b in enumerate(columns)},
    )


def measured(n: int, mean: float, sd: float, **more: Any) -> Measured:
    """A mean of `n` units, all with an event unless said otherwise."""
    return Measured(
        Moments(n, {VALUE: mean}, {(VALUE, VALUE): sd**2}), more.get("active", n), more.get("largest", 0.0)
    )


def aggregates(
    reached: Mapping[str, Measured], compared: Mapping[str, Measured], exposed: tuple[int, int], **more: Any
) -> Aggregates:
    """Aggregates of a step that began at NOW, an hour later."""
    given: dict[str, Any] = {"step": 0, "since": NOW, "until": NOW + HOUR, "quiet": dict.fromkeys(reached, 0)}
    return Aggregates(**{**given, "reached": Arm(exposed[0], reached), "compared": Arm(exposed[1], compared), **more})


@dataclass(frozen=True, slots=True)
class Crowd:
    """How units behave: a share of them has an event; its value is log-normal with `sigma`, 1 if that is 0."""

    name: str
    active: float
    sigma: float
    direction: Direction = "decrease"

    def draw(self, generator: np.random.Generator, n: int) -> tuple[Any, Any]:
        """Numbers from 0 to 1 that say who is active, and values."""
        values = generator.lognormal(0, self.sigma, n) if self.sigma else np.ones(n)
        return generator.random(n) if self.active < 1 else np.zeros(n), values

    def values(self, drawn: tuple[Any, Any], change: float) -> Any:
        """The values of units whose metric changes by a share: a proportion's events, or an amount's size."""
        chance, values = drawn
        if not self.sigma:
            return (chance < self.active * (1 + change)).astype(float)
        return np.where(chance < self.active, values * (1 + change), 0.0)

    def worse(self, percent: float) -> float:
        """The change, as a share, that is worse by so many percent."""
        return percent / 100 * (1 if self.direction == "decrease" else -1)


CROWDS = (
    Crowd("errors", 0.02, 0.0),
    Crowd("page_time", 1.0, 0.5),
    Crowd("revenue", 0.05, 1.5, "increase"),
)


def harms(reached: Any, compared: Any, looks: int, factor: float, *, increase: bool, rule: str = "both") -> Any:
    """The z of the harm at every look of one step whose units come evenly; nan before there are enough.

    `rule` takes one of the two standard errors, `sampled` or `null`, to show what each does alone.
    """
    sides = [_running(values, looks) for values in (reached, compared)]
    (n, mean, variance), (m, base, variance_base) = sides
    with np.errstate(all="ignore"):
        parts = variance / n, variance_base / m
        sampled = np.sqrt(parts[0] + factor**2 * parts[1])
        within = ((n - 1) * variance + (m - 1) * variance_base) / (n + m - 2)
        null = np.sqrt(within * (1 / n + factor**2 / m))
        se = {"both": np.maximum(sampled, null), "sampled": sampled, "null": null}[rule]
        worse = (factor * base - mean) if increase else (mean - factor * base)
        t = np.where(se > 0, worse / se, 0.0)
        degrees = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1))
        small = (degrees <= NORMAL_DEGREES) & (se > 0)
        z = np.where(small, np.copysign(-ndtri(np.maximum(stdtr(degrees, -np.abs(t)), 1e-300)), t), t)
    z[np.minimum(n, m) < ENOUGH] = np.nan
    return z


def _running(values: Any, looks: int) -> tuple[Any, Any, Any]:
    n = (np.arange(1, looks + 1) * len(values)) // looks
    at = np.maximum(n - 1, 0)
    total, squares = np.cumsum(values)[at], np.cumsum(values * values)[at]
    with np.errstate(all="ignore"):
        mean = total / n
        return n, mean, np.maximum(squares / n - mean**2, 0) * n / (n - 1)


def bounds(units: tuple[int, int], looks: int, alpha: float, minimum: int) -> Any:
    """The z to exceed at every look of a step, by the function that a guard uses."""
    share = units[0] / sum(units)
    counts = (np.arange(1, looks + 1)[:, None] * np.array(units) // looks).sum(axis=1)
    return np.array([critical(float(n), alpha, minimum / min(share, 1 - share)) if n else math.inf for n in counts])


def false_rollbacks(
    traffic: tuple[int, int], guards: int, percent: float, seed: int, *, rule: str = "both", margin: float = 5.0
) -> list[int]:
    """Of guards with the steps 1, 5, 25, 50 and 100 and three guardrails: how many roll back by the end of each step.

    Every metric is worse by `percent`. `traffic` is the looks of each step, and the units that come on the whole hash
    line during it. The comparison group's units are the same at every step.
    """
    generator, (looks, line) = np.random.default_rng(seed), traffic
    shares, compared, alpha = (0.01, 0.04, 0.2, 0.25), round(line * 0.5), 0.05 / (4 * len(CROWDS))
    reached = [round(line * share) for share in shares]
    limits = [bounds((n, compared), looks, alpha, 500) for n in reached]
    fired = [0] * len(shares)
    for _ in range(guards):
        first = len(shares)
        for crowd in CROWDS:
            increase = crowd.direction == "increase"
            factor = 1 + crowd.worse(margin)
            base = crowd.values(crowd.draw(generator, compared), 0.0)
            for step, n in enumerate(reached):
                values = crowd.values(crowd.draw(generator, n), crowd.worse(percent))
                z = harms(values, base, looks, factor, increase=increase, rule=rule)
                if step < first and bool(np.any(z > limits[step])):
                    first = step
        for step in range(first, len(shares)):
            fired[step] += 1
    return fired


@dataclass(frozen=True, slots=True)
class Step:
    """One step that watches one metric. `units` of both groups come evenly over its looks.

    Alpha is shared over four steps and two guardrails; the fixed test has the same.
    """

    crowd: Crowd
    margin: float
    units: tuple[int, int]
    looks: int
    alpha: float = 0.05 / 8

    def detections(self, factors: Sequence[float], guards: int, seed: int) -> dict[float, list[float]]:
        """For harms of so many margins: when guards roll back, as shares of the step; infinity for never."""
        generator, crowd = np.random.default_rng(seed), self.crowd
        limit = bounds(self.units, self.looks, self.alpha, 500)
        found: dict[float, list[float]] = {factor: [] for factor in factors}
        for _ in range(guards):
            base = crowd.values(crowd.draw(generator, self.units[1]), 0.0)
            drawn = crowd.draw(generator, self.units[0])
            for factor, times in found.items():
                values = crowd.values(drawn, crowd.worse(self.margin * factor))
                increase = crowd.direction == "increase"
                z = harms(values, base, self.looks, 1 + crowd.worse(self.margin), increase=increase)
                hits = np.flatnonzero(z > limit)
                times.append(float(hits[0] + 1) / self.looks if hits.size else math.inf)
        return found

    def fixed(self, factor: float, power: float = 0.8) -> float:
        """When a one-sided fixed test with this power for such a harm has its units, as a share of the step."""
        if factor <= 1:
            return math.inf
        crowd = self.crowd
        worse, limit = 1 + crowd.worse(self.margin * factor), 1 + crowd.worse(self.margin)
        mean = crowd.active * (math.exp(crowd.sigma**2 / 2) if crowd.sigma else 1.0)
        spread = _variance(crowd, worse - 1) + limit**2 * _variance(crowd, 0.0) * self.units[0] / self.units[1]
        needed = float(-ndtri(self.alpha) + ndtri(power))
        return needed**2 * spread / ((worse - limit) * mean) ** 2 / self.units[0]


def _variance(crowd: Crowd, change: float) -> float:
    if not crowd.sigma:
        share = crowd.active * (1 + change)
        return share * (1 - share)
    mean = crowd.active * math.exp(crowd.sigma**2 / 2)
    return (1 + change) ** 2 * (crowd.active * math.exp(2 * crowd.sigma**2) - mean**2)


def measure(plan: GuardPlan, state: GuardState, until: int, **more: Any) -> Aggregates | None:
    """Healthy aggregates, or `harm` or `signal`: values of the reached group, where 1 is that of the other."""
    ask = asks(plan, state)
    if ask is None:
        return None
    width, other = ask.reached.share, ask.compared.share
    line = more.pop("line", 100_000)
    n, m = round(line * width), round(line * other)
    changed = {"errors": more.pop("harm", 1.0), "revenue": more.pop("signal", 1.0)}
    names = [one.name for one in ask.metrics]
    return aggregates(
        {name: measured(n, changed.get(name, 1.0), 0.1) for name in names},
        {name: measured(m, 1.0, 0.1) for name in names},
        (n, m),
        **{"step": ask.step, "since": ask.since, "until": until, **more},
    )


PLAN = plan(signals=(metric("revenue", direction="increase"),), alarms=("5xx",))


def seen(now: int, state: GuardState | None, **more: Any) -> Seen:
    """What a driver sees if the guard's share is served, and no alarm fires."""
    share = None if state is None or state.share == 0 else state.share
    return Seen(**{"now": now, "digest": "a", "release": 1, "serving": Serving(share), "alarms": QUIET, **more})


def begun(given: GuardPlan = PLAN) -> GuardState:
    """A guard that serves its first step."""
    found = decide(given, None, seen(NOW, None, alarms=dict.fromkeys(given.alarms, False)))
    assert found.action is Action.ADVANCE
    assert found.state is not None
    return found.state


def look(state: GuardState, now: int, given: GuardPlan = PLAN, **more: Any) -> Decision:
    kept = {name: more.pop(name) for name in ("serving", "alarms", "digest") if name in more}
    data = measure(given, state, **{"until": now, **more})
    return decide(given, state, seen(now, state, aggregates=data, **kept))


def watch(state: GuardState, hours: float, given: GuardPlan = PLAN, **more: Any) -> Decision:
    """Looks every ten minutes; the last decision, or the first that is not to hold."""
    found = Decision(Action.HOLD, state)
    start = max(state.since, state.looked or 0)
    for minutes in range(0, round(hours * 60) + 1, 10):
        assert found.state is not None
        found = look(found.state, start + minutes * MINUTE, given, **more)
        if found.action is not Action.HOLD:
            break
    return found


def codes(found: Decision) -> set[str]:
    return {one.code for one in found.reasons}


def replace_plan(**more: Any) -> GuardPlan:
    return replace(PLAN, **more)
