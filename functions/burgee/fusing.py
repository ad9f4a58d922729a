"""The rules of a flag as one Python function, for flags that are asked often: a fifth faster than the loop over them.

Its source says only which of `EXPRESSIONS` follow each other. What a file says (attributes, operands, outcomes) is
bound to it and never written into it, and flags whose expressions follow each other alike share its code.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from burgee.conditions import tests_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.chain import Condition, Evaluate, Rule

LONGEST = 16
"""Flags with more rules than this stay loops."""

_TEXT = "(value.__class__ is str or isinstance(value, str)) and "
_NUMBER = "(value.__class__ is int or isinstance(value, (int, float)) and value.__class__ is not bool) and "
_CALLED = "{operand}(value)"
_CALLED_WHOLE = "{operand}(context)"


def _text(operand: Any) -> str | None:
    return operand if isinstance(operand, str) else None


def _texts(operand: Any) -> tuple[str, ...] | None:
    texts = operand if isinstance(operand, list) else [operand]
    return tuple(texts) if all(isinstance(text, str) for text in texts) else None


def _set(operand: Any) -> frozenset[str] | None:
    texts = _texts(operand)
    return None if texts is None else frozenset(texts)


def _same(operand: Any) -> Any:
    return operand


EXPRESSIONS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "eq": (_text, "value == {operand}"),
    "in": (_set, f"{_TEXT}value in {{operand}}"),
    "starts_with": (_texts, f"{_TEXT}value.startswith({{operand}})"),
    "ends_with": (_texts, f"{_TEXT}value.endswith({{operand}})"),
    "gt": (_same, f"{_NUMBER}value > {{operand}}"),
    "gte": (_same, f"{_NUMBER}value >= {{operand}}"),
    "lt": (_same, f"{_NUMBER}value < {{operand}}"),
    "lte": (_same, f"{_NUMBER}value <= {{operand}}"),
}
"""By operator: what is bound, None where the expression does not hold for the operand, and the expression."""


def fuse(rules: Sequence[Rule], conditions: Sequence[Condition]) -> Evaluate:
    """The same answers as `chain.one` gives."""
    expressions, operands = zip(*map(_expressed, conditions), strict=True)
    attributes = [condition.attribute for condition in conditions]
    runs = [run for _, (run, _, _) in rules]
    return _maker(expressions)(*attributes, *operands, *runs)


def _expressed(condition: Condition) -> tuple[str, Any]:
    """A condition as an expression and its operand; most are a call of what they are compiled to."""
    if condition.attribute is None:
        return _CALLED_WHOLE, condition.matches
    tests = tests_of(condition.when[condition.attribute])
    if len(tests) == 1:
        ((operator, operand),) = tests.items()
        prepare, expression = EXPRESSIONS.get(operator, (_text, _CALLED))
        prepared = prepare(operand)
        if prepared is not None and expression != _CALLED:
            return expression, prepared
    return _CALLED, condition.matches


@lru_cache(maxsize=256)
def _maker(expressions: tuple[str, ...]) -> Callable[..., Evaluate]:
    numbers = range(len(expressions))
    names = [f"{kind}{number}" for kind in ("attribute", "operand", "run") for number in numbers]
    lines = [f"def make({', '.join(names)}, last):", " def decide(context, now):", "  read = context.get"]
    for number, expression in zip(numbers, expressions, strict=True):
        if expression != _CALLED_WHOLE:
            lines.append(f"  value = read(attribute{number})")
        lines += [
            f"  if {expression.format(operand=f'operand{number}')}:",
            f"   answer = run{number}(context, now)",
            "   if answer is not None:",
            "    return answer",
        ]
    lines += ["  return last(context, now)", " return decide"]
    made: dict[str, Any] = {}
    exec(compile("\n".join(lines), "<fused rules>", "exec"), made)  # noqa: S102  # every word of it stands above
    make: Callable[..., Evaluate] = made["make"]
    return make
