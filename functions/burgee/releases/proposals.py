"""Proposals: edits of the flag file that wait in the store until a pipeline opens a pull request for each.

A proposal changes nothing that is served. It says what it was made against, so that a flag which has changed since is
not edited blindly. A pipeline that may write proposals and nothing else reports what became of each.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.errors import Conflict, Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import definition_digest
from burgee.flagfile.grammar import normalise
from burgee.model import Override
from burgee.releases.deploy import live
from burgee.stores import Put, Shelf
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.model import Definition, Snapshot
    from burgee.stores import Store
    from burgee.stores.audit import AuditContext

MAX_OPEN = 200
"""As many proposals of a tenant wait or are open at once."""
MAX_BYTES = 100_000
"""An edit is no longer than this as JSON: it is one record of the store."""
MAX_TITLE = 200
ENDED_SECONDS = 90 * 86_400
"""A proposal that is merged or closed is listed for as long."""
ATTEMPTS = 5


class ProposalState(StrEnum):
    """How far a proposal has come."""

    WAITING = "waiting"
    """The next run of the pipeline opens it."""
    OPENED = "opened"
    """There is a pull request, at `address`."""
    OUTDATED = "outdated"
    """The flag has changed since, so it is not opened."""
    MERGED = "merged"
    CLOSED = "closed"


ENDED = frozenset({ProposalState.MERGED, ProposalState.CLOSED})
NEXT: dict[ProposalState, frozenset[ProposalState]] = {
    ProposalState.WAITING: frozenset({ProposalState.OPENED, ProposalState.OUTDATED, ProposalState.CLOSED}),
    ProposalState.OUTDATED: frozenset({ProposalState.WAITING, ProposalState.OPENED, ProposalState.CLOSED}),
    ProposalState.OPENED: frozenset({ProposalState.OUTDATED, ProposalState.MERGED, ProposalState.CLOSED}),
    ProposalState.MERGED: frozenset(),
    ProposalState.CLOSED: frozenset(),
}
"""What may follow each state: a closed proposal is not opened again."""


class Edit(NamedTuple):
    """Keys of one flag to set and to unset, in the grammar of flags.yaml; `absent` takes the flag out."""

    flag: str
    set: Mapping[str, Any] = {}
    unset: tuple[str, ...] = ()
    absent: bool = False

    def applied(self, git: Definition | None) -> dict[str, Any] | None:
        """The definition after the edit; None for a flag that is taken out."""
        if self.absent:
            return None
        return {**{key: value for key, value in (git or {}).items() if key not in self.unset}, **self.set}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal. `base_digest` is that of Git's definition which it was made against, None where Git had none.

    Times are RFC 3339 in UTC.
    """

    id: str
    edit: Edit
    title: str
    why: str
    author: str
    base_digest: str | None
    created_at: str
    updated_at: str
    state: ProposalState = ProposalState.WAITING
    address: str | None = None

    def seen_from(self, snapshot: Snapshot) -> Proposal:
        """The proposal as a release shows it: outdated where its flag has changed since and it is not opened yet."""
        changed = definition_digest(snapshot["flags"].get(self.edit.flag)) != self.base_digest
        if self.state is ProposalState.WAITING and changed:
            return replace(self, state=ProposalState.OUTDATED)
        return self


def create(store: Store, edit: Edit, title: str, act: AuditContext) -> Proposal:
    """A proposal against what Git says in the live release; the reason of the act is its why.

    Raises pydantic.ValidationError where the edited flag is not in the grammar, Refused where it cannot be served,
    where nothing would change, or where too many proposals wait.
    """
    title = title.strip()
    if not title or len(title) > MAX_TITLE or "\n" in title:
        raise Refused("invalid-proposal", f"a title is one line of 1 to {MAX_TITLE} characters")
    if len(json.dumps(edit)) > MAX_BYTES:
        raise Refused("invalid-proposal", f"an edit has at most {MAX_BYTES:,} bytes as JSON: write it in the file")
    _, snapshot = live(store)
    git: Definition | None = snapshot["flags"].get(edit.flag)
    _insist(edit, git, snapshot)
    if sum(one.state not in ENDED for one in listed(store)) >= MAX_OPEN:
        raise Refused("too-many-proposals", f"{MAX_OPEN} proposals wait or are open; withdraw some")
    moment = format_time(act.now)
    key = f"{int(act.now * 1000):013d}-{secrets.token_hex(4)}"
    made = Proposal(key, edit, title, act.reason, act.author, definition_digest(git), moment, moment)
    entry = act.entry(flag=edit.flag, before=git, after=edit.applied(git))
    store.keep([_put(None, made), *act.puts], [entry])
    return made


def find(store: Store, key: str) -> Proposal:
    """One proposal; Refused if there is none."""
    record = store.find(Shelf.PROPOSALS, key)
    if record is None:
        raise Refused("not-found", f"there is no proposal {key!r}")
    return _load(record)


def listed(store: Store) -> list[Proposal]:
    """The tenant's proposals, newest first."""
    records = store.shelf(Shelf.PROPOSALS)
    return [_load(records[key]) for key in sorted(records, reverse=True)]


def withdraw(store: Store, key: str, act: AuditContext) -> Proposal:
    """Closes a proposal that has no pull request yet; Refused where it has one, or has ended."""
    before = find(store, key)
    if before.state not in {ProposalState.WAITING, ProposalState.OUTDATED}:
        where = f": close {before.address}" if before.state is ProposalState.OPENED else ""
        raise Refused("not-waiting", f"the proposal is {before.state}{where}")
    after = replace(before, state=ProposalState.CLOSED, updated_at=format_time(act.now))
    entry = act.entry(flag=before.edit.flag, before={"state": before.state}, after={"state": after.state})
    store.keep([_put(before, after), *act.puts], [entry])
    return after


def mark(store: Store, key: str, state: ProposalState, now: float, *, address: str | None = None) -> Proposal:
    """Writes back what became of a proposal, and where its pull request is; the same again changes nothing.

    One write of one record, without an audit entry, so that who may write proposals alone can do it. Refused where
    the state cannot follow the one that it has, Conflict where others write it all the time.
    """
    for attempt in range(ATTEMPTS):
        before = find(store, key)
        after = replace(before, state=state, address=address or before.address)
        if after == before:
            return before
        if state is not before.state and state not in NEXT[before.state]:
            raise Refused("invalid-proposal", f"a proposal that is {before.state} does not become {state}")
        if state is ProposalState.OPENED and after.address is None:
            raise Refused("invalid-proposal", "a proposal is opened at an address")
        after = replace(after, updated_at=format_time(now))
        try:
            store.keep([_put(before, after)])
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return after
    raise AssertionError("the last attempt answers or raises")


def _insist(edit: Edit, git: Definition | None, snapshot: Snapshot) -> None:
    wanted = edit.applied(git)
    if edit.absent and (edit.set or edit.unset):
        raise Refused("invalid-proposal", "a flag that is taken out has no keys to set or to unset")
    missing = [key for key in edit.unset if key not in (git or {})]
    if missing:
        raise Refused("invalid-proposal", f"{edit.flag}: Git does not say {', '.join(missing)}")
    after = None if wanted is None else normalise(wanted)
    if definition_digest(after) == definition_digest(git):
        raise Refused("unchanged", f"{edit.flag}: Git says so already")
    broken = Ruleset(snapshot, [Override(edit.flag, after, "", "", "", "")]).check()
    if broken:
        raise Refused("invalid-flag", "; ".join(f"{flag} cannot be served: {why}" for flag, why in broken.items()))


def _put(before: Proposal | None, after: Proposal) -> Put:
    until = parse_time(after.updated_at) + ENDED_SECONDS if after.state in ENDED else None
    return Put(Shelf.PROPOSALS, after.id, _record(after), None if before is None else _record(before), until=until)


def _record(proposal: Proposal) -> dict[str, Any]:
    return {**asdict(proposal), "edit": proposal.edit._asdict()}


def _load(record: Mapping[str, Any]) -> Proposal:
    edit = Edit(**{**record["edit"], "unset": tuple(record["edit"]["unset"])})
    return Proposal(**{**record, "edit": edit, "state": ProposalState(record["state"])})
