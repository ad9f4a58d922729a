"""Experiments made of records, for tests: a plan, and a crowd of units with events."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ibis.backends.sql import SQLBackend

from burgee.analysis.evidence import gather
from burgee.analysis.plans import plans
from burgee.events.records import RecordScope, accept
from burgee.flagfile.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan

DAY = 86_400
START = 1_767_225_600  # 2026-01-01
FILE = """\
version: 1
metrics:
  bought: {event: order, kind: proportion, window: 7d}
  revenue: {event: order, kind: mean, value: amount, winsorise: 99}
  basket: {event: order, kind: ratio, value: amount, per: {event: visit}}
  slow: {event: visit, kind: quantile, value: ms, quantile: 0.9, direction: decrease}
flags:
  button:
    status: on
    rollout_percentage: 50
    experiment:
      hypothesis: A green button is found sooner
      start: 2026-01-01
      end: 2026-01-29
      primary: bought
      secondary: [revenue, basket]
      guardrails: {slow: {margin: 10}}
      sample_size: 4000
      minimum_detectable_effect: 20
      baseline: {mean: 0.3}
      segments: [country]
"""


# A report asks a dozen questions, and hundreds of reports here ask the same ones: Ibis writes each as SQL once.
_compile = SQLBackend.compile
_COMPILED: dict[tuple[type[SQLBackend], Any], str] = {}


def _compile_once(backend: SQLBackend, expression: Any, /, **options: Any) -> str:
    if options:
        return str(_compile(backend, expression, **options))
    key = type(backend), expression.op()
    if key not in _COMPILED:
        _COMPILED[key] = _compile(backend, expression)
    return _COMPILED[key]


SQLBackend.compile = _compile_once


def planned(folder: Path, text: str = FILE, flag: str = "button") -> ExperimentPlan:
    """The plan in a flag file, which is written into the folder."""
    path = folder / "flags.yaml"
    path.write_text(text, encoding="utf-8")
    source = Source(path)
    assert source.problems == []
    return plans(source.model)[flag]


def crowd(
    n: int = 4000, *, lift: float = 0.0, on: float = 0.5, days: float = 20, seed: int = 1, slower: float = 1.0
) -> list[dict[str, Any]]:
    """Records of units that are exposed over some days, with visits and orders before and after."""
    generator, records = np.random.default_rng(seed), []
    for i in range(n):
        unit, treated = f"u{i}", bool(generator.random() < on)
        at = START + float(generator.random()) * days * DAY
        variant = "on" if treated else "off"
        country = ["DE", "FR", "NL"][int(generator.integers(3))]
        shown = {"type": "exposure", "event_id": f"x{i}", "unit": unit, "flag": "button", "variant": variant}
        records.append(
            {**shown, "time": at, "reason": "SPLIT", "rule": "default", "properties": {"country": country}}
        )
        taste = float(generator.normal(0, 1))
        for before, visits in ((True, generator.poisson(2)), (False, 1 + generator.poisson(2))):
            for j in range(int(visits)):
                when = at + float(generator.random()) * 6 * DAY * (-1 if before else 1)
                ms = float(generator.lognormal(5, 0.4)) * (slower if treated and not before else 1.0)
                records.append(track(f"v{i}-{before}-{j}", unit, "visit", when, ms=ms))
            chance = 0.3 * (1 + (lift if treated and not before else 0.0))
            if generator.random() < chance:
                when = at + float(generator.random()) * 6 * DAY * (-1 if before else 1)
                amount = float(np.exp(1 + taste + generator.normal(0, 0.5)))
                records.append(track(f"o{i}-{before}", unit, "order", when, amount=amount))
    return records


def track(event_id: str, unit: str, event: str, time: float, **properties: float) -> dict[str, Any]:
    """A tracked event as a client sends it."""
    base = {"type": "track", "event_id": event_id, "unit": unit, "event": event, "time": time}
    return {**base, "properties": properties}


def written(folder: Path, records: Sequence[dict[str, Any]], name: str = "a.jsonl") -> Path:
    """The records as the sink writes them."""
    folder.mkdir(exist_ok=True, parents=True)
    lines = [json.dumps(accept(record, RecordScope(), record["time"])) for record in records]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def gather_from(place: Path | str, plan: ExperimentPlan, until: int, **more: Any) -> Evidence:
    """The evidence in a folder of records, whether or not the plan has a source."""
    return gather((Path(), place), replace(plan, source=None), until, **more)
