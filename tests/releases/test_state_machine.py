"""Deploys, rollbacks, overrides, collections and crashes in any order, against a model of what must hold.

`BURGEE_STATE_RUNS=2000 pytest tests/test_state_machine.py` runs more of them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from moto import mock_aws

from burgee.errors import Conflict, NotFound, Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import definition_digest, load_snapshot, payload
from burgee.releases.deploy import CanaryRequest, Consent, apply, live, promote, rollback, withdraw, write
from burgee.releases.overrides import lay, lift
from burgee.releases.plan import OverrideVerdict, plan
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    from burgee.stores import Store

NAMES = ["a", "b", "c"]
DEFINITIONS: list[dict[str, Any]] = [
    {"status": True},
    {"status": False},
    {"status": True, "rollout_percentage": 50},
    {"status": True, "rules": [{"when": {"segment": "staff"}}], "default": {"serve": "off"}},
]
FILES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(DEFINITIONS), max_size=3)
LENIENT = Consent("keep", reuse=True, shrunken=True)
TRIALS = st.none() | st.builds(CanaryRequest, st.sampled_from([10.0, 50.0]), st.just(900.0))
USERS = [{"targetingKey": user} for user in ("ada", "bob", "cy", "dee")]
RUNS = int(os.environ.get("BURGEE_STATE_RUNS", "60"))


class Crash(BaseException):
    """The process is gone."""


class Dying:
    """A store whose user dies before or after its n-th call."""

    def __init__(self, store: Store, calls: int, *, after: bool) -> None:
        self._store = store
        self._left = calls
        self._after = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left < 0 and not self._after:
                raise Crash
            answer = method(*arguments, **options)
            if self._left < 0:
                raise Crash
            return answer

        return call


class Machine(RuleBasedStateMachine):
    """One environment, two writers, and an evaluator that must never be without flags again."""

    def __init__(self) -> None:
        super().__init__()
        self.store = self.open()
        self.clock = 1_795_500_000.0
        self.time = patch("time.time", lambda: self.clock)
        self.time.start()
        self.serving = Serving(self.store, refresh_seconds=0)
        self.overrides: dict[str, Any] = {}
        self.versions = [0]
        self.revision = 0

    def open(self) -> Store:
        raise NotImplementedError

    def teardown(self) -> None:
        self.time.stop()
        self.store.close()

    def act(self) -> AuditContext:
        self.clock += 1
        return AuditContext("act", "ada", "", self.clock)

    def snapshot(self, flags: Any) -> dict[str, Any]:
        return {"format": 1, "environment": None, "flags": flags, "segments": {"staff": {"s": True}}, "holdouts": {}}

    @initialize()
    def first(self) -> None:
        apply(self.store, self.snapshot({"a": DEFINITIONS[0]}), Origin(), self.act())

    def absorb(self, made: Any) -> None:
        """What Git caught up with goes, unless only a share of users gets what Git says."""
        if self.store.state().pointer.canary_at(self.clock) is None:
            for standing in made.having(OverrideVerdict.ABSORBED):
                self.overrides.pop(standing.override.flag)

    @rule(flags=FILES, overrides=st.sampled_from(["refuse", "keep", "discard"]), agreed=st.booleans(), canary=TRIALS)
    def deploy(self, flags: Any, overrides: Any, agreed: bool, canary: CanaryRequest | None) -> None:
        consent = Consent(overrides, empty=agreed, shrunken=agreed, reuse=agreed, canary=canary)
        before = self.store.state()
        try:
            made = apply(self.store, self.snapshot(flags), Origin(), self.act(), consent)
        except Refused:
            assert self.store.state() == before, "what is refused writes nothing"
            return
        self.absorb(made)
        for standing in made.having(OverrideVerdict.CONFLICT) if overrides == "discard" else []:
            self.overrides.pop(standing.override.flag)

    @rule(seconds=st.sampled_from([60, 1000]))
    def wait(self, seconds: int) -> None:
        self.clock += seconds

    @rule()
    def promote(self) -> None:
        baking = self.store.state().pointer.canary_at(self.clock + 1)
        made = plan(*live(self.store), live(self.store)[1], self.clock + 1)
        try:
            promote(self.store, self.act())
        except Refused:
            assert baking is None
        else:
            self.absorb(made)

    @rule()
    def alarm(self) -> None:
        """Whatever the trial was of, everybody has again what everybody had."""
        baking = self.store.state().pointer.canary_at(self.clock + 1)
        before = self.store.state()
        released = None if baking is None else load_snapshot(self.store.payload(baking.base))
        made = released and plan(*live(self.store), released, self.clock + 1, rollback=True)
        withdrawn = withdraw(self.store, self.act(), self.clock)
        if baking is None:
            assert withdrawn is None
            assert self.store.state() == before
        else:
            assert payload(live(self.store)[1]) == payload(released or {})
            self.absorb(made)

    @rule(flags=FILES, calls=st.integers(0, 6), after=st.booleans())
    def deploy_and_die(self, flags: Any, calls: int, after: bool) -> None:
        before = live(self.store)
        dying: Any = Dying(self.store, calls, after=after)
        with suppress(Crash, Refused):
            apply(dying, self.snapshot(flags), Origin(), self.act(), LENIENT)
        state, current = live(self.store)
        assert payload(current) in {payload(before[1]), payload(self.snapshot(flags))}, "the old release or the new"
        lost = set(before[0].overrides) - set(state.overrides)
        for flag in lost:
            gone = before[0].overrides[flag]
            made = plan(*before, self.snapshot(flags), self.clock).having(OverrideVerdict.ABSORBED)
            same = definition_digest(gone.definition) == definition_digest(before[1]["flags"].get(flag))
            assert same or gone in [standing.override for standing in made], "only an absorbed one"
            self.overrides.pop(flag)

    @rule(flag=st.sampled_from(NAMES), wanted=st.none() | st.sampled_from(DEFINITIONS))
    def override(self, flag: str, wanted: Any) -> None:
        act = self.act()
        write(self.store, lambda state, current: lay(state, current, flag, wanted, act, reuse=True))
        git = live(self.store)[1]["flags"].get(flag)
        if definition_digest(git) == definition_digest(wanted) and not self.store.state().pointer.canary_at(
            self.clock
        ):
            self.overrides.pop(flag, None)
        else:
            self.overrides[flag] = wanted

    @precondition(lambda self: self.overrides)
    @rule(data=st.data())
    def clear(self, data: st.DataObject) -> None:
        flag = data.draw(st.sampled_from(sorted(self.overrides)))
        act = self.act()
        write(self.store, lambda state, current: lift(state, current, flag, act))
        del self.overrides[flag]

    @rule(back=st.integers(1, 3))
    def roll_back(self, back: int) -> None:
        version = self.store.pointer().version - back
        try:
            made = rollback(self.store, version, self.act(), Consent("keep"))
        except NotFound:
            assert version < 1 or version not in [release.version for release in self.store.releases(limit=100)]
            return
        self.absorb(made)

    @rule(flags=FILES)
    def lose_a_race(self, flags: Any) -> None:
        """Another writer commits between this one's reading and its commit."""
        store = self.store
        racing: Any = Dying(store, 99, after=False)
        act, stage = self.act(), store.stage

        def staged(*arguments: Any, **options: Any) -> Any:
            answer = stage(*arguments, **options)
            write(store, lambda state, current: lay(state, current, "c", DEFINITIONS[2], act, reuse=True))
            return answer

        racing.stage = staged
        before = self.store.pointer().version
        try:
            apply(
                racing,
                self.snapshot({**flags, "c": DEFINITIONS[1]}),
                Origin(),
                self.act(),
                Consent("keep", reuse=True, shrunken=True),
            )
        except Conflict:
            assert self.store.pointer().version == before
        except Refused:
            pass
        else:
            for flag in set(self.overrides) - set(self.store.state().overrides):
                self.overrides.pop(flag)
        if "c" in self.store.state().overrides:
            self.overrides["c"] = self.store.state().overrides["c"].definition
        else:
            self.overrides.pop("c", None)

    @rule(keep=st.integers(1, 3))
    def collect(self, keep: int) -> None:
        self.store.collect(keep=keep)

    @invariant()
    def what_must_hold(self) -> None:
        if self.store.pointer().version == 0:
            return
        state, current = live(self.store)
        assert state.pointer.revision >= self.revision, "revisions only rise"
        self.revision = state.pointer.revision
        staged = [release.version for release in self.store.releases(limit=100)]
        assert staged[0] >= max(self.versions), "versions only rise"
        self.versions.append(staged[0])
        assert {flag: one.definition for flag, one in state.overrides.items()} == self.overrides, (
            "no override is lost"
        )
        assert Ruleset(current, state.overrides.values()).check() == {}, "nothing that cannot be served is live"
        baking = state.pointer.canary_at(self.clock)
        files = {state.pointer.version: current["flags"]}
        if baking is not None:
            files[baking.base] = load_snapshot(self.store.payload(baking.base))["flags"]
        for user in USERS:
            ruleset = self.serving.ruleset(user, self.clock)
            assert self.serving.status().error is None
            wanted = {**files[int(ruleset.release["version"])], **self.overrides}
            served = {name: ruleset.definition(name) for name in ruleset.names()}
            assert served == {name: one for name, one in wanted.items() if one is not None}, "an override is for all"


class OnSqlite(Machine):
    def open(self) -> Store:
        return SqliteStore(":memory:")


class OnDynamoDb(Machine):
    def open(self) -> Store:
        self.aws = mock_aws()
        self.aws.start()
        store = DynamoDbStore("flags")
        store.create_table()
        return store

    def teardown(self) -> None:
        super().teardown()
        self.aws.stop()


def options(runs: int) -> settings:
    return settings(max_examples=runs, stateful_step_count=20, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("machine", [OnSqlite, OnDynamoDb])
def test_no_order_of_events_breaks_what_must_hold(machine: type[Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    case = machine.TestCase
    case.settings = options(RUNS if machine is OnSqlite else max(RUNS // 10, 5))
    case("runTest").debug()
