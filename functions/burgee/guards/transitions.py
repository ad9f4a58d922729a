"""How a guard's state changes: what is known in a round, the decision, and the changes of state that decisions make.

The rules that choose among them are in `driver`; what a person may choose is in `interventions`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from burgee.guards.judgement import Reason
from burgee.guards.state import Ended, GuardState, Outcome, Pause
from burgee.records import NamedTuple, dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.guards.aggregates import Aggregates
    from burgee.guards.plan import GuardPlan

GUARD = "guard"
"""The author of the overrides that serve a guard's share."""


class Action(StrEnum):
    """What a guard does. After its end every decision is `done`."""

    HOLD = "hold"
    ADVANCE = "advance"
    ROLL_BACK = "roll_back"
    DONE = "done"


class Serving(NamedTuple):
    """What serves the flag now.

    `share` is that of the guard's own override in force, None without one; `other` the author of an override in force
    that is not the guard's; `killed` whether the flag is off by an override; `left` whether the guard's own override
    has no guard any more.
    """

    share: float | None = None
    other: str | None = None
    killed: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a driver sees in a round. `now` is in epoch milliseconds.

    `digest` is that of the flag's definition in the current release (`definition_digest`), None if it has gone, and
    `release` that release. `alarms` has each alarm of the plan as firing or not; one that is missing is unknown.
    `aggregates` answer `asks`; None between two looks.
    """

    now: int
    digest: str | None
    release: int
    serving: Serving = Serving()
    alarms: Mapping[str, bool] = field(default_factory=dict)
    aggregates: Aggregates | None = None


class Decision(NamedTuple):
    """What to do: serve `share` percent, or leave what is served if None; and store `state` if it is another."""

    action: Action
    state: GuardState | None
    share: float | None = None
    reasons: tuple[Reason, ...] = ()


def interrupted(plan: GuardPlan, state: GuardState, seen: Seen) -> Decision | None:
    """Pauses a guard whose flag is killed or served otherwise than it says; None if its share is served."""
    serving = seen.serving
    left = None if serving.other or serving.killed else serving.share
    if state.step < 0 and left is not None and left != state.share:
        message = (
            f"an earlier guard has reached {left:g} %, and the file says {plan.begins:g} %: write {left:g} % and "
            "the steps above it into the file, or clear the override"
        )
        reason = Reason("carried", None, message, {"share": left, "begins": plan.begins})
        return Decision(Action.HOLD, state, reasons=(reason,))
    if serving.killed:
        pause = Pause("killed", serving.other or "an operator", seen.now, "the flag was killed")
    elif not is_served(plan, state, serving):
        by = serving.other or "an operator"
        what = "overrode the flag" if serving.other else "removed the guard's override"
        pause = Pause("override", by, seen.now, f"{by} {what}")
    else:
        return None
    if state.pause is None or state.pause.code != pause.code:
        subjects = () if state.pause is None else state.pause.subjects
        after = state.then(pause=replace(pause, subjects=subjects))
    else:
        after = state
    return Decision(Action.HOLD, after, reasons=(pause_reason(pause),))


def has_changed(state: GuardState, seen: Seen) -> bool:
    """Whether Git has changed the flag of a guard that runs.

    Changed and changed back between two rounds, it has left the override without its guard.
    """
    return state.digest != seen.digest or (state.step >= 0 and seen.serving.left)


def is_served(plan: GuardPlan, state: GuardState, serving: Serving) -> bool:
    """Whether the flag is served as the state says, by the guard's override or by the file."""
    if serving.other is not None or serving.killed:
        return False
    return (plan.begins if serving.share is None else serving.share) == state.share


def next_step(plan: GuardPlan, state: GuardState) -> int | None:
    """The index of the first later step above what is served; None after the last."""
    later = range(state.step + 1, len(plan.steps))
    return next((step for step in later if plan.steps[step] > state.share), None)


def take_step(plan: GuardPlan, state: GuardState, seen: Seen, step: int, reasons: tuple[Reason, ...]) -> Decision:
    # A clock that went back must not let units count from before the step.
    since = max(seen.now, state.since, state.looked or 0)
    raised = state.then(
        step=step,
        below=state.share,
        share=plan.steps[step],
        since=since,
        held=0,
        looked=None,
        until=None,
        known=frozenset(),
        pause=None,
        reasons=(),
    )
    return Decision(Action.ADVANCE, raised, raised.share, reasons)


def end(
    state: GuardState, seen: Seen, outcome: Outcome, reasons: tuple[Reason, ...], share: float | None = None
) -> Decision:
    left = state.share if share is None else share
    ended = Ended(outcome, seen.now, left, reasons)
    after = state.then(share=left, pause=None, reasons=(), ended=ended)
    if outcome is Outcome.CHANGED:
        after = replace(after, digest="", plan="")  # whatever guard the flag has from now on is another
    return Decision(Action.DONE, after, reasons=reasons)


def pause_reason(pause: Pause) -> Reason:
    return Reason("paused", pause.by, f"paused by {pause.by}{f': {pause.message}' if pause.message else ''}")
