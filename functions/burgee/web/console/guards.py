"""A flag's guarded rollout as the console shows it: its steps, where it is, and what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.releases.guarding import guard_of
from burgee.stores import Shelf
from burgee.times import format_time, lasting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.releases.guarding import Guard, PersonStep
    from burgee.web.console.reading import Environment


class GuardView(NamedTuple):
    """A guard in words. `steps` are shares with a class of the style sheet and a mark; `numbers` of each reason."""

    light: str
    sentence: str
    steps: Sequence[tuple[str, str, str]]
    since: str | None
    reasons: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    acts: Sequence[PersonStep] = ()
    """What a person may do to it now."""
    coming: str = ""
    """What it does next by itself, empty for nothing."""


def guard_view(here: Environment, flag: str) -> GuardView | None:
    """The guard of a flag; None if it has none."""
    return view_of(guard_of(here.state, here.git, flag, here.store.find(Shelf.GUARDS, flag), here.now))


def view_of(guard: Guard) -> GuardView | None:
    """A guard as it is shown; None without a plan and a state."""
    if guard.fault:
        return GuardView("is-bad", f"It cannot be run: {guard.fault}.", (), None, ())
    if guard.state is None:
        if guard.plan is None:
            return None
        steps = [(f"{share:g} %", "", "to come") for share in guard.plan.steps]
        return GuardView("", "It has not begun.", steps, None, ())
    return _running(guard)


def _running(guard: Guard) -> GuardView:
    plan, state = guard.plan, guard.state
    assert state is not None  # noqa: S101 - the caller has asked
    ended, pause = state.ended, state.pause
    if ended is not None:
        light = "is-bad" if ended.outcome == "rolled_back" else ""
        sentence = f"It has ended at {ended.share:g} %: {_OUTCOMES[ended.outcome]}."
    elif pause is not None:
        why = f": {pause.message}" if pause.message else ""
        light, sentence = "is-warn", f"Paused at {state.share:g} % by {pause.by}{why}"
    else:
        light = ""
        hold = "" if plan is None else f" of {lasting(plan.hold / 1000)}"
        sentence = f"It serves {state.share:g} %, watched for {lasting(state.held / 1000)}{hold}."
    shares = () if plan is None else plan.steps
    steps = [_step(index, share, state.step, is_over=ended is not None) for index, share in enumerate(shares)]
    waits = [one for one in state.reasons if one.code not in {"paused", "hold"}]
    reasons = waits if ended is None else ended.reasons
    explained = [(one.message, [(name, _figure(value)) for name, value in one.numbers.items()]) for one in reasons]
    acts, coming = ((), "") if ended is not None else _next(guard)
    return GuardView(light, sentence, steps, format_time(state.since / 1000), explained, acts, coming)


def _next(guard: Guard) -> tuple[Sequence[PersonStep], str]:
    """What a person may do to a guard that has not ended, and what it does by itself."""
    if guard.plan is None:
        return (), ""
    if guard.state is not None and guard.state.pause is not None:
        return ("resume", "stop"), ""
    share, waits = guard.coming
    what = "ends" if share is None else f"raises the share to {share:g} %"
    approved = " and the step is approved" if waits else ""
    coming = f"The guard {what} when this step has been watched for {lasting(guard.plan.hold / 1000)}{approved}"
    return ("pause", *(("approve",) if waits else ()), "advance", "stop"), coming


def _figure(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


_OUTCOMES: dict[Any, str] = {
    "done": "its last step was held",
    "rolled_back": "a harm was shown, and the share is back where it began",
    "changed": "Git changed the flag, and the share stayed",
    "stopped": "a person stopped it",
}


def _step(index: int, share: float, current: int, *, is_over: bool) -> tuple[str, str, str]:
    if is_over:
        return f"{share:g} %", "soft", "taken" if index <= current else "not taken"
    if index == current:
        return f"{share:g} %", "is-now", "now"
    return (f"{share:g} %", "soft", "taken") if index < current else (f"{share:g} %", "", "to come")
