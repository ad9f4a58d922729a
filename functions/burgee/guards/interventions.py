"""What a person does to a guard: pause, resume, advance, approve, stop. Decisions like a round's, committed alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.errors import Refused
from burgee.guards.judgement import Reason
from burgee.guards.state import GuardState, Outcome, Pause
from burgee.guards.transitions import (
    Action,
    Decision,
    end,
    has_changed,
    interrupted,
    is_served,
    next_step,
    pause_reason,
    take_step,
)

if TYPE_CHECKING:
    from burgee.guards.plan import GuardPlan
    from burgee.guards.transitions import Seen


def pause(plan: GuardPlan, state: GuardState, seen: Seen, by: str, why: str = "") -> Decision:
    """A person stops the guard from advancing. Raises Refused if it has ended or is paused."""
    _check_active(plan, state, seen)
    if state.pause is not None:
        raise Refused("guard-paused", pause_reason(state.pause).message)
    after = state.then(pause=Pause("person", by, seen.now, why))
    return Decision(Action.HOLD, after, reasons=() if after.pause is None else (pause_reason(after.pause),))


def resume(plan: GuardPlan, state: GuardState, seen: Seen, by: str) -> Decision:
    """A person lets a paused guard go on; the harms and signals that paused it no longer act in this step.

    Serves the guard's share again if an operator had overridden it, and then tests the step from the beginning.
    Before the first step it serves nothing: the override has to go. Raises Refused if the guard has ended or is not
    paused, or if the flag is killed.
    """
    _check_active(plan, state, seen)
    if seen.serving.killed:
        how = f"`burgee unkill {state.flag}` or `burgee override clear {state.flag}`"
        raise Refused("flag-killed", f"{state.flag} is killed: {how} first")
    if state.pause is None:
        raise Refused("not-paused", "the guard is not paused")
    known = state.known | {*state.pause.subjects}
    note = (Reason("resumed", by, f"resumed by {by}"),)
    if state.step < 0 or is_served(plan, state, seen.serving):
        return Decision(Action.HOLD, state.then(pause=None, known=known, looked=None, reasons=()), None, note)
    since = max(seen.now, state.since, state.looked or 0)
    again = state.then(pause=None, known=known, since=since, held=0, looked=None, until=None, reasons=())
    return Decision(Action.HOLD, again, state.share, note)


def advance(plan: GuardPlan, state: GuardState, seen: Seen, by: str) -> Decision:
    """A person takes the next step now, whatever the guard waits for; after the last step this ends the guard.

    Raises Refused if the guard has ended, or if the flag is killed or overridden by another author.
    """
    _check_active(plan, state, seen)
    if not is_served(plan, state, seen.serving):
        why = interrupted(plan, state, seen)
        said = "" if why is None else f" ({why.reasons[0].message})"
        what = f"`burgee guard resume {state.flag}` first" if state.step >= 0 else "clear its override first"
        raise Refused("guard-overridden", f"{state.flag} is not served by its guard{said}: {what}")
    note = Reason("stepped", by, f"{by} took this step")
    step = next_step(plan, state)
    if step is None:
        return end(state, seen, Outcome.DONE, (note,))
    return take_step(plan, state, seen, step, (note,))


def approve(plan: GuardPlan, state: GuardState, seen: Seen, by: str) -> Decision:
    """A person allows the next step. Raises Refused if it does not wait for that, or if the guard has ended."""
    _check_active(plan, state, seen)
    step = next_step(plan, state)
    if step is None or step not in plan.approve or step in state.approved:
        raise Refused("nothing-to-approve", "the next step does not wait for a person")
    after = state.then(approved=state.approved | {step}, reasons=())
    note = Reason("approved", by, f"{by} approved step {plan.steps[step]:g} %", {"step": step})
    return Decision(Action.HOLD, after, None, (note,))


def stop(plan: GuardPlan, state: GuardState, seen: Seen, by: str, *, back: bool = False) -> Decision:
    """A person ends the guard, at the share that it has reached or back where it began.

    What another author's override serves stays as it is. Raises Refused if the guard has ended.
    """
    _check_active(plan, state, seen)
    note = (Reason("stopped", by, f"stopped by {by}"),)
    if back and is_served(plan, state, seen.serving):
        return end(state, seen, Outcome.STOPPED, note, plan.begins)._replace(share=plan.begins)
    return end(state, seen, Outcome.STOPPED, note)


def _check_active(plan: GuardPlan, state: GuardState, seen: Seen) -> None:
    if state.ended is not None:
        raise Refused("guard-ended", f"the guard of {plan.flag} has ended: {state.ended.outcome}")
    if has_changed(state, seen):
        raise Refused("flag-changed", f"{plan.flag} has changed in Git: the guard ends with its next round")
