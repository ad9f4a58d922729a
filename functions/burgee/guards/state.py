"""The state of one flag's guard between two looks, and its form as a record.

The record is stored in the same commit as the override that serves its share (`releases.overrides`, `stores.Change`):
`Put(GUARDS, flag, value=next.as_record(), before=state.as_record())`, with the pointer's revision that was read. One
of two drivers that decide at once gets `Conflict`, reads again and decides again; a crash leaves both or neither.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from burgee.guards.judgement import Reason
from burgee.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1


class Outcome(StrEnum):
    """How a guard ended."""

    DONE = "done"
    """Its last step was held."""
    ROLLED_BACK = "rolled_back"
    """A harm was shown, and the share is back where it began."""
    CHANGED = "changed"
    """Git changed the flag: the share stays where it was."""
    STOPPED = "stopped"
    """A person ended it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What keeps a guard from moving on: a person, an operator's override, a kill, a signal.

    `code` is `person`, `override`, `killed`, `harm` or `signal`; `by` the person, or "guard". `subjects` are the
    metrics and alarms to which it applies: resuming says that they are known.
    """

    code: str
    by: str
    at: int
    message: str = ""
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a guard ended, at which share in percent, and why, with the numbers."""

    outcome: Outcome
    at: int
    share: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardState:
    """The state of a guard. Times are epoch milliseconds, shares percentages.

    `version` counts changes. `digest` is that of the flag's definition in Git, as a round has last seen it, and
    `release` the version it began with; `plan` is the plan's digest, empty once the flag no longer has that guard.
    `step` is the index of the current step, -1 before the first; `share` what is served, `below` what was served
    before the step: the step reaches the places between. Units count from their first exposure after `since`.
    `held` is how long the step has been watched with usable data, up to the look at `looked`, which knew records up
    to `until`, or clocks where alarms alone judge; `looks` counts them. `approved` are steps that a person allowed,
    `known` the metrics and alarms that a person has seen and that do not act in this step. `reasons` say why the last
    round moved nothing.
    """

    flag: str
    digest: str
    release: int
    step: int
    share: float
    below: float
    since: int
    version: int = 1
    held: int = 0
    looked: int | None = None
    until: int | None = None
    looks: int = 0
    approved: frozenset[int] = frozenset()
    known: frozenset[str] = frozenset()
    pause: Pause | None = None
    ended: Ended | None = None
    plan: str = ""
    reasons: tuple[Reason, ...] = ()

    def then(self, **changes: Any) -> GuardState:
        """The state with changes, and the next version."""
        return replace(self, version=self.version + 1, **changes)

    def as_record(self) -> dict[str, Any]:
        """The state as JSON values."""
        record: dict[str, Any] = {
            "format": FORMAT,
            **{name: getattr(self, name) for name in _PLAIN},
            "approved": sorted(self.approved),
            "known": sorted(self.known),
            "plan": self.plan,
        }
        if self.reasons:
            record["reasons"] = [reason_record(one) for one in self.reasons]
        if self.pause is not None:
            pause = self.pause
            record["pause"] = {**{name: getattr(pause, name) for name in _PAUSE}, "subjects": list(pause.subjects)}
        if self.ended is not None:
            ended = self.ended
            record["ended"] = {
                "outcome": str(ended.outcome),
                "at": ended.at,
                "share": ended.share,
                "reasons": [reason_record(one) for one in ended.reasons],
            }
        return record

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> GuardState:
        """Reads a record. Raises ValueError if a later version wrote it in a form that this one does not know."""
        if record.get("format") != FORMAT:
            raise ValueError(
                f"the guard's state has format {record.get('format')!r}, which this version does not read"
            )
        pause, ended = record.get("pause"), record.get("ended")
        return cls(
            **{name: record[name] for name in _PLAIN},
            approved=frozenset(record["approved"]),
            known=frozenset(record["known"]),
            pause=None
            if pause is None
            else Pause(**{name: pause[name] for name in _PAUSE}, subjects=tuple(pause["subjects"])),
            ended=None
            if ended is None
            else Ended(
                Outcome(ended["outcome"]),
                ended["at"],
                ended["share"],
                tuple(_reason_of(one) for one in ended["reasons"]),
            ),
            plan=record.get("plan", ""),  # a record of an earlier version has neither
            reasons=tuple(_reason_of(one) for one in record.get("reasons", ())),
        )


_PLAIN = (
    "flag",
    "digest",
    "release",
    "step",
    "share",
    "below",
    "since",
    "version",
    "held",
    "looked",
    "until",
    "looks",
)
_PAUSE = ("code", "by", "at", "message")


def reason_record(reason: Reason) -> dict[str, Any]:
    """A reason as JSON values."""
    return {
        "code": reason.code,
        "subject": reason.subject,
        "message": reason.message,
        "numbers": dict(reason.numbers),
    }


def _reason_of(record: Mapping[str, Any]) -> Reason:
    return Reason(record["code"], record["subject"], record["message"], record["numbers"])
