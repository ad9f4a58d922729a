"""Counts where two systems agree and where they differ, flag by flag, in memory that does not grow with contexts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.shadow.answers import UNKNOWN, answer_of, recorded
from burgee.shadow.sources import Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from burgee.model import Context
    from burgee.shadow.answers import Say
    from burgee.shadow.sources import ShadowSource

MAX_KINDS = 100
"""Maximum number of pairs of answers of one flag that are counted separately; the rest are counted together."""
MAX_FLAGS = 10_000
MORE = ("other answers", "other answers")
CONFIDENCE = 0.95
TOGETHER = 256
"""Contexts whose answers are in memory at once."""
GIVE_UP = 50
"""Contexts without an answer, one after the other, after which no more are asked."""


class Silence(NamedTuple):
    """What each system means by not answering a flag. The old one may mean nothing by it: then it is not compared."""

    old: str | None = None
    new: str = UNKNOWN


@dataclass(slots=True)
class Difference:
    """How often one answer came for another. `first` is the number of a context, from 1, and `example` that one."""

    first: int
    example: Context
    count: int = 0


@dataclass(slots=True)
class FlagComparison:
    """Contexts for which the old system answered a flag, and the pairs of old and new answers that differ."""

    compared: int = 0
    differences: dict[tuple[str, str], Difference] = field(default_factory=dict)

    @property
    def differing(self) -> int:
        """Contexts with different answers."""
        return sum(one.count for one in self.differences.values())


@dataclass(slots=True)
class Comparison:
    """Every flag that the old system answered; flags of the new one alone are only named."""

    only: frozenset[str] = frozenset()
    """The flags to compare; empty for all."""
    flags: dict[str, FlagComparison] = field(default_factory=dict)
    only_new: set[str] = field(default_factory=set)
    contexts: int = 0
    differing: int = 0
    """Contexts with a different answer for some flag."""
    unanswered: dict[str, Difference] = field(default_factory=dict)
    """Contexts without an answer of one of the systems, by the fault."""
    uncounted: int = 0
    """Answers for flags beyond the first `MAX_FLAGS`."""
    unread: int = 0
    """Records that are not contexts."""
    first_unread: str = ""

    def add(self, context: Context, old: Mapping[str, str], new: Mapping[str, str], silence: Silence) -> None:
        """Counts both systems' answers for a context; `silence` is what each means by not answering a flag."""
        self.contexts += 1
        differs = False
        if silence.old is not None:
            old = {**dict.fromkeys(new, silence.old), **old}
        if self.only:
            old, new = ({name: one for name, one in each.items() if name in self.only} for each in (old, new))
        for name, before in old.items():
            flag = self.flags.get(name)
            if flag is None:
                if len(self.flags) >= MAX_FLAGS:
                    self.uncounted += 1
                    continue
                flag = self.flags[name] = FlagComparison()
            flag.compared += 1
            after = new.get(name, silence.new)
            if before != after:
                differs = True
                pair = before, after
                if pair not in flag.differences and len(flag.differences) >= MAX_KINDS:
                    pair = MORE
                flag.differences.setdefault(pair, Difference(self.contexts, context)).count += 1
        self.differing += differs
        if len(self.only_new) < MAX_FLAGS and new.keys() - old.keys():
            self.only_new |= new.keys() - old.keys()

    def skip(self, context: Context, fault: str) -> None:
        """Counts a context that one of the systems did not answer."""
        self.contexts += 1
        if fault not in self.unanswered and len(self.unanswered) >= MAX_KINDS:
            fault = MORE[0]
        self.unanswered.setdefault(fault, Difference(self.contexts, context)).count += 1

    def leave_out(self, fault: Exception) -> None:
        """Counts a record that is not a context."""
        self.unread += 1
        self.first_unread = self.first_unread or str(fault)

    @property
    def agrees(self) -> bool:
        """Whether both answered every context, with no difference, and there was something to compare."""
        compared = any(flag.compared for flag in self.flags.values())
        return compared and not (self.differing or self.unanswered or self.uncounted or self.unread)

    def most(self) -> float | None:
        """The upper confidence bound of the share of contexts that differ, if the contexts are a random sample and
        none differed; None otherwise. Clopper and Pearson (1934): 1 - (1 - CONFIDENCE)^(1/n).
        """
        return 1 - (1 - CONFIDENCE) ** (1 / self.contexts) if self.agrees else None

    def record(self, *, examples: bool = False) -> dict[str, Any]:
        """The counts as JSON; contexts are only in it if `examples` are asked for."""
        return {
            "contexts": self.contexts,
            "differing_contexts": self.differing,
            "unreadable_records": self.unread,
            "unanswered": [_record(one, examples, fault=fault) for fault, one in self.unanswered.items()],
            "flags": {
                name: {
                    "compared": flag.compared,
                    "differing": flag.differing,
                    "differences": [
                        _record(one, examples, old=pair[0], new=pair[1])
                        for pair, one in sorted(flag.differences.items(), key=lambda item: -item[1].count)
                    ],
                }
                for name, flag in sorted(self.flags.items())
            },
            "only_in_new": sorted(self.only_new - self.flags.keys()),
        }


def _record(one: Difference, examples: bool, **named: str) -> dict[str, Any]:
    shown = {"example": dict(one.example)} if examples else {}
    return {**named, "count": one.count, "first_context": one.first, **shown}


def compare(
    sides: tuple[ShadowSource | None, ShadowSource | None],
    batches: Iterable[tuple[Sequence[tuple[Context, Mapping[str, Any]]], int]],
    found: Comparison,
    progress: Callable[[int], None],
    say: Say = answer_of,
) -> bool:
    """Asks both sides about contexts; the answers that came with the contexts are those of the side that is None.

    `progress` receives the size of each batch when it is counted, `say` writes recorded answers. False if it gave up.
    """
    old, new = sides
    silent = 0
    silence = Silence(None if old is None else old.silence, UNKNOWN if new is None else new.silence or UNKNOWN)
    for batch, size in batches:
        for start in range(0, len(batch), TOGETHER):
            part = batch[start : start + TOGETHER]
            contexts = [context for context, _answers in part]
            given = [answers for _context, answers in part]
            befores = _asked(old, contexts, given, say)
            afters = _asked(new, contexts, given, say)
            for context, before, after in zip(contexts, befores, afters, strict=True):
                if isinstance(before, Unanswered):
                    found.skip(context, f"old: {before}")
                elif isinstance(after, Unanswered):
                    found.skip(context, f"new: {after}")
                else:
                    found.add(context, before, after, silence)
                    silent = -1
                silent += 1
                if silent >= GIVE_UP:
                    return False
        progress(size)
    return True


def _asked(
    side: ShadowSource | None, contexts: Sequence[Context], given: Sequence[Mapping[str, Any]], say: Say
) -> Iterable[Mapping[str, str] | Unanswered]:
    return (_recorded(one, say) for one in given) if side is None else side.answers(contexts)


def _recorded(answers: Mapping[str, Any], say: Say) -> Mapping[str, str] | Unanswered:
    try:
        return recorded(answers, say)
    except RecursionError:
        return Unanswered("an answer that is nested too deeply")
