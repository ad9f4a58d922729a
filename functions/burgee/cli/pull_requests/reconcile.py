"""Opens, updates and closes pull requests: one for the overrides of an environment, and one per proposal.

The next run continues an interrupted one: a branch is read before it is pushed, a pull request is searched before it
is opened, and the outcome of a proposal is written last.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from burgee.cli.pull_requests import words
from burgee.cli.pull_requests.api import ApiError
from burgee.cli.pull_requests.branches import PREFIX
from burgee.cli.source import everywhere, overlay
from burgee.errors import Refused
from burgee.flagfile.compile import compile_file
from burgee.flagfile.editor import write_each
from burgee.flagfile.source import Source
from burgee.releases.guarding import serving
from burgee.releases.proposals import ENDED, AgainstGit, ProposalState, listed, mark, note_run
from burgee.releases.pull import Pulled, pulled, released_definition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from burgee.cli.pull_requests.branches import Edited, Repository
    from burgee.cli.pull_requests.hosts import Host, PullRequest
    from burgee.model import Problem, Snapshot
    from burgee.releases.proposals import Proposal
    from burgee.stores import Store


_ABOUT_ONE = {400, 409, 422}
"""Statuses with which a host refuses one pull request, not the token or everything."""


class Did(StrEnum):
    """What a run did about one pull request."""

    OPENED = "opened"
    PUSHED = "pushed"
    """Only its branch, where no token may open the pull request: a person opens it."""
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    CLOSED = "closed"
    """Closed by this run, because nothing is left."""
    ENDED = "ended"
    """Merged or closed by a person; a proposal's record has been updated."""
    LEFT = "left"
    """Left as it is; `note` says why."""
    OUTDATED = "outdated"


class Reconciled(NamedTuple):
    """One pull request after a run; `needs_person` if a person must act."""

    branch: str
    did: Did
    address: str | None = None
    number: int | None = None
    head: str | None = None
    note: str = ""
    needs_person: bool = False


class Reconciliation(NamedTuple):
    """The results of a run, on a base; `warnings` list what could not be written, and why."""

    base: str
    outcomes: list[Reconciled]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Reconciler:
    """A store, the repository of its flag file `flags`, and the repository's host; `now` in epoch seconds."""

    store: Store
    host: Host
    repository: Repository
    flags: str
    environment: str | None
    now: float
    temporary: bool = False

    def run(self, every: float | None = None) -> Reconciliation:
        """Reconciles once; `every` is the interval of runs in seconds, shown to users who wait."""
        self.host.check()
        self.repository.fetch()
        warnings: list[str] = []
        with self.repository.checked_out() as folder:
            path = folder / self.flags
            if not path.is_file():
                raise Refused(
                    "no-such-file", f"there is no {self.flags} on the base branch; if it moved, name its new path"
                )
            source = Source(path)
            environment = overlay(source, self.environment)
            git = compile_file(path, environment)
            outcomes: list[Reconciled] = []
            with self._refusable(self._branch(), outcomes):
                outcomes += self._overrides(path, git, everywhere(source, environment), warnings)
            waiting = [made for made in listed(self.store, self.now) if made.state not in ENDED]
            for made in reversed(waiting):
                with self._refusable(_branch_of(made), outcomes):
                    outcomes.append(self._proposal(made, path, git, warnings))
        note_run(self.store, self.now, every)
        return Reconciliation(self.repository.base, outcomes, warnings)

    @contextmanager
    def _refusable(self, branch: str, outcomes: list[Reconciled]) -> Iterator[None]:
        """What the host refuses about one pull request holds up no other."""
        try:
            yield
        except ApiError as error:
            if error.status not in _ABOUT_ONE:
                raise
            outcomes.append(Reconciled(branch, Did.LEFT, note=error.explained, needs_person=True))

    def _overrides(self, path: Path, git: Snapshot, reach: str, warnings: list[str]) -> Iterator[Reconciled]:
        every = self.store.state().overrides
        moving = serving(self.store, self.now)
        laid = {flag: override for flag, override in every.items() if flag not in moving}
        found = pulled(
            laid.values(), git["flags"], released_definition(self.store), self.now, temporary=self.temporary
        )
        branch = self._branch()
        environment = git["environment"]
        title = f"Write the live overrides{f' of {environment}' if environment else ''} into {self.flags}"
        edited, found, failing = self._written(path, environment, found, branch, title)
        warnings += [f"{flag}: not written: {why}" for flag, why in found.refused.items()]
        if edited is None:
            yield from self._nothing_left(
                branch, "Nothing is left to write: the file agrees, or the overrides ended."
            )
            return
        mark_of_these = words.marker(branch, words.fingerprint(laid[flag] for flag in found.wanted))
        body = words.of_overrides(found, laid, git, failing, self.now, reach=reach)
        outcome = self._kept(branch, title, f"{mark_of_these}\n{body}", edited, mark_of_these)
        yield _noted(outcome._replace(note=f"written{reach}") if reach and not outcome.note else outcome, failing)

    def _written(
        self, path: Path, environment: str | None, found: Pulled, branch: str, title: str
    ) -> tuple[Edited | None, Pulled, list[Problem]]:
        """The edit of what can be written, and the remaining wanted definitions."""
        unwritable, failing = write_each(path, environment, found.wanted)
        wanted = {flag: definition for flag, definition in found.wanted.items() if flag not in unwritable}
        found = found._replace(wanted=wanted, refused=found.refused | unwritable)
        return self.repository.commit(path.parent, branch, title), found, failing

    def _proposal(self, made: Proposal, path: Path, git: Snapshot, warnings: list[str]) -> Reconciled:
        branch = _branch_of(made)
        there = next(iter(self.host.of_branch(branch)), None)
        if there is not None and there.state in {"merged", "closed"}:
            self._ended(made, there)
            return Reconciled(branch, Did.ENDED, there.address, there.number, note=there.state)
        definition = git["flags"].get(made.edit.flag)
        standing = made.standing(definition)
        if standing is AgainstGit.DONE:
            mark(self.store, made.id, ProposalState.CLOSED, self.now, note="the file already agrees")
            closed = [*self._nothing_left(branch, "The base branch already agrees.")]
            return closed[0] if closed else Reconciled(branch, Did.ENDED, note="the file already agrees")
        if standing is AgainstGit.OUTDATED:
            return self._outdated(made, branch, there, git)
        edited, failing = self._edited(made, git, path, branch, warnings)
        if edited is None:
            return Reconciled(branch, Did.LEFT, note="it cannot be written", needs_person=True)
        name = words.marker(branch, made.id)
        body = words.of_proposal(made, git, failing, self.now, outdated=False)
        outcome = self._kept(branch, made.title, f"{name}\n{body}", edited, name)
        if outcome.number is not None:
            mark(self.store, made.id, ProposalState.OPENED, self.now, address=outcome.address)
        elif outcome.address is not None:
            mark(self.store, made.id, made.state, self.now, note=f"its branch is pushed: {outcome.address}")
        return _noted(outcome, failing)

    def _edited(
        self, made: Proposal, git: Snapshot, path: Path, branch: str, warnings: list[str]
    ) -> tuple[Edited | None, list[Problem]]:
        """The commit of a proposal; a flag is removed from the file, not from one environment."""
        environment = None if made.edit.absent else git["environment"]
        refused, failing = write_each(
            path, environment, {made.edit.flag: made.edit.applied(git["flags"].get(made.edit.flag))}
        )
        edited = self.repository.commit(path.parent, branch, f"{made.title}\n\n{made.why}")
        if edited is None:
            why = refused.get(made.edit.flag, "nothing would change")
            mark(self.store, made.id, made.state, self.now, note=f"it cannot be written: {why}")
            warnings.append(f"proposal {made.id}: {made.edit.flag} cannot be written: {why}")
        return edited, failing

    def _outdated(self, made: Proposal, branch: str, there: PullRequest | None, git: Snapshot) -> Reconciled:
        """A proposal whose flag has changed is not opened; if it is already open, its description says so."""
        if there is None:
            mark(self.store, made.id, ProposalState.OUTDATED, self.now)
            return Reconciled(branch, Did.OUTDATED, note="the flag has changed since")
        body = f"{words.marker(branch, made.id)}\n{words.of_proposal(made, git, [], self.now, outdated=True)}"
        if _differ(there.body, body):
            self.host.describe(there, body)
        mark(self.store, made.id, ProposalState.OPENED, self.now, address=there.address)
        return self._outcome(branch, Did.OUTDATED, there, "the flag has changed since", needs_person=True)

    def _ended(self, made: Proposal, there: PullRequest) -> None:
        if made.state is not ProposalState.OPENED:
            mark(self.store, made.id, ProposalState.OPENED, self.now, address=there.address)
        state = ProposalState.MERGED if there.state == "merged" else ProposalState.CLOSED
        mark(self.store, made.id, state, self.now)

    def _nothing_left(self, branch: str, why: str) -> Iterator[Reconciled]:
        for there in self.host.of_branch(branch):
            if there.state == "open":
                self.host.close(there, why)
                yield Reconciled(branch, Did.CLOSED, there.address, there.number, note=why)
        if self.repository.tip(branch) is not None and self.repository.is_ours(branch):
            self.repository.delete(branch)

    def _kept(self, branch: str, title: str, body: str, edited: Edited, mark_of_these: str) -> Reconciled:
        """Opens or updates the pull request of a branch, or leaves it if people have decided."""
        found = self.host.of_branch(branch)
        there = next((one for one in found if one.state == "open"), None)
        last = next(iter(found), None)
        if there is None and last is not None and last.state == "closed" and last.body.startswith(mark_of_these):
            return self._outcome(branch, Did.LEFT, last, "a person closed it, and nothing has changed since")
        did = Did.UNCHANGED
        if self.repository.tip(branch) is not None:
            if not self.repository.is_ours(branch):
                note = "others have committed to its branch, so it is left to them"
                return self._outcome(branch, Did.LEFT, there, note, needs_person=True)
            if not self.repository.says(branch, edited):
                self.repository.push(branch, edited.commit)
                did = Did.UPDATED
        else:
            self.repository.push(branch, edited.commit)
            did = Did.UPDATED
        if there is None:
            made = self._opened(branch, title, body)
            alone = Did.PUSHED if did is Did.UPDATED else did
            return self._outcome(branch, Did.OPENED if made.number is not None else alone, made)
        if _differ(there.body, body):
            self.host.describe(there, body)
            did = Did.UPDATED
        return self._outcome(branch, did, there)

    def _opened(self, branch: str, title: str, body: str) -> PullRequest:
        """Opens one; if it is there after all, as an answer was lost or another run was first, that one."""
        try:
            return self.host.open(branch, title, body)
        except ApiError as error:
            found = self.host.of_branch(branch) if error.status in _ABOUT_ONE else []
            for one in found:
                if one.state == "open":
                    return one
            raise

    def _outcome(
        self, branch: str, did: Did, there: PullRequest | None, note: str = "", *, needs_person: bool = False
    ) -> Reconciled:
        address, number = (None, None) if there is None else (there.address, there.number)
        return Reconciled(branch, did, address, number, self.repository.tip(branch), note, needs_person)

    def _branch(self) -> str:
        """The branch of the overrides, with the project and environment: its name allows fewer characters."""
        tenant = self.store.tenant
        name = tenant.environment if tenant.project == "default" else f"{tenant.project}-{tenant.environment}"
        plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
        own = f"{tenant.project}/{tenant.environment}"
        clash = plain != name or (tenant.project != "default" and "-" in own)
        return f"{PREFIX}overrides-{plain}{f'-{sha256(own.encode()).hexdigest()[:6]}' if clash else ''}"


def _branch_of(made: Proposal) -> str:
    return f"{PREFIX}proposal-{made.id}"


def _noted(outcome: Reconciled, failing: list[Problem]) -> Reconciled:
    """Notes tests of flags that would fail, as no description says so where only a branch is pushed."""
    if not failing or outcome.did is not Did.PUSHED:
        return outcome
    more = f", and {len(failing) - 1} more" if len(failing) > 1 else ""
    said = f"a test of a flag fails with it: {failing[0]}{more}"
    return outcome._replace(note="; ".join(filter(None, (outcome.note, said))))


def _differ(one: str, other: str) -> bool:
    """Whether two descriptions are equal, apart from line ends and trailing space, which hosts change."""
    return one.replace("\r\n", "\n").rstrip() != other.rstrip()


def summary(run: Reconciliation) -> Mapping[str, object]:
    """A run as JSON."""
    return {
        "base": run.base,
        "pull_requests": [{**one._asdict(), "did": str(one.did)} for one in run.outcomes],
        "warnings": run.warnings,
    }
