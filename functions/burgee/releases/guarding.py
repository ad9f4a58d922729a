"""Runs guards on a store: reads, decides, and commits a guard's state with the override that serves its share.

State and override are one commit: a crash leaves both as they were, and of two drivers one gets `Conflict` and reads
again.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from burgee.errors import BurgeeError, Conflict, Refused, StoreUnavailable
from burgee.evaluation.snapshots import definition_digest
from burgee.guards import interventions
from burgee.guards.driver import decide
from burgee.guards.judgement import Reason
from burgee.guards.plan import begins, guarded, like, plan_of, served, unguarded
from burgee.guards.state import GuardState, Outcome
from burgee.guards.transitions import GUARD, Action, Decision, Seen, Serving, next_step
from burgee.model import Override
from burgee.records import replace
from burgee.releases.deploy import ATTEMPTS, live
from burgee.stores import Change, Put, Shelf
from burgee.stores.audit import AuditContext
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from burgee.guards.aggregates import Aggregates
    from burgee.guards.plan import GuardPlan
    from burgee.model import Definition, Snapshot
    from burgee.stores import State, Store

    Measure = Callable[[GuardPlan, GuardState], Aggregates | None]
    Clock = Callable[[], float]
    """The time, in epoch seconds."""
    Step = Callable[[GuardPlan, GuardState, Seen, str], Decision]
    """One of `burgee.guards.interventions`, such as `pause`; by name at the end."""

UNREADABLE, UNMEASURED, FAILED = "unreadable", "not-measured", "failed"
"""Codes of reasons why a guard cannot be run: its own record, its metrics, or whatever else."""
FAULTS = {UNREADABLE, UNMEASURED, FAILED}
PersonStep = Literal["pause", "resume", "advance", "approve", "stop"]
SECONDS_KEPT = 400 * 86_400
"""Seconds for which the state of a guard that has ended is kept, as evidence."""


class Guard(NamedTuple):
    """A flag's guard as stored: the plan in the release, None if it has none; the state, None before its first round;
    the override in force; the digest of the flag's definition in the release; and why it cannot be run, if it cannot.
    """

    flag: str
    plan: GuardPlan | None
    state: GuardState | None
    override: Override | None
    digest: str | None = None
    fault: str = ""

    @property
    def coming(self) -> tuple[float | None, bool]:
        """The share of the next step, None after the last one, and whether it waits for a person."""
        if self.plan is None or self.state is None:
            return None, False
        step = next_step(self.plan, self.state)
        waits = step in self.plan.approve and step not in self.state.approved
        return (None if step is None else self.plan.steps[step]), waits

    @property
    def is_running(self) -> bool:
        """Whether there is something to do: a guard that has not begun or not ended, or whose flag has changed."""
        state = self.state
        if self.fault:
            return True
        if state is None:
            return self.plan is not None
        if self.plan is None:
            return state.ended is None or bool(state.plan)
        return state.ended is None or state.digest != self.digest

    @property
    def is_serving(self) -> bool:
        """Whether the override in force is that of a step, which the guard moves on or writes the end of."""
        override, state = self.override, self.state
        if override is None or override.author != GUARD or override.definition is None:
            return False
        if guarded(override.definition) is None:
            return False
        # Git has ended a guard whose flag has changed, even if no round has seen it yet.
        return state is None or (state.ended is None and state.step >= 0 and state.digest == self.digest)


class GuardRound(NamedTuple):
    """One round of one guard."""

    flag: str
    plan: GuardPlan | None
    decision: Decision


def person(author: str) -> str:
    """An author as the override of an operator has it: never the name by which guards know their own.

    It is not refused, because the write may be a kill.
    """
    return f"{author} (a person)" if author == GUARD else author


def cause(error: Exception) -> str:
    """What an error says; one that is not of this library with its type."""
    return str(error) if isinstance(error, BurgeeError) else f"{type(error).__name__}: {error}"


def guards(store: Store, now: float) -> list[Guard]:
    """All guards of the release, and those with a state, by flag; `now` in epoch seconds."""
    state, snapshot = live(store)
    records = store.shelf(Shelf.GUARDS)
    names = [name for name, definition in snapshot["flags"].items() if guarded(definition) is not None]
    return [guard_of(state, snapshot, name, records.get(name), now) for name in dict.fromkeys([*names, *records])]


def run(
    store: Store,
    clock: Clock,
    measure: Measure,
    alarms: Mapping[str, bool],
    rang: Mapping[str, float] | None = None,
) -> list[GuardRound]:
    """One round of every guard that has not ended. `measure` answers what a guard asks, None if it cannot.

    `clock` is read when a guard is decided on: that may be long after the round began, and a step begins then. They
    come in another order each time, so that it is not always the same for which no time is left.
    One that cannot be measured, read or written holds, and stops no other. `alarms` are as in `Seen`.
    `rang` has the time at which an alarm went off, in epoch seconds: it counts as firing for a guard whose step had
    begun by then, though it may be over.
    """
    running = [guard.flag for guard in guards(store, clock()) if guard.is_running]
    seen = _Alarms(alarms, rang or {})
    shuffled = random.sample(running, len(running))
    made = {flag: _round(store, flag, clock, measure, seen) for flag in shuffled}
    return [made[flag] for flag in running]


class _Alarms(NamedTuple):
    """Alarms as they are, and when some went off."""

    now: Mapping[str, bool]
    rang: Mapping[str, float]

    def seen_by(self, state: GuardState | None) -> Mapping[str, bool]:
        """Whether each fires for a guard: also one that went off in its step and is over."""
        since = 0 if state is None else state.since
        return {**self.now, **{name: True for name, at in self.rang.items() if at * 1000 >= since}}


def watched_alarms(found: Iterable[Guard]) -> list[str]:
    """The names of the alarms of guards, sorted."""
    return sorted({name for guard in found if guard.plan is not None for name in guard.plan.alarms})


def step_of(name: PersonStep, why: str, *, back: bool = False) -> Step:
    """What a person does, by its name; `back` is where `stop` ends: at the share in the file."""
    steps: dict[PersonStep, Step] = {
        "pause": partial(interventions.pause, why=why),
        "resume": interventions.resume,
        "advance": interventions.advance,
        "approve": interventions.approve,
        "stop": partial(interventions.stop, back=back),
    }
    return steps[name]


def act(
    store: Store, flag: str, by: AuditContext, step: Step, require: Callable[[], None] = lambda: None
) -> GuardRound:
    """A person's step. Raises Refused if the flag has no guard, if the guard does not allow it now, or as `require`
    does, which is called after what is decided on was read.
    """

    met: set[int] = set()

    def decided(guard: Guard, seen: Seen) -> Decision:
        if guard.plan is None or guard.state is None:
            raise Refused("no-guard", f"{flag} has no guard that has begun")
        require()
        met.add(guard.state.step)
        if len(met) > 1:  # another writer was first: the step that this person meant has been taken
            raise Refused("guard-moved", f"the guard of {flag} took a step at this moment: look at it again")
        return step(guard.plan, guard.state, seen, by.author)

    made = _committed(store, flag, lambda: by.now, decided, by)
    for reason in made.decision.reasons:
        if reason.code in {_CANARY.code, UNREADABLE}:
            raise Refused("guard-waits", f"{flag}: {reason.message}")
    return made


def previewing(store: Store, flag: str, by: AuditContext, step: Step) -> Callable[[State, Snapshot], Change]:
    """What a person's step would serve, empty if nothing else; changes nothing. Raises Refused as `act` does."""

    def previewed(state: State, snapshot: Snapshot) -> Change:
        guard = guard_of(state, snapshot, flag, store.find(Shelf.GUARDS, flag), by.now)
        if guard.fault or state.pointer.canary_at(by.now) is not None:
            raise Refused("guard-waits", f"{flag}: {guard.fault or _CANARY.message}")
        if guard.plan is None or guard.state is None:
            raise Refused("no-guard", f"{flag} has no guard that has begun")
        git = snapshot["flags"].get(flag)
        decision = step(guard.plan, guard.state, _seen(state, guard, git, by.now), by.author)
        laid = _laid(git, guard, decision, by)
        return Change(lay=[] if laid is None else [laid])

    return previewed


def _round(store: Store, flag: str, clock: Clock, measure: Measure, alarms: _Alarms) -> GuardRound:
    def decided(guard: Guard, seen: Seen) -> Decision:
        measured, failed = None, list[Reason]()
        if guard.plan is not None and guard.state is not None:
            try:
                measured = measure(guard.plan, guard.state)
            except Exception as error:  # noqa: BLE001 - whatever it is, it holds this guard alone
                failed.append(Reason(UNMEASURED, None, f"its metrics could not be measured: {cause(error)}"))
        known = alarms.seen_by(guard.state)
        found = decide(
            guard.plan, guard.state, replace(seen, now=int(clock() * 1000), aggregates=measured, alarms=known)
        )
        return found._replace(reasons=(*failed, *found.reasons))

    try:
        return _committed(store, flag, clock, decided)
    except StoreUnavailable:
        raise  # the others would wait for it, too
    except Exception as error:  # noqa: BLE001 - as above
        failure = Reason(FAILED, None, f"its round failed: {cause(error)}")
        return GuardRound(flag, None, Decision(Action.HOLD, None, reasons=(failure,)))


def _committed(
    store: Store,
    flag: str,
    clock: Clock,
    decided: Callable[[Guard, Seen], Decision],
    by: AuditContext | None = None,
) -> GuardRound:
    """Reads, decides and commits; again if another writer was first. `by` is who acts, None for the guard itself."""
    for attempt in range(ATTEMPTS):
        now = clock()
        state, snapshot = live(store)
        record = store.find(Shelf.GUARDS, flag)
        guard = guard_of(state, snapshot, flag, record, now)
        if guard.fault:
            unreadable = Reason(UNREADABLE, None, guard.fault)
            return GuardRound(flag, guard.plan, Decision(Action.HOLD, None, reasons=(unreadable,)))
        if state.pointer.canary_at(now) is not None:
            return GuardRound(flag, guard.plan, Decision(Action.HOLD, guard.state, reasons=(_CANARY,)))
        definition = snapshot["flags"].get(flag)
        decision = decided(guard, _seen(state, guard, definition, now))
        if decision.state is None or decision.state is guard.state:
            return GuardRound(flag, guard.plan, decision)
        try:
            said = sentence(decision)
            own = AuditContext(f"guard.{decision.action}", GUARD, said, clock())
            acts = own if by is None else by._replace(reason=f"{by.reason} ({said})" if by.reason else said)
            _write(store, state, definition, guard, decision, record, acts)
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return GuardRound(flag, guard.plan, decision)
    raise AssertionError("the last attempt returns or raises")


def _seen(state: State, guard: Guard, definition: Definition | None, now: float) -> Seen:
    return Seen(
        now=int(now * 1000),
        digest=guard.digest,
        release=state.pointer.version,
        serving=serving_of(guard.override, definition),
    )


def guard_of(state: State, snapshot: Snapshot, flag: str, record: Mapping[str, object] | None, now: float) -> Guard:
    """The guard of one flag in what was read; `record` is its own of the shelf `GUARDS`."""
    override = state.overrides.get(flag)
    laid = override if override is not None and override.in_force(now) else None
    digest = definition_digest(snapshot["flags"].get(flag))
    try:
        known = None if record is None else GuardState.of_record(record)
        return Guard(flag, plan_of(flag, snapshot), known, laid, digest)
    except _WRONG as error:
        why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        return Guard(flag, None, None, laid, digest, f"its record cannot be read: {why}")


def serving_of(override: Override | None, git: Definition | None) -> Serving:
    """What serves a flag, as a guard sees it; `override` is in force."""
    if override is None:
        return Serving()
    laid = override.definition
    if override.author != GUARD or laid is None:
        off = laid is None or not laid.get("status")  # a flag that was taken away is off, too
        killed = off and bool(git and git.get("status"))
        return Serving(other=override.author, killed=killed)
    owner = guarded(laid)
    if owner is None and git is not None and (own := guarded(git)) is not None:
        # A guard has ended there, or a release without it took its share over.
        found = like(own, laid)
        return Serving() if found is None else Serving(share=begins(found), left=True)
    return Serving() if owner is None else Serving(share=begins(owner))


def serving(store: Store, now: float) -> frozenset[str]:
    """The flags whose guard serves a step, by an override that is not to be written into the file yet."""
    state, _ = live(store)
    if state.pointer.canary_at(now) is not None:  # the others' definition is the base's
        every = state.overrides.items()
        return frozenset(
            flag for flag, one in every if one.author == GUARD and one.definition and guarded(one.definition)
        )
    return frozenset(one.flag for one in guards(store, now) if one.fault or one.is_serving)


_WRONG = (ValueError, KeyError, TypeError, AttributeError)
_CANARY = Reason("canary", None, "the release is a canary: not everyone has this flag's definition yet")


def _write(  # noqa: PLR0913, PLR0917 - what was read, and what was decided
    store: Store,
    state: State,
    git: Definition | None,
    guard: Guard,
    decision: Decision,
    record: Mapping[str, object] | None,
    by: AuditContext,
) -> None:
    after = decision.state
    assert after is not None  # noqa: S101 - the caller has asked
    until = None if after.ended is None else by.now + SECONDS_KEPT
    puts = [Put(Shelf.GUARDS, guard.flag, after.as_record(), record, until=until), *by.puts]
    laid = _laid(git, guard, decision, by)
    version = state.pointer.version
    if laid is None:
        entries = [by.entry(flag=guard.flag, release=version)] if _is_news(guard.state, after) else []
        store.keep(puts, entries)
        return
    served_now = git if guard.override is None else guard.override.definition
    entry = by.entry(flag=guard.flag, before=served_now, after=laid.definition, release=version)
    store.commit(Change(lay=[laid], audit=[entry], puts=puts), expected=state.pointer.revision)


def _laid(git: Definition | None, guard: Guard, decision: Decision, by: AuditContext) -> Override | None:
    """The override that serves a decision; None to leave what is served."""
    target = _target(git, guard, decision)
    if target is None or git is None:
        return None
    moment, earlier = format_time(by.now), guard.override
    created = earlier.created_at if earlier is not None and earlier.author == GUARD else moment
    return Override(guard.flag, target, GUARD, by.reason, created, moment, None, definition_digest(git))


def _is_news(before: GuardState | None, after: GuardState) -> bool:
    """Whether a change is one for the audit log: most looks only count the time."""
    known = None if before is None else (before.pause, before.approved, before.ended)
    return known != (after.pause, after.approved, after.ended)


def _target(git: Definition | None, guard: Guard, decision: Decision) -> Definition | None:
    """The definition that an override is to serve; None to leave what is served."""
    after = decision.state
    if git is None or after is None or guarded(git) is None:
        return None
    if guard.state is not None and guard.state.ended is not None and guard.state.ended == after.ended:
        return None
    if after.ended is None:
        return None if decision.share is None else served(git, decision.share)
    ours = guard.override is None or guard.override.author == GUARD
    return unguarded(served(git, after.ended.share)) if ours and after.ended.outcome is not Outcome.CHANGED else None


_MOVES = {Action.ADVANCE, Action.ROLL_BACK}
_VERBS = {Action.ADVANCE: "raised", Action.ROLL_BACK: "rolled back", Action.DONE: "ended", Action.HOLD: "holds"}


def sentence(decision: Decision) -> str:
    """What a round did, for the audit log and the pull request."""
    why = "; ".join(one.message for one in decision.reasons)
    share = decision.share if decision.share is not None else None if decision.state is None else decision.state.share
    verb = _VERBS[decision.action]
    if share is not None:
        verb = f"{verb} {'to' if decision.action in _MOVES else 'at'} {share:g} %"
    return f"{verb}: {why}" if why else verb
