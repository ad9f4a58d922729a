"""Generates one Python function from the rules of a frequently evaluated flag: a fifth faster than a loop over them.

The source holds only the sequence of operators' expressions and which outcomes are draws. Values of the file
(attributes, operands, outcomes) are bound to the function, never written into its source; flags of the same shape
share it.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from burgee.evaluation import definition
from burgee.evaluation.bucketing import DIVIDED
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from burgee.evaluation.rules import CompiledRule, Condition, Evaluate

_CALLED = "{operand}(value)"
_CALLED_WHOLE = "{operand}(context)"


def fuse(rules: Sequence[CompiledRule], conditions: Sequence[Condition]) -> Evaluate:
    """Returns the same answers as `rules.one`."""
    expressions, operands = zip(*map(_expressed, conditions), strict=True)
    attributes = [condition.attribute for condition in conditions]
    runs, suffixes, tables = zip(*(outcome for _, outcome in rules), strict=True)
    drawn = tuple(suffix != b"" for suffix in suffixes)
    return _maker(expressions, drawn)(*attributes, *operands, *runs, *suffixes, *tables)


def _expressed(condition: Condition) -> tuple[str, Any]:
    """A condition as an expression and its operand; most are a call of the compiled condition."""
    if condition.attribute is None:
        return _CALLED_WHOLE, condition.matches
    tests = definition.operands(condition.when[condition.attribute])
    if len(tests) == 1:
        ((operator, operand),) = tests.items()
        inline = OPERATORS[operator].inline
        bound = None if inline is None else inline.bind(operand)
        if inline is not None and bound is not None:
            return inline.expression, bound
    return _CALLED, condition.matches


@lru_cache(maxsize=256)
def _maker(expressions: tuple[str, ...], drawn: tuple[bool, ...]) -> Callable[..., Evaluate]:
    names = [f"{kind}{number}" for kind in ("attribute", "operand") for number in range(len(expressions))]
    names += [f"{kind}{number}" for kind in ("run", "suffix", "table") for number in range(len(drawn))]
    lines = [f"def make({', '.join(names)}):", " def decide(context, now):", "  read = context.get"]
    for number, expression in enumerate(expressions):
        if expression != _CALLED_WHOLE:
            lines.append(f"  value = read(attribute{number})")
        lines.append(f"  if {expression.format(operand=f'operand{number}')}:")
        lines += [f"   {line}" for line in _answered(number, by_draw=drawn[number])]
        lines += ["   if answer is not None:", "    return answer"]
    last = len(expressions)
    lines += [f"  {line}" for line in _answered(last, by_draw=drawn[last])]
    lines += ["  return answer", " return decide"]
    made: dict[str, Any] = {"sha256": sha256, "number": int.from_bytes, "DIVIDED": DIVIDED, "KEY": TARGETING_KEY}
    exec(compile("\n".join(lines), "<fused rules>", "exec"), made)  # noqa: S102  # all parts are from this file
    make: Callable[..., Evaluate] = made["make"]
    return make


def _answered(number: int, *, by_draw: bool) -> list[str]:
    """The code that finds an outcome's answer. As in `rules.every`, a plain string is hashed inline."""
    if not by_draw:
        return [f"answer = run{number}(context, now)"]
    place = f"number(sha256(unit.encode() + suffix{number}).digest()) % 100"
    return [
        "unit = read(KEY)",
        "try:",
        f" answer = table{number}[{place}] if unit.__class__ is str and unit else DIVIDED",
        "except UnicodeEncodeError:",
        " answer = DIVIDED",
        "if answer is DIVIDED:",
        f" answer = run{number}(context, now)",
    ]
