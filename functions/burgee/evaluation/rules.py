"""The rules of a flag, tried in their order until one answers: those of one flag, or of all flags for one context.

Flags say the same conditions again and again, and draw for the same user: a bulk answer asks each condition once and
encodes the user once. Nothing else differs between the two ways.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.evaluation.bucketing import DIVIDED
from burgee.evaluation.context import TARGETING_KEY
from burgee.model import Evaluation, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.evaluation.bucketing import Draw
    from burgee.model import Context

    Evaluate: TypeAlias = Callable[[Context, float], Evaluation]
    Run: TypeAlias = Callable[[Context, float], Evaluation | None]
    CompiledRule: TypeAlias = tuple[int, tuple[Run, bytes, Sequence[Any]]]

_number = int.from_bytes


class Condition(NamedTuple):
    """What a rule asks, of one attribute or, where that is None, of the whole context; flags share it."""

    number: int
    attribute: str | None
    matches: Callable[[Any], bool]
    when: Mapping[str, Any]


EVERYBODY = Condition(0, None, lambda _context: True, {})
"""The first of the conditions of a ruleset."""


_UNDECIDED = Evaluation(None, None, Reason.ERROR)
"""Keeps a flag's place in a bulk answer until it is evaluated."""


def as_rule(condition: Condition | None, run: Run, draw: Draw | None = None) -> CompiledRule:
    """The number of a condition, and its outcome: `run` gives an answer, or None to pass on.

    Where it is a draw on the targeting key, that draw's suffix and table follow. Plain tuples, which Python takes
    apart several times faster than named ones.
    """
    number = (condition or EVERYBODY).number
    if draw is None or draw.attribute != TARGETING_KEY:
        return number, (run, b"", ())
    return number, (run, draw.suffix, draw.by_percent)


def one(rules: Sequence[CompiledRule], conditions: Sequence[Condition]) -> Evaluate:
    """Answers for one flag, from rules whose `conditions` these are; the last has none, and always answers."""
    *runs, last = [run for _, (run, _, _) in rules]
    default: Evaluate = last  # type: ignore[assignment]  # it always answers
    if not runs:
        return default
    tried = [(asked.attribute, asked.matches, run) for asked, run in zip(conditions, runs, strict=True)]

    def decide(context: Context, now: float) -> Evaluation:
        read = context.get
        for attribute, matches, run in tried:
            if matches(context if attribute is None else read(attribute)):
                answer = run(context, now)
                if answer is not None:
                    return answer
        return default(context, now)

    return decide


class Plan(NamedTuple):
    """A bulk answer made ready: every flag in its place, those that answer everybody alike with their answers."""

    answers: dict[str, Evaluation]
    draws: Sequence[tuple[str, Run, bytes, Sequence[Any]]]
    """The flags whose only rule is a draw."""
    ruled: Sequence[tuple[str, Sequence[CompiledRule]]]


def plan(flags: Mapping[str, tuple[Sequence[CompiledRule], Evaluation | None]]) -> Plan:
    """The plan of flags by name, from the rules of each, and what it answers everybody."""
    ruled = [(name, rules) for name, (rules, static) in flags.items() if static is None]
    return Plan(
        {name: static or _UNDECIDED for name, (_, static) in flags.items()},
        [(name, *rules[0][1]) for name, rules in ruled if _is_draw(rules)],
        [(name, rules) for name, rules in ruled if not _is_draw(rules)],
    )


def _is_draw(rules: Sequence[CompiledRule]) -> bool:
    (_, (_, suffix, _)), *more = rules
    return not more and suffix != b""


def every(plan: Plan, conditions: Sequence[Condition], context: Context, now: float) -> dict[str, Evaluation]:
    """Answers for all flags of a plan; `conditions` are by number."""
    answers = plan.answers.copy()
    unit = _encoded(context.get(TARGETING_KEY))
    for name, run, suffix, by_percent in plan.draws:
        answer = by_percent[_number(sha256(unit + suffix).digest()) % 100] if unit else DIVIDED
        # The only rule of a flag answers always.
        answers[name] = run(context, now) if answer is DIVIDED else answer  # type: ignore[assignment]
    met: list[bool | None] = [None] * len(conditions)
    for name, rules in plan.ruled:
        for number, outcome in rules:
            meets = met[number]
            if meets is None:
                _, attribute, matches, _ = conditions[number]
                meets = met[number] = matches(context if attribute is None else context.get(attribute))
            if meets:
                run, suffix, by_percent = outcome
                answer = by_percent[_number(sha256(unit + suffix).digest()) % 100] if suffix and unit else DIVIDED
                if answer is DIVIDED:
                    answer = run(context, now)
                if answer is not None:
                    answers[name] = answer
                    break
    return answers


def _encoded(unit: Any) -> bytes:
    """A plain text as bytes; none for whatever takes the careful way."""
    if unit.__class__ is not str:
        return b""
    try:
        return unit.encode()
    except UnicodeEncodeError:
        return b""
