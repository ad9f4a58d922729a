"""What a guard does next: one function of its plan, its state, what was seen and the clock.

A runner of guards (a command, a task of the server, a scheduled function) does one round for each flag:

    plan, state = plan_of(flag, snapshot), the record of GUARDS, and the pointer's revision, read together
    seen = Seen(now, digest of the flag in Git, release, serving, alarms, aggregates of asks(plan, state) or None)
    decision = decide(plan, state, seen)
    commit, if decision.state is not state: the record (state.py), and if decision.share is not None the override
    that serves this share (`plan.served`; none where it is the share in the file), with the revision that was read

All of it is one commit, conditional on the revision: of two drivers one gets `Conflict` and starts the round again,
and a crash changes nothing or everything. A round may be repeated at any time, and needs no memory but the state.

Rounds without aggregates are cheap: they act on alarms and on what operators do, and never advance. A person's
`pause`, `resume`, `advance`, `approve` and `stop` are functions of the same values, in `interventions`.

Rules:

- A share rises by one step of the plan at a time, once the step was watched for `hold` with usable data, every group
  has its minimum, no test has crossed, and no alarm is firing or unknown. Anything that is not known holds.
- Alarms, and guardrails that are shown to be worse, roll back to where the guard began; with `on_harm: hold` they
  pause it. They do so in a paused guard too, as long as the guard's own share is served. Signals pause.
- An operator's write on the flag, or a kill, pauses the guard, which then writes nothing until a person resumes it.
- A change of the flag in Git ends it at the share that it has reached. If the changed flag has a guard, that begins
  once the share in the file is the one that is served: no step takes back what an earlier one gave.
- A guard that has ended otherwise begins again only once the file has changed its plan, or no longer had it: another
  change of the flag states no steps to a reviewer.
- A step that leaves nobody to compare with is judged by alarms alone, and says so.
- Time counts as watched between two looks at a step, as far as the clock and the records have moved on, and two hours
  at most: a clock that jumps does not shorten `hold`, nor does a driver that was down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.evaluation.bucketing import threshold
from burgee.guards.judgement import Judgement, Reason, judge
from burgee.guards.plan import Group
from burgee.guards.state import GuardState, Outcome, Pause
from burgee.guards.transitions import (
    GUARD,
    Action,
    Decision,
    Seen,
    end,
    has_changed,
    interrupted,
    next_step,
    pause_reason,
    take_step,
)
from burgee.plurals import counted
from burgee.records import NamedTuple, replace
from burgee.times import lasting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.guards.plan import GuardMetric, GuardPlan

GAP = 7_200_000
"""The longest time between two looks, in milliseconds, that counts as watched: looks are hourly at most."""
STALE = 1_800_000
"""The age of the last record, in milliseconds, above which data count as missing."""
SETTLING = 60_000
"""Milliseconds, at most an eighth of `hold`, from a step's commit until every evaluator serves it."""


class Ask(NamedTuple):
    """What a look needs: units in both groups, and their metrics, from their first exposure at or after `since`."""

    step: int
    since: int
    reached: Group
    compared: Group
    metrics: tuple[GuardMetric, ...]


def asks(plan: GuardPlan, state: GuardState) -> Ask | None:
    """What the next look needs; None if nothing is compared now."""
    metrics = (*plan.guardrails, *plan.signals)
    if state.ended is not None or not 0 <= state.step < len(plan.steps) or not metrics:
        return None
    reached = Group(threshold(state.below), threshold(state.share))
    if not reached.low < reached.high <= plan.compared.low < plan.compared.high:
        return None
    return Ask(state.step, state.since + min(SETTLING, plan.hold // 8), reached, plan.compared, metrics)


def decide(plan: GuardPlan | None, state: GuardState | None, seen: Seen) -> Decision:
    """The next action of a guard; `plan` is that of the current release, None if the flag has no guard there."""
    found = _decided(plan, state, seen)
    after = found.state
    if found.action is not Action.HOLD or after is None or after.ended is not None:
        return found
    if after is not state:
        return found._replace(state=replace(after, reasons=found.reasons))
    known = _about(after.reasons)
    if known == _about(found.reasons) or (known and any(one.code == "no-look" for one in found.reasons)):
        return found  # only figures differ, such as the age of records; or the last look says more
    return found._replace(state=after.then(reasons=found.reasons))


def _about(reasons: Sequence[Reason]) -> list[tuple[str, str | None]]:
    return [(one.code, one.subject) for one in reasons]


def _decided(plan: GuardPlan | None, state: GuardState | None, seen: Seen) -> Decision:
    if state is not None and state.ended is None and (plan is None or has_changed(state, seen)):
        reason = Reason("changed", None, f"the flag has changed in Git since release {state.release}")
        return end(state, seen, Outcome.CHANGED, (reason,))
    if plan is None or seen.digest is None:
        gone = state if state is None or not state.plan else state.then(digest="", plan="")
        return Decision(Action.HOLD, gone, reasons=(Reason("no-guard", None, "the flag has no guard"),))
    if state is not None and state.ended is not None and state.plan == plan.digest:
        if state.digest == seen.digest:
            return Decision(Action.DONE, state, reasons=state.ended.reasons)
        same = Reason("same-plan", None, "the flag has changed, and the plan of the guard that has ended has not")
        return Decision(Action.DONE, state.then(digest=seen.digest), reasons=(same,))
    if state is None or state.digest != seen.digest:
        return _round(plan, _begun(plan, seen.digest, state, seen), seen)
    if state.ended is not None:
        return Decision(Action.DONE, state, reasons=state.ended.reasons)
    return _round(plan, state, seen)


def _begun(plan: GuardPlan, digest: str, before: GuardState | None, seen: Seen) -> GuardState:
    """A guard before its first step."""
    version = 1 if before is None else before.version + 1
    state = GuardState(plan.flag, digest, seen.release, -1, plan.begins, plan.begins, seen.now, version)
    return replace(state, plan=plan.digest)


def _round(plan: GuardPlan, state: GuardState, seen: Seen) -> Decision:
    stopped = interrupted(plan, state, seen)
    if stopped is not None:
        return stopped
    firing, unknown = _alarms(plan, state, seen)
    if state.step < 0:
        return _start(plan, state, seen, (*firing, *unknown))
    found = _look(plan, state, seen)
    harms = (*firing, *(one for one in found.judged.harms if one.subject not in state.known))
    if harms and plan.on_harm == "roll_back":
        return _rolled_back(plan, state, seen, harms)
    asked = tuple(one for one in found.judged.asks if one.subject not in state.known)
    bad = (*found.judged.bad, *unknown)
    after = _watched(state, seen.now, found.until, usable=not bad) if found.looked else state
    paused = _paused(after, seen, harms, asked)
    held = _held(plan, after)
    reasons = (*harms, *asked, *bad, *found.judged.waits, *found.notes, *held)
    if paused.pause is not None:
        return Decision(Action.HOLD, paused, reasons=(*reasons, pause_reason(paused.pause)))
    if not found.looked or harms or asked or bad or found.judged.waits or held:
        return Decision(Action.HOLD, after, reasons=reasons)
    return _onward(plan, after, seen, found.notes)


class _Look(NamedTuple):
    """A look's judgement, and whether there was one in this round.

    `notes` are reasons that hold nothing; `until` is the time of the last record, None where only alarms judge.
    """

    judged: Judgement
    looked: bool
    notes: tuple[Reason, ...] = ()
    until: int | None = None


def _look(plan: GuardPlan, state: GuardState, seen: Seen) -> _Look:
    ask, aggregates = asks(plan, state), seen.aggregates
    if ask is None:
        return _uncompared(plan, state)
    if aggregates is None:
        return _Look(Judgement(waits=(Reason("no-look", None, "nothing was measured in this round"),)), looked=False)
    if (aggregates.step, aggregates.since) != (ask.step, ask.since):
        other = Reason("no-data", None, "the aggregates are of another step")
        return _Look(Judgement(waits=(other,)), looked=False)
    found = judge(plan, aggregates, ask.reached.share / (ask.reached.share + ask.compared.share))
    age = seen.now - aggregates.until
    if age > STALE:
        late = Reason("stale", None, f"the last record is {counted(age // 60_000, 'minute')} old", {"age": age})
        found = found._replace(bad=(*found.bad, late))
    if state.until is not None and aggregates.until <= state.until:
        # However slow the driver's clock is, records that have stopped never look recent twice.
        waits = Reason("no-records", None, "no record has arrived since the last look")
        found = found._replace(waits=(*found.waits, waits))
    return _Look(found, looked=True, until=aggregates.until)


def _uncompared(plan: GuardPlan, state: GuardState) -> _Look:
    """A step that only alarms judge: the last one, or any of a guard without metrics."""
    if (plan.guardrails or plan.signals) and state.step < len(plan.steps) - 1:
        message = "this step leaves nobody to compare with, and is not the last one"
        return _Look(Judgement(bad=(Reason("not-compared", None, message),)), looked=True)
    judges = "alarms alone judge it" if plan.alarms else "nothing judges it: the guard has no alarms"
    why = "the guard has no metrics" if not (plan.guardrails or plan.signals) else "it leaves nobody to compare with"
    return _Look(Judgement(), looked=True, notes=(Reason("alarms-alone", None, f"{why}: {judges}"),))


def _alarms(plan: GuardPlan, state: GuardState, seen: Seen) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """The alarms that fire, and those of which nothing is known."""
    watched = [name for name in plan.alarms if name not in state.known]
    firing = tuple(Reason("alarm", name, f"alarm {name} fires") for name in watched if seen.alarms.get(name) is True)
    unknown = tuple(
        Reason("alarm-unknown", name, f"the state of alarm {name} is not known")
        for name in watched
        if seen.alarms.get(name) not in {True, False}
    )
    return firing, unknown


def _start(plan: GuardPlan, state: GuardState, seen: Seen, alarms: Sequence[Reason]) -> Decision:
    """Before the first step."""
    reasons = [*alarms]
    if plan.start is not None and seen.now < plan.start:
        reasons.append(Reason("start", None, "the guard has not started yet", {"start": plan.start}))
    if state.pause is not None:
        reasons.append(pause_reason(state.pause))
    if reasons:
        return Decision(Action.HOLD, state, reasons=tuple(reasons))
    return _onward(plan, state, seen, ())


def _watched(state: GuardState, now: int, until: int | None, *, usable: bool) -> GuardState:
    """The state after a look; the first at a step is where watching begins.

    Without records the latest clock stands in for the latest record: a driver whose clock is behind takes no time
    back, which another would count again.
    """
    known = now if until is None else until
    before = known if state.until is None else state.until
    gained = 0
    if usable and state.looked is not None:
        gained = max(min(now - state.looked, GAP, known - before), 0)
    return state.then(held=state.held + gained, looked=now, until=max(known, before), looks=state.looks + 1)


def _held(plan: GuardPlan, state: GuardState) -> tuple[Reason, ...]:
    if state.held >= plan.hold:
        return ()
    message = f"watched for {lasting(state.held / 1000)} of {lasting(plan.hold / 1000)}"
    return (Reason("hold", None, message, {"held": state.held, "hold": plan.hold}),)


def _paused(state: GuardState, seen: Seen, harms: Sequence[Reason], asked: Sequence[Reason]) -> GuardState:
    """The state, paused by a harm or a signal; what paused it before is kept, with what is new."""
    found = [*harms, *asked]
    if not found:
        return state
    subjects = tuple(dict.fromkeys(one.subject for one in found if one.subject is not None))
    if state.pause is not None:
        known = tuple(dict.fromkeys((*state.pause.subjects, *subjects)))
        return state if known == state.pause.subjects else state.then(pause=replace(state.pause, subjects=known))
    code = "harm" if harms else "signal"
    return state.then(pause=Pause(code, GUARD, seen.now, "; ".join(one.message for one in found), subjects))


def _onward(plan: GuardPlan, state: GuardState, seen: Seen, notes: tuple[Reason, ...]) -> Decision:
    """The next step, or the end; a step that waits for a person waits."""
    step = next_step(plan, state)
    if step is None:
        done = Reason("last-step", None, f"{state.share:g} % is the last step")
        return end(state, seen, Outcome.DONE, (done, *notes))
    if step in plan.approve and step not in state.approved:
        waits = Reason("approval", None, f"step {plan.steps[step]:g} % waits for a person", {"step": step})
        return Decision(Action.HOLD, state, reasons=(waits, *notes))
    return take_step(plan, state, seen, step, notes)


def _rolled_back(plan: GuardPlan, state: GuardState, seen: Seen, reasons: tuple[Reason, ...]) -> Decision:
    ended = end(state, seen, Outcome.ROLLED_BACK, reasons, plan.begins)
    return ended._replace(action=Action.ROLL_BACK, share=plan.begins)
