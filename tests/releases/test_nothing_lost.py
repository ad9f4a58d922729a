"""Overrides, commits, pulls, rollbacks and deploys in any order: nothing that an operator or Git said goes untold.

`BURGEE_SAID_RUNS=2000 pytest tests/releases/test_nothing_lost.py` runs more of them.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from burgee.errors import Refused
from burgee.evaluation.snapshots import definition_digest
from burgee.flagfile.compile import compile_file
from burgee.flagfile.editor import write_each
from burgee.releases.deploy import Consent, apply, live, rollback, write
from burgee.releases.overrides import killed, lay, lift, served
from burgee.releases.plan import OverrideVerdict
from burgee.releases.pull import pulled, released_definition
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time

if TYPE_CHECKING:
    from burgee.model import Definition

RUNS = int(os.environ.get("BURGEE_SAID_RUNS", "40"))
NAMES = st.sampled_from(["a", "a", "a", "b"])
KEYS: dict[str, list[Any]] = {
    "status": [True, False],
    "rollout_percentage": [None, 5, 50],
    "owner": [None, "x", "y"],
}
CHANGES = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in KEYS.items()})
NOTHING = object()
CONSENTS = st.sampled_from(["refuse", "keep", "discard"])


class Machine(RuleBasedStateMachine):
    """A file, a store, and what operators said of each key, kept beside by hand."""

    environment: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "flags.yaml"
        self.store = SqliteStore(":memory:")
        self.clock = 1_795_500_000.0
        self.git: dict[str, dict[str, Any]] = {"a": {"status": True}, "b": {"status": True, "owner": "x"}}
        self.said: dict[str, dict[str, Any]] = {}
        """Of each live override the keys that it changed, from what Git said when it was laid."""
        self.laid_over: dict[str, Any] = {}
        """What the release said then, or at the last `keep`."""
        self.released: dict[str, Any] = {}
        self.save()
        apply(self.store, self.compiled(), Origin(), self.act("release.activate"), Consent())
        self.released = self.file()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def act(self, action: str, until: str | None = None) -> AuditContext:
        self.clock += 1
        return AuditContext(action, "ada", "why", self.clock, until)

    def save(self) -> None:
        """Writes the file as a person would: an owner holds everywhere, the rest in the environment."""
        lines = ["version: 1", "environments: [production]", "flags:"]
        for name, keys in self.git.items():
            reported = {
                key: str(value) if key != "status" else "on" if value else "off" for key, value in keys.items()
            }
            everywhere = [f"{key}: {value}" for key, value in reported.items() if key == "owner"]
            here = [f"{key}: {value}" for key, value in reported.items() if key != "owner"]
            if self.environment is None:
                parts = here + everywhere
            else:
                parts = [*everywhere, f"environments: {{production: {{{', '.join(here)}}}}}"]
            lines.append(f"  {name}: {{{', '.join(parts)}}}  # of {name}")
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def compiled(self) -> Any:
        return compile_file(self.path, self.environment)

    def file(self) -> dict[str, Definition]:
        return dict(self.compiled()["flags"])

    def forget(self, flag: str) -> None:
        for kept in (self.said, self.laid_over):
            kept.pop(flag, None)

    @rule(flag=NAMES, change=CHANGES)
    def commit(self, flag: str, change: dict[str, Any]) -> None:
        """A colleague edits a flag, or adds it."""
        keys = {**self.git.get(flag, {"status": True}), **change}
        self.git[flag] = {key: value for key, value in keys.items() if value is not None}
        self.save()

    @rule(flag=NAMES)
    def remove(self, flag: str) -> None:
        if len(self.git) > 1:
            self.git.pop(flag, None)
            self.save()

    @rule(flag=NAMES, change=CHANGES, seconds=st.sampled_from([None, None, None, 30]))
    def override(self, flag: str, change: dict[str, Any], seconds: int | None) -> None:
        until = None if seconds is None else format_time(self.clock + 1 + seconds)
        state, snapshot = live(self.store)
        before = served(state, snapshot, flag, self.clock + 1) or {"status": True}
        wanted = {key: value for key, value in {**before, **change}.items() if value is not None}
        self.lay(flag, wanted, until)

    @rule(flag=NAMES)
    def kill(self, flag: str) -> None:
        current = served(*live(self.store), flag, self.clock + 1)
        if current is not None:
            self.lay(flag, killed(current), None)

    @rule(flag=NAMES)
    def absent(self, flag: str) -> None:
        if served(*live(self.store), flag, self.clock + 1) is not None:
            self.lay(flag, None, None)

    def lay(self, flag: str, wanted: Any, until: str | None) -> None:
        act = self.act("override.set", until)
        write(self.store, lambda state, snapshot: lay(state, snapshot, flag, wanted, act, reuse=True))
        git = self.released.get(flag)
        self.forget(flag)
        override = self.store.state().overrides.get(flag)
        if override is None:
            assert definition_digest(git) == definition_digest(wanted), "no override where Git says the same"
            return
        self.said[flag] = differences(git, override.definition)
        self.laid_over[flag] = git

    @rule(flag=NAMES)
    def clear(self, flag: str) -> None:
        if flag in self.store.state().overrides:
            act = self.act("override.clear")
            write(self.store, lambda state, snapshot: lift(state, snapshot, flag, act))
            self.forget(flag)

    @rule(seconds=st.sampled_from([10, 60]))
    def wait(self, seconds: int) -> None:
        self.clock += seconds

    @rule(overrides=CONSENTS)
    def deploy(self, overrides: Any) -> None:
        before = self.store.state()
        file = self.file()
        act = self.act("release.activate")
        try:
            made = apply(
                self.store, self.compiled(), Origin(), act, Consent(overrides, empty=True, shrunken=True, reuse=True)
            )
        except Refused as refusal:
            assert overrides == "refuse"
            assert self.store.state() == before
            named = [flag for flag in before.overrides if flag in str(refusal)]
            assert named, "a refusal names what it is about"
            return
        self.went(before, made, file, overrides)
        self.released = file

    @rule(back=st.integers(1, 4), overrides=CONSENTS)
    def roll_back(self, back: int, overrides: Any) -> None:
        versions = [release.version for release in self.store.releases(limit=100)]
        if back >= len(versions):
            return
        before, act = self.store.state(), self.act("release.rollback")
        try:
            made = rollback(self.store, versions[back], act, Consent(overrides))
        except Refused:
            assert overrides == "refuse"
            assert self.store.state() == before
            return
        assert not made.having(OverrideVerdict.ABSORBED), "it is not Git that says the same"
        git = dict(live(self.store)[1]["flags"])
        self.went(before, made, git, overrides)
        self.released = git

    def went(self, before: Any, made: Any, git: dict[str, Any], overrides: str) -> None:
        """What a deploy or a rollback did to overrides is reported by its plan and by the audit log, and is right."""
        verdicts = {standing.override.flag: standing.verdict for standing in made.standings}
        assert verdicts.keys() == before.overrides.keys(), "a plan names every override"
        after = self.store.state().overrides
        for flag, verdict in verdicts.items():
            action = self.store.audit(limit=1, flag=flag)[0].action
            if flag in after:
                assert verdict in {OverrideVerdict.KEPT, OverrideVerdict.CONFLICT}
                if verdict is OverrideVerdict.CONFLICT:
                    assert (overrides, action) == ("keep", "override.keep")
                    self.laid_over[flag] = git.get(flag)
                elif definition_digest(git.get(flag)) != definition_digest(before.overrides[flag].definition):
                    assert definition_digest(git.get(flag)) == definition_digest(self.laid_over[flag]), (
                        "Git's change is hidden by an override only if a person chose it"
                    )
                continue
            if verdict is OverrideVerdict.EXPIRED:
                assert action == "override.expire"
            elif verdict is OverrideVerdict.CONFLICT:
                assert (overrides, action) == ("discard", "override.discard")
            else:
                assert (verdict, action) == (OverrideVerdict.ABSORBED, "override.absorb")
                for key, value in self.said[flag].items():
                    assert (git.get(flag) or {}).get(key, NOTHING) == value, "Git says what the operator said"
            self.forget(flag)

    @rule(temporary=st.booleans())
    def pull(self, temporary: bool) -> None:
        """Writes into the file what is live: no colleague's commit is written over, and nothing is silent."""
        before, state = self.file(), self.store.state()
        text = self.path.read_text(encoding="utf-8")
        found = pulled(
            state.overrides.values(), before, released_definition(self.store), self.clock, temporary=temporary
        )
        unwritable, _ = write_each(self.path, self.environment, found.wanted)
        refused = found.refused | unwritable
        after = self.file()
        comments = [f"# of {flag}" for flag in before.keys() & after.keys() if f"# of {flag}" in text]
        assert all(comment in self.path.read_text(encoding="utf-8") for comment in comments)
        for flag in {*before, *after}:
            written = flag in found.wanted and flag not in refused
            if not written:
                assert after.get(flag) == before.get(flag), "what is not reported is not touched"
                continue
            said, base = self.said[flag], self.laid_over[flag]
            colleague = differences(base, before.get(flag))
            for key in {*(after.get(flag) or {}), *(before.get(flag) or {})}:
                now, was = (after.get(flag) or {}).get(key, NOTHING), (before.get(flag) or {}).get(key, NOTHING)
                if now == was:
                    continue
                override = state.overrides[flag].definition or {}
                assert now == override.get(key, NOTHING), "only what the operator said is written"
                assert key not in colleague or colleague[key] == now, "a colleague's commit stays"
            for key, value in said.items():
                assert (after.get(flag) or {}).get(key, NOTHING) == value
        for flag, laid in state.overrides.items():
            if not laid.in_force(self.clock):
                continue
            reported = flag in found.wanted or flag in refused or flag in found.temporary
            same = all((after.get(flag) or {}).get(k, NOTHING) == v for k, v in self.said[flag].items())
            assert reported or same, "an override is written, or the reason is reported"
        self.git = {flag: dict(definition) for flag, definition in after.items()}

    @invariant()
    def what_operators_said_is_served(self) -> None:
        state, snapshot = live(self.store)
        assert dict(snapshot["flags"]) == self.released
        assert state.overrides.keys() == self.said.keys(), "no override goes or comes by itself"
        for flag, said in self.said.items():
            override = state.overrides[flag]
            if override.in_force(self.clock):
                definition = served(state, snapshot, flag, self.clock) or {}
                assert {key: definition.get(key, NOTHING) for key in said} == said


class InOneEnvironment(Machine):
    environment = "production"


def differences(before: Definition | None, after: Definition | None) -> dict[str, Any]:
    """The keys that differ, as they are after; NOTHING for one that is not there."""
    old, new = before or {}, after or {}
    return {key: new.get(key, NOTHING) for key in {*old, *new} if old.get(key, NOTHING) != new.get(key, NOTHING)}


@pytest.mark.parametrize("machine", [Machine, InOneEnvironment])
def test_nothing_that_was_said_goes_unreported(machine: type[Machine]) -> None:
    case = machine.TestCase
    case.settings = settings(max_examples=RUNS, stateful_step_count=15, suppress_health_check=list(HealthCheck))
    case("runTest").debug()


def test_git_has_not_caught_up_with_an_override_that_was_kept_where_it_has_only_some_of_its_keys() -> None:
    """Laid over on and 50, kept over off and 20: that it said off shows nowhere any more."""
    machine = Machine()
    machine.commit("a", {"rollout_percentage": 50})
    machine.deploy("refuse")
    machine.override("a", {"status": False, "rollout_percentage": 5}, None)
    machine.commit("a", {"status": False, "rollout_percentage": 20})
    machine.deploy("keep")
    machine.what_operators_said_is_served()
    machine.commit("a", {"status": True, "rollout_percentage": 5})
    machine.pull(False)
    machine.deploy("refuse")
    machine.what_operators_said_is_served()
    assert machine.store.state().overrides["a"].definition == {"status": False, "rollout_percentage": 5}
    machine.teardown()
