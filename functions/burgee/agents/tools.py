"""The tools of agents, as functions over a store: they read, draft proposals, and kill.

What people wrote in flags (descriptions, reasons) is returned as data. No tool reads it to decide anything.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.access.keys import Scope, find, named
from burgee.agents.limits import Limits, excess
from burgee.diff.effect import effects
from burgee.diff.lines import effect_lines
from burgee.diff.records import flag_records
from burgee.diff.timeline import coming
from burgee.errors import InvalidFlag, Refused
from burgee.evaluation.definition import off_variant, states, variants
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.suggestions import near
from burgee.records import NamedTuple
from burgee.releases.deploy import live, write
from burgee.releases.overrides import killed, laid_over, lay, served, with_flags
from burgee.releases.proposals import ENDED, Edit, draft, keep, listed, merged, require_admitted, withdraw
from burgee.stores.audit import AuditContext
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from burgee.diff.flag_effect import FlagEffect
    from burgee.model import Definition, Snapshot
    from burgee.releases.proposals import Proposal
    from burgee.stores import Change, State, Store

    Opened: TypeAlias = Callable[[], AbstractContextManager[Store]]
    Reader: TypeAlias = Callable[[], list[dict[str, Any]]]
    UsageReader: TypeAlias = Callable[[str, str | None], dict[str, Any]]

SECONDS = 8.0
"""Time for computing an effect; beyond it some is sampled, which limits do not accept."""
MAX_FLAGS = 200
MAX_REASON = 500
BY_AGENT = " (agent)"
"""Ends the author of what an agent does."""
AGENT = "agent"
"""The source of an agent's entries in the audit log."""


class Agent(NamedTuple):
    """A caller: the name of its key, and what that allows."""

    name: str = "an agent without a key"
    scopes: frozenset[Scope] = frozenset({Scope.READ})

    def require(self, scope: Scope) -> None:
        """Raises Refused if the key does not allow something."""
        if scope not in self.scopes:
            key = f"an admin key with the scope `{scope}`"
            raise Refused("forbidden", f"{self.name} may not {scope}: this tool needs {key}")

    @property
    def author(self) -> str:
        """Who the audit log names."""
        return f"{self.name}{BY_AGENT}"


READER = Agent()
"""An agent without a key: local only, and read-only."""


def agent_of(store: Store, token: str, now: float) -> Agent:
    """The holder of a key of the store's project and environment. Raises Refused for any other."""
    parts = named(token)
    key = None if parts is None or parts.tenant != store.tenant else find(store, parts.id)
    if key is None or not key.opens(token):
        raise Refused("unauthorized", "unknown key")
    fault = key.fault(now)
    if fault is not None:
        raise Refused("unauthorized", f"the key is {fault}")
    writes = {Scope.KILL} if Scope.WRITE in key.scopes else set()
    return Agent(key.name or key.id, frozenset({*key.scopes, *writes}))


class Tools(NamedTuple):
    """What the tools work on. `stale`, `experiments` and `usage` read what only the machine with the files has."""

    opened: Opened
    stale: Reader
    experiments: Reader
    usage: UsageReader

    def list_flags(self, agent: Agent, query: str = "", limit: int = 50) -> dict[str, Any]:
        """The served flags whose name, description, owner or tags contain a string, by name."""
        agent.require(Scope.READ)
        now = time.time()
        with self.opened() as store:
            state, snapshot = live(store)
        folded = query.casefold()
        found = []
        for name in sorted({**snapshot["flags"], **state.overrides}):
            definition = served(state, snapshot, name, now)
            about = [name, *(str((definition or {}).get(key, "")) for key in ("description", "owner", "tags"))]
            if definition is not None and any(folded in one.casefold() for one in about):
                override = state.overrides.get(name)
                laid = override is not None and override.in_force(now)
                found.append({"flag": name, **definition, "override": laid})
        shown = found[: max(1, min(limit, MAX_FLAGS))]
        return {"flags": shown, "more": len(found) - len(shown), "release": state.pointer.version}

    def explain(self, agent: Agent, flag: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """One user's answer, and each step to it."""
        agent.require(Scope.READ)
        now = time.time()
        with self.opened() as store:
            state, snapshot = live(store)
        _require_flag(flag, state, snapshot, now)
        release = {"version": state.pointer.version}
        return Ruleset(snapshot, state.overrides.values(), release).explain(flag, context, now)

    def effect(self, agent: Agent, edit: Edit) -> dict[str, Any]:
        """Who would see what change by an edit, and whether an agent may propose it."""
        agent.require(Scope.READ)
        now = time.time()
        with self.opened() as store:
            made = draft(store, _checked(edit), "", AuditContext("proposal.create", agent.author, "asked", now))
            found, refused = _effect(store, made, now)
        return {**_effect_record(found), "refused": refused}

    def propose(self, agent: Agent, edit: Edit, why: str, title: str = "") -> dict[str, Any]:
        """Makes a proposal, which changes nothing that is served. Raises Refused if its effect exceeds the limits."""
        agent.require(Scope.PROPOSE)
        act = AuditContext("proposal.create", agent.author, _reason(why), time.time(), source=AGENT)
        with self.opened() as store:
            made = draft(store, _checked(edit), title, act)
            before = _others(store, made, act.now)
            found, refused = _effect(store, made, act.now)
            if refused is None:
                keep(store, made, act)
                if _others(store, made, act.now) != before:  # another agent was at it meanwhile
                    _, refused = _effect(store, made, act.now)
                    if refused is not None:
                        withdraw(store, made.id, act._replace(action="proposal.withdraw", reason=refused))
            if refused is not None:
                raise Refused("beyond-limits", f"{refused} (`review: agents:` of the released file)")
        return {"proposal": _record(made), **_effect_record(found)}

    def proposals(self, agent: Agent) -> list[dict[str, Any]]:
        """Proposals that wait or are open, newest first."""
        agent.require(Scope.READ)
        with self.opened() as store:
            snapshot = live(store)[1]
            found = [one.seen_from(snapshot) for one in listed(store, time.time())]
        return [_record(one) for one in found if one.state not in ENDED]

    def timeline(self, agent: Agent, flag: str | None = None) -> list[dict[str, Any]]:
        """Future changes of one flag or all: schedules, ramps, expiries."""
        agent.require(Scope.READ)
        now = time.time()
        with self.opened() as store:
            state, snapshot = live(store)
        around = laid_over(snapshot, state.overrides.values(), now)
        if flag is not None:
            _require_flag(flag, state, snapshot, now)
        found = coming(around, list(around["flags"]) if flag is None else [flag], now)
        return [{**one._asdict(), "at": format_time(one.at)} for one in found]

    def stale_flags(self, agent: Agent) -> list[dict[str, Any]]:
        """Flags that can be removed, by the history of the flag file in Git."""
        agent.require(Scope.READ)
        return self.stale()

    def flag_usage(self, agent: Agent, since: str = "7d", flag: str | None = None) -> dict[str, Any]:
        """Which flags were asked for in a period such as 7d, by which key, and what they answered."""
        agent.require(Scope.READ)
        return self.usage(since, flag)

    def experiment_status(self, agent: Agent) -> list[dict[str, Any]]:
        """The experiments of the flag file: units so far, health, verdict."""
        agent.require(Scope.READ)
        return self.experiments()

    def kill(self, agent: Agent, flag: str, reason: str) -> dict[str, Any]:
        """Switches a flag off now, for everyone."""
        agent.require(Scope.KILL)
        act = AuditContext("flag.kill", agent.author, _reason(reason), time.time(), source=AGENT)

        def decide(state: State, snapshot: Snapshot) -> Change:
            _require_flag(flag, state, snapshot, act.now)
            definition = served(state, snapshot, flag, act.now) or {}
            return lay(state, snapshot, flag, killed(definition), act)

        with self.opened() as store:
            write(store, decide)
        return {"flag": flag, "status": "off", "by": agent.author, "undo": f"burgee unkill {flag}"}


def _checked(edit: Edit) -> Edit:
    if "review" in {edit.flag, *edit.set, *edit.unset}:
        raise Refused("forbidden", "agents cannot propose `review:`: people set the limits of agents in the file")
    return edit


def _reason(text: str) -> str:
    if not text.strip():
        raise Refused("reason-required", "a reason is needed")
    if len(text) > MAX_REASON:
        raise Refused("invalid-request", f"a reason has at most {MAX_REASON} characters")
    return text


def _require_flag(flag: str, state: State, snapshot: Snapshot, now: float) -> None:
    if served(state, snapshot, flag, now) is None:
        hint = near(flag, {**snapshot["flags"], **state.overrides})
        raise Refused("unknown-flag", f"there is no flag {flag!r}{f' ({hint})' if hint else ''}")


def _effect(store: Store, made: Proposal, now: float) -> tuple[Sequence[FlagEffect], str | None]:
    """The effect on what is served now, and why the limits of the release refuse it, if so.

    The limits hold for the agents' open proposals together with this one, and also once all overrides have ended.
    """
    state, snapshot = live(store)
    before = laid_over(snapshot, state.overrides.values(), now)
    end = time.monotonic() + SECONDS

    def between(before: Snapshot, after: Snapshot) -> Sequence[FlagEffect]:
        return effects(before, after, now, lambda: time.monotonic() > end)

    found = between(before, merged(made.edit, before, snapshot))
    limits = Limits.of(snapshot)
    if limits == Limits():
        return found, None
    if made.edit.absent and snapshot["environment"] is not None:
        return found, f"{made.edit.flag} would be removed in every environment; people remove flags"
    refused = excess(limits, found) or _another_off(limits, made.edit, snapshot)
    if refused is not None:
        return found, refused
    others = _others(store, made, now)
    together = _merged([*reversed(others), made], snapshot)
    if together is None:
        return found, f"another agent's proposal for {made.edit.flag} is open, and the two do not fit together"
    if others:
        wanted = {one.edit.flag: together["flags"].get(one.edit.flag) for one in [*others, made]}
        refused = excess(limits, between(before, with_flags(before, wanted)))
    if refused is None and before["flags"] != snapshot["flags"]:
        refused = excess(limits, between(snapshot, together))
    return found, refused


def _others(store: Store, made: Proposal, now: float) -> list[Proposal]:
    """The other proposals of agents that wait or are open, newest first."""
    every = (one for one in listed(store, now) if one.state not in ENDED and one.id != made.id)
    return [one for one in every if one.author.endswith(BY_AGENT)]


def _another_off(limits: Limits, edit: Edit, snapshot: Snapshot) -> str | None:
    """What a loss is depends on the value that a flag gives while it is off, so no proposal may change that too."""
    before = snapshot["flags"].get(edit.flag)
    after = edit.applied(before)
    if limits.losses or before is None or after is None or _off_values(before) == _off_values(after):
        return None
    return f"{edit.flag} would give another value while it is off; agents may take nothing away"


def _off_values(definition: Definition) -> set[str]:
    every = [one.definition for one in states(definition)]
    return {json.dumps(variants(one).get(off_variant(one) or ""), sort_keys=True) for one in every}


def _merged(made: Sequence[Proposal], snapshot: Snapshot) -> Snapshot | None:
    """A release after proposals, in order; None if the last one does not fit. Others that do not are left out."""
    after = snapshot
    for one in made:
        flag, edit = one.edit.flag, one.edit
        try:
            require_admitted(edit, after)
        except (InvalidFlag, Refused):
            if one is made[-1]:
                return None
            continue
        after = with_flags(after, {flag: edit.applied(after["flags"].get(flag))})
    return after


def _effect_record(found: Sequence[FlagEffect]) -> dict[str, Any]:
    return {"summary": effect_lines(found), "effect": flag_records(found)}


def _record(made: Proposal) -> dict[str, Any]:
    return {**asdict(made), "edit": made.edit._asdict(), "state": str(made.state)}
