"""A snapshot ready to evaluate: flags are compiled when first needed, with overrides applied."""

from __future__ import annotations

import time
from bisect import bisect_right
from datetime import datetime
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, Any

from burgee.evaluation.bucketing import hash_line, holdout_salt, threshold
from burgee.evaluation.conditions import compile_condition, compile_rule
from burgee.evaluation.context import Bulk
from burgee.evaluation.definition import on_a_cycle, required
from burgee.evaluation.flag import Flag
from burgee.evaluation.rules import EVERYBODY, Condition, as_rule, every, plan
from burgee.evaluation.snapshots import GUARD, uncollected
from burgee.model import ErrorCode, Evaluation, Override, Reason
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from burgee.evaluation.conditions import Matcher
    from burgee.evaluation.rules import BulkPlan, CompiledRule, Evaluate
    from burgee.model import Context, Definition, Snapshot

# What can still be wrong in a definition that passed the checks of a release: anything else is our bug.
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


CYCLE = "its prerequisites form a cycle"
LONGEST = 16
"""Flags with more rules than this keep using the loop."""
OFTEN = 100
"""After so many evaluations by name, the rules of a flag are generated as one function, which costs twice as much as
compiling them.
"""


class ServedFlag(NamedTuple):
    """How a flag answers: the same to everyone at all times if it is `static`, depending on the clock if it is
    `timed`.
    """

    evaluate: Evaluate
    rules: Sequence[CompiledRule]
    """The same, for a bulk answer."""
    timed: bool = False
    static: Evaluation | None = None


class Ruleset:
    """All flags of one environment at one release. Thread-safe."""

    def __init__(
        self,
        snapshot: Snapshot,
        overrides: Iterable[Override] = (),
        release: Mapping[str, str | int] | None = None,
    ) -> None:
        self.release: Mapping[str, str | int] = dict(release or {})
        self.version = int(self.release.get("version", 0))
        self.overrides = {override.flag: override for override in overrides}
        self.snapshot = snapshot
        self._flags: Mapping[str, Definition] = snapshot["flags"]
        self._segments: Mapping[str, Any] = snapshot.get("segments", {})
        self._holdouts: Mapping[str, Any] = snapshot.get("holdouts", {})
        self.exposed: Mapping[str, Any] = snapshot.get("exposed", {})
        self.held: Mapping[str, str] = _held(self._flags, self.exposed) if self.exposed else {}
        self.guarded = frozenset(name[len(GUARD) :] for name in self.exposed if name.startswith(GUARD))
        self.guards: dict[str, Any] = {}
        """What exposures to guards need, by flag, kept as long as the ruleset."""
        self._compiled: dict[str, ServedFlag | None] = {}
        self._ready: dict[str, Callable[[Context, Any], Evaluation]] = {}
        self._plans: dict[tuple[int, bool], BulkPlan] = {}
        self.expiries = sorted({override.until for override in self.overrides.values()})
        """When overrides end, in epoch seconds."""
        self._lines: dict[str, Callable[[str], int]] = {}
        self._matchers: dict[str, Matcher] = {}
        self._conditions: dict[bytes, Condition] = {}
        self._numbered = [EVERYBODY]
        self._cyclic: dict[str, bool] = {}
        self._faults: dict[str, str] = {}
        self._lock = RLock()
        self.written: dict[tuple[str, str, int, str | None], Any] = {}
        """Serialised answers, kept as long as the ruleset."""

    def evaluate(self, flag: str, context: Context, now: datetime | float | None = None) -> Evaluation:
        """Evaluates a flag in a context. Never raises for the contents of the file or the context."""
        try:
            evaluate = self._ready[flag]
        except KeyError:
            evaluate = self._prepare(flag)
        try:
            return evaluate(context, now)
        except RecursionError:  # of a release from before `lint` bounded this
            return _broken(flag, "its segments or prerequisites are nested too deeply")

    def evaluate_all(self, context: Context, now: datetime | float | None = None) -> dict[str, Evaluation]:
        """Evaluates every flag in a context at one time, in the file's order."""
        return self._every(context, _epoch(now), clients=False)

    def _every(self, context: Context, moment: float, *, clients: bool) -> dict[str, Evaluation]:
        since = bisect_right(self.expiries, moment)
        ready = self._plans.get((since, clients)) or self._plan(since, moment, clients=clients)
        if self._segments:
            context = Bulk(context)
        try:
            return every(ready, self._numbered, context, moment)
        except RecursionError:
            return {name: self.evaluate(name, context, moment) for name in ready.answers}

    def names(self, now: datetime | float | None = None) -> list[str]:
        """The served flags: those of the file in its order, then those that exist only as overrides."""
        if not self.overrides:
            return list(self._flags)
        moment = _epoch(now)
        every = {**self._flags, **dict.fromkeys(self.overrides)}
        return [name for name in every if self.definition(name, moment) is not None]

    def definition(self, flag: str, now: datetime | float | None = None) -> Definition | None:
        """The served definition of a flag, with its override; None if it is absent."""
        override = self.override(flag, now)
        return override.definition if override else self._flags.get(flag)

    def override(self, flag: str, now: datetime | float | None = None) -> Override | None:
        """The override in force on a flag."""
        override = self.overrides.get(flag)
        return override if override is not None and override.in_force(_epoch(now)) else None

    def explain(self, flag: str, context: Context, now: datetime | float | None = None) -> dict[str, Any]:
        """The answer and how it was reached: each step, its bucket and threshold; JSON values only."""
        moment = _epoch(now)
        answer = self.evaluate(flag, context, moment)
        override = self.override(flag, moment)
        compiled = self.flag(flag, moment)
        explanation: dict[str, Any] = {
            "flag": flag,
            "value": answer.value,
            "variant": answer.variant,
            "reason": str(answer.reason),
            "error_code": answer.error_code and str(answer.error_code),
            "error_message": answer.error_message,
            "release": dict(self.release),
            "override": override and {"author": override.author, "reason": override.reason},
            "steps": [],
        }
        if compiled is not None:
            from burgee.evaluation.explanations import trace

            explanation["steps"] = trace(compiled, context, moment, self._segments)
        return explanation

    def check(self, flags: Iterable[str] | None = None) -> dict[str, str]:
        """Compiles all flags, or those named, now; returns the fault of each that cannot be served."""
        every = {**self._flags, **self.overrides} if flags is None else list(flags)
        with self._lock:
            for name in every:
                self.prerequisite(name)
                override = self.overrides.get(name)
                for definition in (self._flags.get(name), override.definition if override else None):
                    # Also checks the flag without its override, and as if it were on.
                    self._isolated(name, definition and {**definition, "status": True})
            return {name: self._faults[name] for name in every if name in self._faults}

    def flag(self, name: str, now: float) -> Flag | None:
        """The flag in force at a time (epoch seconds), newly compiled; None if it is absent or broken."""
        definition = self.definition(name, now)
        if definition is None:
            return None
        try:
            return self._flag(name, definition)
        except _BROKEN:
            return None

    def for_clients(self) -> ClientView:
        """The part that browsers and apps may see."""
        return ClientView(self)

    def segment(self, name: str) -> Matcher:
        """The matcher of a segment, compiled once; KeyError if there is none."""
        matcher = self._matchers.get(name)
        if matcher is None:
            matcher = _once(name, compile_condition(self._segments[name], self.segment))
            self._matchers[name] = matcher
        return matcher

    def condition(self, when: Mapping[str, Any]) -> Condition:
        """The condition of a rule, compiled once for all rules with the same condition."""
        key = sha256(repr(when).encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            known = self._conditions.get(key)
            if known is None:
                attribute, matches = compile_rule(when, self.segment)
                known = self._conditions[key] = Condition(len(self._numbered), attribute, matches, when)
                self._numbered.append(known)
        return known

    def line(self, salt: str) -> Callable[[str], int]:
        """The bucket function of a salt, shared by all flags that use it."""
        return self._lines.setdefault(salt, hash_line(salt))

    def holdout(self, name: str) -> float:
        """The percentage of a holdout; KeyError if there is none."""
        percentage: float = self._holdouts[name]["percentage"]
        return percentage

    def answering(self, flag: str, definition: Definition) -> Evaluate:
        """How a flag would answer with another definition, all others as they are. Raises if it cannot be served."""
        return self._flag(flag, definition).evaluate

    def holds_out(self, name: str, unit: str) -> bool:
        """Whether a unit is in a holdout; KeyError if there is none."""
        return self.line(holdout_salt(name))(unit) < threshold(self.holdout(name))

    def metadata(self) -> Mapping[str, Any]:
        """What every answer carries."""
        return self.release

    def prerequisite(self, name: str) -> Evaluate | None:
        """A function that evaluates a flag, compiled on first use; None if there is no such flag."""
        served = self._served(name)
        return served and served.evaluate

    def _served(self, name: str) -> ServedFlag | None:
        if name not in self._compiled:
            if name not in self._flags and name not in self.overrides:
                return None
            with self._lock:
                self._compiled[name] = self._compile(name)
        return self._compiled[name]

    def _prepare(self, name: str) -> Callable[[Context, Any], Evaluation]:
        """The function that answers a caller: reads the clock only if the flag depends on it."""
        served = self._served(name)
        if served is None:
            return _constant(_not_found(name))  # not cached: callers may ask for any name
        self._ready[name] = _clocked(served)
        if 1 < len(served.rules) <= LONGEST:
            self._ready[name] = self._counted(name, served)
        return self._ready[name]

    def _counted(self, name: str, served: ServedFlag) -> Callable[[Context, Any], Evaluation]:
        """Answers, and generates a single function for a flag that is evaluated often."""
        evaluate, left = _clocked(served), OFTEN

        def count(context: Context, now: Any) -> Evaluation:
            nonlocal left
            left -= 1
            if left <= 0:
                from burgee.evaluation.codegen import fuse

                fused = fuse(served.rules, [self._numbered[number] for number, *_ in served.rules[:-1]])
                self._ready[name] = _clocked(served._replace(evaluate=fused))
            return evaluate(context, now)

        return count

    def _plan(self, since: int, moment: float, *, clients: bool) -> BulkPlan:
        """The bulk answer until the next override expires."""
        names = [name for name in self.names(moment) if not clients or _for_clients(self.definition(name, moment))]
        with uncollected():
            served = ((name, self._served(name)) for name in names)
            made = plan({name: (one.rules, one.static) for name, one in served if one})
        self._plans[since, clients] = made
        return made

    def _compile(self, name: str) -> ServedFlag | None:
        override = self.overrides.get(name)
        if override is None:
            return self._isolated(name, self._flags.get(name))
        over = self._isolated(name, override.definition)
        if override.expires_at is None:
            return over
        base = self._isolated(name, self._flags.get(name))
        until = override.until
        absent = _alone(_constant(_not_found(name)))

        def expiring(context: Context, now: float) -> Evaluation:
            return ((over if now < until else base) or absent).evaluate(context, now)

        return _alone(expiring, timed=True)

    def _isolated(self, name: str, definition: Definition | None) -> ServedFlag | None:
        """A flag that cannot be compiled answers with an error; others are not affected."""
        if definition is None:
            return None
        try:
            flag = self._flag(name, definition)
            return ServedFlag(flag.evaluate, flag.rules, flag.timed, flag.static)
        except _BROKEN as error:
            self._faults[name] = _describe(error)
            return _alone(_constant(_broken(name, self._faults[name])))

    def _flag(self, name: str, definition: Definition) -> Flag:
        """Compiles a flag; raises one of `_BROKEN` if it cannot be served."""
        if on_a_cycle(name, self._requires, self._cyclic):
            raise ValueError(CYCLE)
        return Flag(name, definition, self)

    def _requires(self, name: str) -> list[str]:
        """The flags that the served flag requires at any time; empty if it is broken itself."""
        override = self.overrides.get(name)
        served = [] if override is None else [override.definition]
        if override is None or override.expires_at is not None:
            served.append(self._flags.get(name))
        found: list[str] = []
        for definition in served:
            try:
                found += required(definition or {})
            except _BROKEN:
                continue
        return found


class ClientView:
    """The flags of a ruleset with `client: true`; others only decide as prerequisites and are never shown."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self.release = ruleset.release
        self.version = ruleset.version
        self.exposed = ruleset.exposed
        self.held = ruleset.held
        self.holds_out = ruleset.holds_out
        self.guarded = ruleset.guarded
        self.guards = ruleset.guards
        self.answering = ruleset.answering
        self.override = ruleset.override
        self.written = ruleset.written

    def evaluate(self, flag: str, context: Context, now: datetime | float | None = None) -> Evaluation:
        """Evaluates a flag that clients may see."""
        moment = _epoch(now)
        return self._ruleset.evaluate(flag, context, moment) if self._open(flag, moment) else _not_found(flag)

    def evaluate_all(self, context: Context, now: datetime | float | None = None) -> dict[str, Evaluation]:
        """Evaluates every flag that clients may see."""
        return self._ruleset._every(context, _epoch(now), clients=True)  # this is a view of the ruleset

    def names(self, now: datetime | float | None = None) -> list[str]:
        """The flags that clients may see, in the file's order."""
        moment = _epoch(now)
        return [name for name in self._ruleset.names(moment) if self._open(name, moment)]

    def definition(self, flag: str, now: datetime | float | None = None) -> Definition | None:
        """A flag that clients may see, as served."""
        moment = _epoch(now)
        return self._ruleset.definition(flag, moment) if self._open(flag, moment) else None

    def explain(self, flag: str, context: Context, now: datetime | float | None = None) -> dict[str, Any]:
        """How an answer was reached, for a flag that clients may see. Raises KeyError for any other."""
        if not self._open(flag, _epoch(now)):
            raise KeyError(flag)
        return self._ruleset.explain(flag, context, now)

    def _open(self, flag: str, now: float) -> bool:
        return _for_clients(self._ruleset.definition(flag, now))


def _held(flags: Mapping[str, Definition], exposed: Mapping[str, Any]) -> dict[str, str]:
    """The holdout of each flag, if exposures to it are logged."""
    found = {name: state.get("holdout", "") for name, state in flags.items() if isinstance(state, dict)}
    return {name: holdout for name, holdout in found.items() if holdout_salt(holdout) in exposed}


def _epoch(now: datetime | float | None) -> float:
    if now is None:
        return time.time()
    return now.timestamp() if isinstance(now, datetime) else now


def _once(name: str, matcher: Matcher) -> Matcher:
    """A segment's matcher that a bulk evaluation calls once per context."""

    def matches(context: Context) -> bool:
        if not isinstance(context, Bulk):
            return matcher(context)
        known = context.segments.get(name)
        if known is None:
            known = context.segments[name] = matcher(context)
        return known

    return matches


def _for_clients(definition: Definition | None) -> bool:
    return definition is not None and definition.get("client") is True


def _clocked(served: ServedFlag) -> Callable[[Context, Any], Evaluation]:
    """Reads the clock only for a flag that depends on it."""
    evaluate = served.evaluate
    return (lambda context, now: evaluate(context, _epoch(now))) if served.timed else evaluate


def _alone(evaluate: Evaluate, *, timed: bool = False) -> ServedFlag:
    return ServedFlag(evaluate, [as_rule(None, evaluate)], timed)


def _constant(answer: Evaluation) -> Evaluate:
    return lambda _context, _now: answer


def _not_found(flag: str) -> Evaluation:
    return Evaluation(None, None, Reason.ERROR, ErrorCode.FLAG_NOT_FOUND, f"no flag is named {flag!r}")


def _broken(flag: str, why: str) -> Evaluation:
    return Evaluation(None, None, Reason.ERROR, ErrorCode.PARSE_ERROR, f"flag {flag!r} cannot be served: {why}")


def _describe(error: Exception) -> str:
    return f"nothing is named {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
