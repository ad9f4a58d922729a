"""A flag's decisions as sentences with bars: who gets what, in the order in which it is decided."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.decisions import Default, Holdout, Layer, Requires, Rule, Status, Targets
from burgee.evaluation.definition import owners, weights
from burgee.evaluation.explanations import describe
from burgee.times import format_time, parse_time
from burgee.web.console.reading import colours, segments
from burgee.web.console.words import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.diff.symbolic import Side
    from burgee.evaluation.decisions import Allocation, Share
    from burgee.web.console.reading import Segment

MAX_NAMED = 5
ELSE, EVERYBODY = "Everybody else", "Everybody"
"""The line that is last, and the one that is alone."""


class Part(NamedTuple):
    """A variant's share of a bar; `colour` is the number of its class."""

    variant: str
    colour: int
    words: str


class Line(NamedTuple):
    """One decision. `flag` is another flag that it asks; `passed` says who goes on to the next line."""

    title: str
    text: str
    flag: str = ""
    segments: Sequence[Segment] = ()
    parts: Sequence[Part] = ()
    passed: str = ""
    git: str | None = None
    """What Git says, if it is something else."""


def lines(name: str, live: Side, git: Side) -> list[Line]:
    """Every decision of the live flag, with what Git says where that differs; empty if it cannot be served."""
    said = {(one.title, one.flag): one for one in _lines(name, git)}
    found = []
    for line in _lines(name, live):
        other = said.get((line.title, line.flag))
        differs = git.state(name) is not None and other != line
        found.append(line._replace(git=(_git(other) if other else "otherwise")) if differs else line)
    return [found[0]._replace(title=EVERYBODY)] if len(found) == 1 and found[0].title == ELSE else found


def _git(line: Line) -> str:
    return line.text or line.title


def _lines(name: str, side: Side) -> Iterator[Line]:
    state, decided = side.state(name), side.decisions(name)
    if state is None or decided is None:
        return
    coloured = colours(state, side.now)
    off = decided.off or "no value"
    served = {one.name: one.outcome for one in owners(state)}

    def bar(
        serve: Allocation, outcome: Mapping[str, object], share: Fraction
    ) -> tuple[list[Segment], list[Part], Fraction]:
        weighted = {variant: Fraction(str(weight)) for variant, weight in weights(outcome).items()}
        whole = Fraction(100) if "ranges" in outcome else sum(weighted.values())
        shares: dict[str | None, Fraction] = {
            variant: share * weighted[variant] / whole for variant in serve.variants if variant is not None
        }
        parts = [Part(str(one), coloured.get(one, 0), percent(size)) for one, size in shares.items()]
        return segments(shares, coloured, None), parts, sum(shares.values(), Fraction(0))

    for step in decided.steps:
        if isinstance(step, Status):
            yield Line("It is off", f"Everyone gets {off}.", parts=[Part(off, 0, percent(Fraction(1)))])
        elif isinstance(step, Requires):
            yield Line("", f"to give {step.wanted}; others get {off}.", flag=step.flag)
        elif isinstance(step, Holdout):
            text = f"{percent(_size(step.share, side.now))} of users are held out, and get {off}."
            yield Line(f"Holdout {step.holdout}", text)
        elif isinstance(step, Layer):
            low, high = (Fraction(one, BUCKETS) for one in step.share.at(side.now))
            text = f"Only users from {percent(low)} to {percent(high)} of the layer are in; others get {off}."
            yield Line(f"Layer {step.layer}", text)
        elif isinstance(step, Targets):
            yield from _named(step, coloured)
        elif isinstance(step, (Rule, Default)):
            title = step.name if isinstance(step, Rule) else ELSE
            outcome = served.get(step.name if isinstance(step, Rule) else "default", {})
            share = Fraction(1) if step.share is None else _size(step.share, side.now)
            drawn, parts, share = bar(step.serve, outcome, share)
            passed = "" if share == 1 else f"{percent(1 - share)} go on" if isinstance(step, Rule) else ""
            if isinstance(step, Default) and share != 1:
                parts.append(Part(off, coloured.get(decided.off, 0), percent(1 - share)))
            text = _served(step, share, off)
            if "end" in outcome:
                text += f" The rule ends at {format_time(parse_time(str(outcome['end'])))}."
            yield Line(title, text, segments=drawn, parts=parts, passed=passed)


def _named(step: Targets, coloured: Mapping[str | None, int]) -> Iterator[Line]:
    by_variant: dict[str, list[str]] = {}
    for unit, variant in step.variants.items():
        by_variant.setdefault(variant, []).append(unit)
    for variant, units in by_variant.items():
        more = len(units) - MAX_NAMED
        who = ", ".join(units[:MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        yield Line(
            "Named users",
            f"{who} get{'s' if len(units) == 1 else ''} {variant}.",
            segments=segments({variant: Fraction(1)}, coloured, None),
            parts=[Part(variant, coloured.get(variant, 0), "")],
        )


def _served(step: Rule | Default, share: Fraction, off: str) -> str:
    """A rule or the default in a sentence."""
    variants = [variant for variant in step.serve.variants if variant is not None]
    what = f"get one of {', '.join(variants)}" if len(variants) > 1 else f"get {variants[0]}"
    if isinstance(step, Default):
        return f"All {what}." if share == 1 else f"{percent(share)} {what}; the others get {off}."
    required = [f"{one.flag} gives {one.wanted}" for one in step.requires]
    clauses = [*([describe(step.when)] if step.when else []), *required]
    who = f"Users with {' and '.join(clauses)}" if clauses else "Users"
    if share == 1:
        return f"{who} {what}."
    return f"Of {who[0].lower()}{who[1:]}, {percent(share)} {what}. The others go on below."


def _size(share: Share, now: float) -> Fraction:
    low, high = share.at(now)
    return Fraction(max(high - low, 0), BUCKETS)
