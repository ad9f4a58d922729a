"""Experiments: what each has decided, whether its data are sound, and the numbers that may be shown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from burgee.errors import Refused
from burgee.flagfile.fields import Name
from burgee.web.console.render import fragment
from burgee.web.exchange import Need, exchange_of
from burgee.web.routes.writes import needs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.web.routes.experiments import Experiments

router = APIRouter(include_in_schema=False)
LIGHTS = {"ok": "✓", "warn": "!", "bad": "✕", "off": "\N{EN DASH}"}
"""Signs of a check; `off`: nothing is checked yet."""
_WORST = ("bad", "warn", "ok", "off")
_MOODS = {
    "better": "is-good",
    "worse": "is-bad",
    "withheld": "is-bad",
    "a guardrail is broken": "is-bad",
    "better, but a guardrail is open": "is-warn",
}


class Row(NamedTuple):
    """An experiment in the index: units so far, and those planned (None: no plan)."""

    flag: str
    decision: str
    mood: str
    sentence: str
    units: int
    planned: int | None
    share: float
    light: str
    faults: Sequence[str]
    when: str


@router.get("/fragments/experiments", **needs(Need.READ))
async def list_experiments(request: Request) -> Response:
    """An index, those first that have something to say."""
    found = await _experiments(request).every(exchange_of(request))
    rows = sorted(map(_row, found), key=lambda row: (row.decision == "wait", _WORST.index(row.light), row.flag))
    return fragment(request, "experiments", rows=rows, lights=LIGHTS)


@router.get("/fragments/experiments/{flag}", **needs(Need.READ))
async def show_experiment(request: Request, flag: Annotated[str, Name]) -> Response:
    """The report of one."""
    experiments = _experiments(request)
    found = await experiments.one(exchange_of(request), flag)
    if found is None:
        raise Refused("not-found", f"there is no experiment on {flag!r}")
    evidence = await asyncio.to_thread(experiments.evidence, found)
    return fragment(
        request,
        "experiment",
        report=found,
        row=_row(found),
        evidence=Markup(evidence),  # noqa: S704 - the report escapes what people wrote
        lights=LIGHTS,
    )


def _experiments(request: Request) -> Experiments:
    found: Experiments | None = request.app.state.experiments
    if found is None:
        raise Refused("not-found", "this service computes no reports; `burgee experiment report` does")
    return found


def _row(found: Mapping[str, Any]) -> Row:
    arms, planned = found.get("arms", []), found.get("sample_size")
    units = sum(arm["units"] for arm in arms)
    lights = [one["light"] for one in found.get("health", [])]
    decision = str(found["verdict"]["decision"])
    return Row(
        found["flag"],
        decision,
        _MOODS.get(decision, ""),
        found["verdict"]["sentence"],
        units,
        planned,
        min(100.0, round(100 * units / planned, 3)) if planned else 0.0,
        next((light for light in _WORST if light in lights), "off"),
        [one["message"] for one in found.get("health", []) if one["light"] != "ok"],
        f"{str(found['start'])[:10]} to {str(found['end'])[:10]}, {found['method']}",
    )
