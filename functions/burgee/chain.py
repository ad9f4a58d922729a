"""The rules of a flag, tried in their order until one answers: those of one flag, or of all flags for one context.

Flags say the same conditions again and again, and draw for the same user: a bulk answer asks each condition once and
encodes the user once. Nothing else differs between the two ways.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.bucketing import DIVIDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from burgee.bucketing import Draw
    from burgee.model import Context, Evaluation

    Evaluate: TypeAlias = Callable[[Context, float], Evaluation]
    Run: TypeAlias = Callable[[Context, float], Evaluation | None]
    Rule: TypeAlias = tuple[int, str | None, Callable[[Any], bool], Run, bytes, Sequence[Any]]

TARGETING_KEY = "targetingKey"
EVERYBODY = 0
"""The number of the condition that everybody meets."""

_number = int.from_bytes


class Condition(NamedTuple):
    """What a rule asks, of one attribute or, where that is None, of the whole context; flags share it."""

    number: int
    attribute: str | None
    matches: Callable[[Any], bool]
    when: Mapping[str, Any]


class Bulk(dict[str, Any]):
    """The context of a bulk answer, which remembers the segments that it is in."""

    __slots__ = ("segments",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.segments: dict[str, bool] = {}


def as_rule(condition: Condition | None, run: Run, draw: Draw | None = None) -> Rule:
    """A condition, none for everybody, and its outcome: `run` gives an answer, or None to pass on.

    Where it is a draw on the targeting key, that draw's suffix and table follow. A plain tuple, which Python takes
    apart several times faster than a named one.
    """
    number, attribute, matches, _ = condition or (EVERYBODY, None, bool, None)
    if draw is None or draw.attribute != TARGETING_KEY:
        return number, attribute, matches, run, b"", ()
    return number, attribute, matches, run, draw.suffix, draw.by_percent


def one(rules: Sequence[Rule]) -> Evaluate:
    """Answers for one flag; the last rule is everybody's and always answers."""
    *tried, default = [(attribute, matches, run) for _, attribute, matches, run, _, _ in rules]
    last: Evaluate = default[2]  # type: ignore[assignment]  # it always answers
    if not tried:
        return last

    def decide(context: Context, now: float) -> Evaluation:
        read = context.get
        for attribute, matches, run in tried:
            if matches(context if attribute is None else read(attribute)):
                answer = run(context, now)
                if answer is not None:
                    return answer
        return last(context, now)

    return decide


def every(
    flags: Iterable[tuple[str, Sequence[Rule]]],
    conditions: int,
    context: Context,
    now: float,
    answers: dict[str, Evaluation],
) -> dict[str, Evaluation]:
    """Fills in the answers of many flags; `conditions` is how many numbers their conditions have."""
    met: list[bool | None] = [None] * conditions
    met[EVERYBODY] = True
    unit = _encoded(context.get(TARGETING_KEY))
    read = context.get
    for name, rules in flags:
        for number, attribute, matches, run, suffix, by_percent in rules:
            meets = met[number]
            if meets is None:
                meets = met[number] = matches(context if attribute is None else read(attribute))
            if meets:
                if suffix and unit:
                    answer = by_percent[_number(sha256(unit + suffix).digest()) % 100]
                    if answer is DIVIDED:
                        answer = run(context, now)
                else:
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
