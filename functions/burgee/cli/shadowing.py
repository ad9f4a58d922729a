"""Opens both sides of `burgee shadow`, reads its contexts, and writes its certificate."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.cli.compared import compared
from burgee.cli.contexts import answered, contexts
from burgee.errors import Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import payload
from burgee.shadow import sources
from burgee.shadow.answers import answer_of, unleash_answer_of
from burgee.shadow.comparison import CONFIDENCE, Comparison, compare
from burgee.times import format_time
from burgee.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from burgee.cli.stores import StoreOptions
    from burgee.shadow.answers import Say
    from burgee.shadow.comparison import FlagComparison
    from burgee.shadow.sources import ShadowSource

UNLEASH = "unleash+"


class Asked(NamedTuple):
    """What is asked: a file of contexts (None for standard input), the time, and flags (empty for all)."""

    contexts: Path | None
    at: float | None
    only: frozenset[str]


class ShadowSide(NamedTuple):
    """One side: its name, its content's SHA-256 (None of a service), and what is asked (None of recorded answers)."""

    name: str
    digest: str | None
    source: ShadowSource | None


class Shadowed(NamedTuple):
    """A comparison and its inputs. `whole` is False if it was interrupted or gave up."""

    old: ShadowSide
    new: ShadowSide
    contexts: str
    digest: str | None
    at: float | None
    found: Comparison
    whole: bool
    changed: bool
    """Whether the contexts changed while they were read: then they have no digest."""

    @property
    def verdict(self) -> str:
        """`same` only if every context was answered by both, and equally."""
        if self.found.differing:
            return "different"
        asked_for = self.found.only <= self.found.flags.keys()
        return "same" if self.found.agrees and self.whole and asked_for and not self.changed else "incomplete"


def shadowed(
    sides: Sequence[tuple[str, str | None]],
    where: StoreOptions,
    asked: Asked,
    progress: Callable[[int], None],
) -> Shadowed:
    """Compares the answers of two sides, each with its API key. Raises Refused if they cannot be compared."""
    say = unleash_answer_of if any(name.startswith(UNLEASH) for name, _key in sides) else answer_of
    old, new = (_side(name, key, where, asked.at, say) for name, key in sides)
    if old.source is None and new.source is None:
        raise Refused("not-asked", "both sides are files of answers: one side must be a system that can be asked")
    recording = next((Path(side.name) for side in (old, new) if side.source is None), None)
    if recording is not None and asked.contexts is not None:
        raise Refused("not-asked", f"{recording} has the contexts already: leave out --contexts")
    read = recording or asked.contexts
    digest = _digest(read)
    found, whole = Comparison(only=asked.only), False
    batches = answered(read, found.leave_out) if recording is not None else _alone(read, found.leave_out)
    with suppress(KeyboardInterrupt):
        whole = compare((old.source, new.source), batches, found, progress, say)
    if not found.contexts and whole:
        raise Refused("no-contexts", found.first_unread or f"{read or 'standard input'} has no contexts")
    changed = digest != _digest(read)
    name = str(read or "standard input")
    return Shadowed(old, new, name, None if changed else digest, asked.at, found, whole, changed)


def certificate(one: Shadowed, *, examples: bool) -> dict[str, Any]:
    """The result as JSON with the digests of its inputs, so that it can be run again. No context is in it unless
    `examples` are asked for.
    """
    most = one.found.most() if one.verdict == "same" else None
    return {
        "burgee": __version__,
        "created_at": format_time(time.time()),
        "verdict": one.verdict,
        "old": {"source": one.old.name, "sha256": one.old.digest},
        "new": {"source": one.new.name, "sha256": one.new.digest},
        "contexts": {"source": one.contexts, "sha256": one.digest},
        "evaluated_at": None if one.at is None else format_time(one.at),
        "only": sorted(one.found.only) or None,
        "at_most": None if most is None else {"share": most, "confidence": CONFIDENCE},
        "result": one.found.record(examples=examples),
    }


def lines(one: Shadowed) -> Iterator[str]:
    """The result for a terminal."""
    found = one.found
    differing = {name: flag for name, flag in found.flags.items() if flag.differences}
    same = sorted(found.flags.keys() - differing.keys())
    total = f"{found.contexts:,} context{'' if found.contexts == 1 else 's'}"
    if not one.whole:
        yield f"stopped after {total}"
    if one.verdict == "same":
        yield f"{total}: the same answers for {_flags(len(same))}"
        yield (
            f"if they are a random sample, at most {(found.most() or 0) * 100:.2g} % of all contexts differ "
            f"({CONFIDENCE:.0%} confidence)"
        )
    elif differing:
        yield f"{total}: {found.differing:,} with a different answer for {_flags(len(differing))}"
    else:
        yield f"{total}: no different answer for {_flags(len(same))}, but this does not show that all are the same"
    yield from _differences(differing)
    yield from _not_compared(one, same)


def _differences(differing: Mapping[str, FlagComparison]) -> Iterator[str]:
    for name, flag in sorted(differing.items(), key=lambda item: -item[1].differing):
        yield f"{name}: {flag.differing:,} of {flag.compared:,} differ"
        for (old, new), each in sorted(flag.differences.items(), key=lambda item: -item[1].count):
            yield f"  {each.count:,}: {_short(old)} -> {_short(new)}, first for context {each.first:,}"


def _not_compared(one: Shadowed, same: Sequence[str]) -> Iterator[str]:
    """Why less was compared than there is."""
    found = one.found
    absent = sorted(found.only - found.flags.keys() - found.only_new)
    if absent:
        yield f"neither answered: {', '.join(absent)}"
    answered_by_both = found.contexts - sum(each.count for each in found.unanswered.values())
    for name in same:
        if found.flags[name].compared < answered_by_both:
            yield f"{name}: {one.old.name} answered it for {found.flags[name].compared:,} contexts only"
    if found.unread:
        yield f"{found.unread:,} left out, no context: first {found.first_unread}"
    if one.changed:
        yield f"{one.contexts} changed while it was read: its digest is not known"
    for fault, each in found.unanswered.items():
        yield f"{each.count:,} not answered: {fault}, first for context {each.first:,}"
    if found.uncounted:
        yield f"{found.uncounted:,} answers were not compared: the old side has too many flags"
    only = sorted(found.only_new - found.flags.keys())
    if only:
        yield f"only in {one.new.name}, not compared: {', '.join(only)}"


def _flags(number: int) -> str:
    return f"{number:,} flag{'' if number == 1 else 's'}"


def _short(answer: str) -> str:
    return answer if len(answer) <= 80 else f"{answer[:77]}..."


def _side(name: str, key: str | None, where: StoreOptions, at: float | None, say: Say) -> ShadowSide:
    if name.startswith(("http://", "https://", UNLEASH)):
        try:
            if name.startswith(UNLEASH):
                source = sources.unleash(name.removeprefix(UNLEASH), key)
                return ShadowSide(f"{UNLEASH}{source.name}", None, source)
            source = sources.ofrep(name, key, say)
        except ValueError as error:
            raise Refused("bad-address", f"{error}; keys are in BURGEE_SHADOW_OLD_KEY and _NEW_KEY") from error
        return ShadowSide(source.name, None, source)
    if Path(name).suffix == ".jsonl":
        if not Path(name).is_file():
            raise Refused("no-such-file", f"there is no {name}")
        return ShadowSide(name, _digest(Path(name)), None)
    given = compared(name, name, where).head
    if given.faults:
        raise Refused("invalid", f"{name}: {given.faults[0]}")
    snapshot = given.snapshot(where.environment)
    asked = sources.RulesetSource(name, Ruleset(snapshot), at, say)
    return ShadowSide(name, hashlib.sha256(payload(snapshot)).hexdigest(), asked)


def _alone(
    path: Path | None, faulty: Callable[[Refused], None]
) -> Iterator[tuple[Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], int]]:
    for batch, size in contexts(path, faulty):
        yield [(context, {}) for context in batch], size


def _digest(path: Path | None) -> str | None:
    if path is None:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
