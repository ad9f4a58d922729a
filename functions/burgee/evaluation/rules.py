"""Tries the rules of a flag in order until one answers: for one flag, or for all flags in one context.

Many flags share conditions and hash the same user: bulk evaluation tests each condition once and encodes the user
once. Nothing else differs between the two.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.bucketing import DIVIDED
from burgee.evaluation.context import TARGETING_KEY
from burgee.model import Evaluation, Reason
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.evaluation.bucketing import Draw
    from burgee.model import Context

    Evaluate: TypeAlias = Callable[[Context, float], Evaluation]
    Run: TypeAlias = Callable[[Context, float], Evaluation | None]
    CompiledRule: TypeAlias = tuple[int, tuple[Run, bytes, Sequence[Any]]]

_number = int.from_bytes


class Condition(NamedTuple):
    """The test of a rule: of one attribute or, if that is None, of the whole context. Flags share it."""

    number: int
    attribute: str | None
    matches: Callable[[Any], bool]
    when: Mapping[str, Any]


EVERYBODY = Condition(0, None, lambda _context: True, {})
"""Always true: the first condition of every ruleset."""


_UNDECIDED = Evaluation(None, None, Reason.ERROR)
"""Placeholder for a flag in a bulk answer until it is evaluated."""


def as_rule(condition: Condition | None, run: Run, draw: Draw | None = None) -> CompiledRule:
    """The number of a condition, and its outcome: `run` returns an answer, or None to continue.

    For a draw on the targeting key, the draw's suffix and table follow. Plain tuples, which Python unpacks several
    times faster than named ones.
    """
    number = (condition or EVERYBODY).number
    if draw is None or draw.attribute != TARGETING_KEY:
        return number, (run, b"", ())
    return number, (run, draw.suffix, draw.by_percent)


def one(rules: Sequence[CompiledRule], conditions: Sequence[Condition]) -> Evaluate:
    """Returns the function that answers for one flag; `conditions` are those of the rules, and the last rule always
    answers.
    """
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


class BulkPlan(NamedTuple):
    """A prepared bulk answer: every flag in its place, and the answers of those that answer everyone alike."""

    answers: dict[str, Evaluation]
    draws: Sequence[tuple[str, Run, bytes, Sequence[Any]]]
    """The flags with a draw as their only rule."""
    ruled: Sequence[tuple[str, Sequence[CompiledRule]]]


def plan(flags: Mapping[str, tuple[Sequence[CompiledRule], Evaluation | None]]) -> BulkPlan:
    """Builds the plan from the rules of each flag, by name, and from the answers that are the same for everyone."""
    ruled = [(name, rules) for name, (rules, static) in flags.items() if static is None]
    return BulkPlan(
        {name: static or _UNDECIDED for name, (_, static) in flags.items()},
        [(name, *rules[0][1]) for name, rules in ruled if _is_draw(rules)],
        [(name, rules) for name, rules in ruled if not _is_draw(rules)],
    )


def _is_draw(rules: Sequence[CompiledRule]) -> bool:
    (_, (_, suffix, _)), *more = rules
    return not more and suffix != b""


def every(plan: BulkPlan, conditions: Sequence[Condition], context: Context, now: float) -> dict[str, Evaluation]:
    """Answers for all flags of a plan; `conditions` are indexed by number."""
    answers = plan.answers.copy()
    unit = _encoded(context.get(TARGETING_KEY))
    for name, run, suffix, by_percent in plan.draws:
        answer = by_percent[_number(sha256(unit + suffix).digest()) % 100] if unit else DIVIDED
        # The only rule of a flag always answers.
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
    """A plain string as bytes; empty for values that need the general path."""
    if unit.__class__ is not str:
        return b""
    try:
        return unit.encode()
    except UnicodeEncodeError:
        return b""
