"""Proposals: edits of the flag file, stored until a pipeline opens a pull request for each.

A proposal does not change what is served. It records the definition it was made against, so that a flag that has
changed since is not edited blindly. A pipeline that may only write proposals reports the outcome of each.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from burgee.errors import Conflict, Refused
from burgee.evaluation.snapshots import definition_digest
from burgee.flagfile.entering import require_unneeded
from burgee.flagfile.flag_grammar import normalise
from burgee.releases.deploy import live
from burgee.releases.overrides import admitted, with_flags
from burgee.stores import Put, Shelf
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.model import Definition, Snapshot
    from burgee.stores import Store
    from burgee.stores.audit import AuditContext

MAX_OPEN = 200
"""Maximum number of waiting and open proposals per tenant."""
MAX_KEPT = 1_000
"""Maximum number of stored proposals, including ended ones."""
MAX_BYTES = 100_000
"""Maximum size of an edit as JSON: it is one record of the store."""
MAX_TITLE = 200
MAX_NOTE = 500
ENDED_SECONDS = 90 * 86_400
"""Seconds for which a merged or closed proposal is still listed."""
ATTEMPTS = 5
_RUN = "run"
"""The id of the only record that is not a proposal."""


class ProposalState(StrEnum):
    """The state of a proposal."""

    WAITING = "waiting"
    """The next run of the pipeline opens it."""
    OPENED = "opened"
    """There is a pull request, at `address`."""
    OUTDATED = "outdated"
    """The flag has changed since, so no pull request is opened."""
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
"""Allowed next states: a closed proposal cannot be reopened."""


class AgainstGit(StrEnum):
    """The relation of a proposal to Git's current definition."""

    FITS = "fits"
    """Git has not changed since it was made."""
    DONE = "done"
    """Git already agrees."""
    OUTDATED = "outdated"
    """Git has changed since it was made."""


class Edit(NamedTuple):
    """Keys of one flag to set and to unset, in the grammar of flags.yaml; `absent` removes the flag."""

    flag: str
    set: Mapping[str, Any] = {}
    unset: tuple[str, ...] = ()
    absent: bool = False

    def applied(self, git: Definition | None) -> dict[str, Any] | None:
        """The definition after the edit, as releases hold it if it is valid; None if the flag is removed."""
        if self.absent:
            return None
        after = {**{key: value for key, value in (git or {}).items() if key not in self.unset}, **self.set}
        try:
            return dict(normalise(after))
        except ValidationError:
            return after


class Run(NamedTuple):
    """A run of the pipeline that opens proposals: its time (RFC 3339), and the interval of runs in seconds."""

    at: str
    every: float | None = None

    def next(self) -> float | None:
        """When the next run is expected, in epoch seconds; None if unknown."""
        return None if self.every is None else parse_time(self.at) + self.every


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal. `base_digest` is that of the definition in Git that it was made against, None if Git had none.

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
    note: str | None = None
    """Why a pipeline could not open a pull request, if so."""

    def standing(self, git: Definition | None) -> AgainstGit:
        """The relation of the edit to Git's current definition."""
        if definition_digest(git) == self.base_digest:
            return AgainstGit.FITS
        is_done = definition_digest(self.edit.applied(git)) == definition_digest(git)
        return AgainstGit.DONE if is_done else AgainstGit.OUTDATED

    def seen_from(self, snapshot: Snapshot) -> Proposal:
        """The proposal against a release: outdated if its flag has changed since and no pull request is open yet."""
        changed = self.standing(snapshot["flags"].get(self.edit.flag)) is AgainstGit.OUTDATED
        if self.state is ProposalState.WAITING and changed:
            return replace(self, state=ProposalState.OUTDATED)
        return self


def draft(store: Store, edit: Edit, title: str, act: AuditContext) -> Proposal:
    """A proposal against Git's definition in the live release, not stored yet; the act's reason is its justification.

    Raises InvalidFlag with all faults that the edit adds, Refused if it cannot be served, if nothing would change, or
    if there are too many proposals.
    """
    _, snapshot = live(store)
    title = title.strip() or titled(edit, is_new=edit.flag not in snapshot["flags"])
    if len(title) > MAX_TITLE or not title.isprintable():
        raise Refused("invalid-proposal", f"a title is one line of 1 to {MAX_TITLE} characters")
    if not act.reason.strip():
        raise Refused("reason-required", "a proposal needs a reason")
    if len(json.dumps(edit)) > MAX_BYTES:
        raise Refused("invalid-proposal", f"an edit has at most {MAX_BYTES:,} bytes as JSON: write it in the file")
    git = require_admitted(edit, snapshot)
    there = listed(store, act.now)
    if sum(one.state not in ENDED for one in there) >= MAX_OPEN or len(there) >= MAX_KEPT:
        raise Refused(
            "too-many-proposals", f"{MAX_OPEN} proposals wait or are open, or {MAX_KEPT:,} are kept; close some"
        )
    moment = format_time(act.now)
    key = f"{int(act.now * 1000):013d}-{secrets.token_hex(4)}"
    return Proposal(key, edit, title, act.reason, act.author, definition_digest(git), moment, moment)


def keep(store: Store, made: Proposal, act: AuditContext) -> None:
    """Stores a drafted proposal."""
    after = {"set": made.edit.set, "unset": made.edit.unset, "absent": made.edit.absent, "title": made.title}
    store.keep([_put(None, made), *act.puts], [act.entry(flag=made.edit.flag, after={"id": made.id, **after})])


def create(store: Store, edit: Edit, title: str, act: AuditContext) -> Proposal:
    """Drafts and stores a proposal; raises what `draft` does."""
    made = draft(store, edit, title, act)
    keep(store, made, act)
    return made


def titled(edit: Edit, *, is_new: bool = False) -> str:
    """The default title of an edit."""
    if edit.absent or is_new:
        return f"{'Remove' if edit.absent else 'Add'} {edit.flag}"[:MAX_TITLE]
    keys = ", ".join(key.replace("_", " ") for key in (*edit.set, *edit.unset))
    return f"Change {keys} of {edit.flag}"[:MAX_TITLE]


def require_admitted(edit: Edit, snapshot: Snapshot) -> Definition | None:
    """The edited flag's definition in a snapshot, None if absent. Raises Refused if it cannot be edited this way."""
    git: Definition | None = snapshot["flags"].get(edit.flag)
    if edit.absent and (edit.set or edit.unset):
        raise Refused("invalid-proposal", "a flag that is removed has no keys to set or unset")
    missing = [key for key in edit.unset if key not in (git or {})]
    if missing:
        raise Refused("invalid-proposal", f"{edit.flag}: Git does not have {', '.join(missing)}")
    after = admitted(edit.flag, edit.applied(git), snapshot)
    if definition_digest(after) == definition_digest(git):
        raise Refused("unchanged", f"{edit.flag}: Git already says so")
    if edit.absent:
        require_unneeded(edit.flag, snapshot)
    return git


def find(store: Store, key: str) -> Proposal:
    """One proposal. Raises Refused if there is none."""
    record = None if key == _RUN else store.find(Shelf.PROPOSALS, key)
    if record is None:
        raise Refused("not-found", f"there is no proposal {key!r}")
    return _load(record)


def listed(store: Store, now: float) -> list[Proposal]:
    """The tenant's proposals, newest first, without those that ended long ago."""
    records = store.shelf(Shelf.PROPOSALS)
    found = (_load(records[key]) for key in sorted(records, reverse=True) if key != _RUN)
    return [one for one in found if one.state not in ENDED or now < parse_time(one.updated_at) + ENDED_SECONDS]


def last_run(store: Store) -> Run | None:
    """The last run of a pipeline on the proposals; None before the first."""
    record = store.find(Shelf.PROPOSALS, _RUN)
    return None if record is None else Run(record["at"], record["every"])


def note_run(store: Store, now: float, every: float | None) -> None:
    """Records that a pipeline is processing the proposals, and its interval in seconds, if known."""
    store.keep([Put(Shelf.PROPOSALS, _RUN, Run(format_time(now), every)._asdict(), blind=True)])


def withdraw(store: Store, key: str, act: AuditContext) -> Proposal:
    """Closes a proposal without a pull request. Raises Refused if it has one, or has ended."""
    before = find(store, key)
    require_waiting(before)
    after = replace(before, state=ProposalState.CLOSED, updated_at=format_time(act.now))
    entry = act.entry(flag=before.edit.flag, before={"state": before.state}, after={"state": after.state})
    store.keep([_put(before, after), *act.puts], [entry])
    return after


def require_waiting(made: Proposal) -> None:
    """Raises Refused for a proposal that has a pull request, or has ended."""
    if made.state not in {ProposalState.WAITING, ProposalState.OUTDATED} or made.address is not None:
        where = f": close {made.address}" if made.address is not None else ""
        raise Refused("not-waiting", f"the proposal is {made.state}{where}")


def merged(edit: Edit, served: Snapshot, git: Snapshot) -> Snapshot:
    """The flags served after an edit of Git's flag is released and its override removed."""
    return with_flags(served, {edit.flag: edit.applied(git["flags"].get(edit.flag))})


def mark(  # noqa: PLR0913 - a proposal and its outcome
    store: Store, key: str, state: ProposalState, now: float, *, address: str | None = None, note: str | None = None
) -> Proposal:
    """Records the outcome of a proposal and the address of its pull request; repeating it changes nothing.

    Writes one record, without an audit entry, so that permission to write proposals is enough. Raises Refused if the
    state cannot follow the current one, Conflict if others keep writing it.
    """
    for attempt in range(ATTEMPTS):
        before = find(store, key)
        after = replace(before, state=state, address=address or before.address, note=note and note[:MAX_NOTE])
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
    raise AssertionError("the last attempt returns or raises")


def _put(before: Proposal | None, after: Proposal) -> Put:
    until = parse_time(after.updated_at) + ENDED_SECONDS if after.state in ENDED else None
    return Put(Shelf.PROPOSALS, after.id, _record(after), None if before is None else _record(before), until=until)


def _record(proposal: Proposal) -> dict[str, Any]:
    return {**asdict(proposal), "edit": proposal.edit._asdict()}


def _load(record: Mapping[str, Any]) -> Proposal:
    edit = Edit(**{**record["edit"], "unset": tuple(record["edit"]["unset"])})
    return Proposal(**{**record, "edit": edit, "state": ProposalState(record["state"])})
