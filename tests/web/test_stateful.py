"""The HTTP API against a simple model: create, kill, delete, release, roll back, expire, restart, in any order.

The model knows nothing of stores, overrides or digests: it is a dictionary of what Git says and one of what operators
said. Writes are tried dry, made conditional, repeated by their idempotency key and ended by the clock. Thousands of
runs, of up to 20 steps each: BURGEE_STATEFUL_RUNS=2000 pytest tests/web/test_stateful.py
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from starlette.testclient import TestClient

from burgee.access import key_cache
from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.errors import Refused
from burgee.releases.deploy import Consent, apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from burgee.web.protection.rate_limits import Limits
from burgee.web.protection.token_buckets import Rate
from support.keys import ALL, HOME, bearer, token
from support.waiting import PATIENCE

RUNS = int(os.environ.get("BURGEE_STATEFUL_RUNS", "15"))
MEMORY = "/dev/shm"  # where there is one, thousands of runs wait for no disk
NAMES = ("a", "b", "c")
UNBOUND = Limits(Rate("evaluate", 1e9, 10**9), Rate("manage", 1e9, 10**9))
names = st.sampled_from(NAMES)
percentages = st.sampled_from([0, 10, 50, 100])
switches = st.booleans()
lasting = st.sampled_from([None, 1, 5])
definitions = st.fixed_dictionaries({"status": switches, "rollout_percentage": percentages})
real_time = time.time

Flag = dict[str, Any]


class Said:
    """What an operator said of a flag: its definition or None for absent, over what, and until when.

    Once it is kept against Git, the keys that it changed are no longer known.
    """

    def __init__(self, flag: Flag | None, base: Flag | None, until: float | None) -> None:
        self.flag, self.base, self.until, self.kept = flag, base, until, False

    def is_in(self, git: Flag | None) -> bool:
        """Whether Git has what was said, at least in each key that it changed."""
        if git == self.flag:
            return True
        if self.kept or self.flag is None or self.base is None or git is None:
            return False
        return all(git[key] == self.flag[key] for key in self.flag if self.flag[key] != self.base[key])


class Sent(NamedTuple):
    """A write that carried an idempotency key, when, and what it was answered."""

    method: str
    path: str
    body: Any
    key: str
    at: float
    status: int
    content: bytes


class Service(RuleBasedStateMachine):
    """Everybody's view of one service."""

    @initialize(flags=st.dictionaries(names, definitions, min_size=1))
    def begin(self, flags: dict[str, Flag]) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None)
        self.ahead = 0.0
        self.clock = mock.patch("time.time", side_effect=lambda: real_time() + self.ahead)
        self.clock.start()
        self.patience = mock.patch.object(key_cache, "KNOWN_PATIENCE", PATIENCE)
        self.patience.start()
        self.git: list[dict[str, Flag]] = []
        self.live: dict[str, Flag] = {}
        self.version = 0
        self.said: dict[str, Said] = {}
        self.changes = 0
        self.sent: list[Sent] = []
        self.start()
        self.headers = {**bearer(token(self.store, Kind.ADMIN, *ALL)), "X-Burgee-Reason": "test"}
        self.release(flags)

    def start(self) -> None:
        self.store = SqliteStore(Path(self.folder.name) / "state.sqlite", HOME)
        setup = Setup(ring=KeyRing(self.store), limits=UNBOUND)
        self.client = TestClient(create_app(self.store, Serving(self.store, refresh_seconds=0), setup))
        self.client.__enter__()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            entries = self.call("GET", "/audit?limit=1000").json()["entries"]
            written = [
                one for one in entries if one["action"].startswith("flag.") or one["action"] == "override.clear"
            ]
            assert len(written) == self.changes
            self.client.__exit__(None, None, None)
            self.store.close()
            self.clock.stop()
            self.patience.stop()
            self.folder.cleanup()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.request(method, path, json=body, headers={**self.headers, **headers})

    def write(self, method: str, path: str, body: Any = None) -> Any:
        """Tried dry first, which changes nothing and is refused for the same reasons; then done, with a key."""
        before = self.store.state(), self.store.audit(limit=1)
        dry = self.call(method, f"{path}{'&' if '?' in path else '?'}dry_run=true", body)
        assert (self.store.state(), self.store.audit(limit=1)) == before
        key = f"key {len(self.sent)}"
        reported = self.call(method, path, body, **{"Idempotency-Key": key})
        if reported.status_code == 409:  # a dry activation reports conflicts, and the real one refuses them
            assert dry.status_code == (200 if path.startswith("/releases") else 409)
        else:
            assert dry.status_code == (200 if reported.status_code < 300 else reported.status_code)
        self.sent.append(Sent(method, path, body, key, time.time(), reported.status_code, reported.content))
        return reported

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """Whatever came in between, the answer is the first one, and nothing is done: the model does not change."""
        one = data.draw(st.sampled_from(self.sent))
        if one.status == 409 or time.time() > one.at + 23 * 3600:
            return
        reported = self.call(one.method, one.path, one.body, **{"Idempotency-Key": one.key})
        assert (reported.status_code, reported.content) == (one.status, one.content)
        assert reported.headers["idempotency-replayed"] == "true"
        other = self.call(one.method, one.path, {"reason": "another"}, **{"Idempotency-Key": one.key})
        assert other.status_code == 422

    def served(self, name: str) -> Flag | None:
        said = self.said.get(name)
        if said is not None and (said.until is None or said.until > time.time()):
            return said.flag
        return self.live.get(name)

    def say(self, name: str, flag: Flag | None, until: float | None = None) -> None:
        """What any write does: an override, unless it says what Git says."""
        self.changes += 1
        if flag == self.live.get(name):
            self.said.pop(name, None)
        else:
            self.said[name] = Said(flag, self.live.get(name), until)

    @rule(name=names, flag=definitions, hours=lasting)
    def create(self, name: str, flag: Flag, hours: int | None) -> None:
        body = {"flag_name": name, **flag}
        reported = self.write(
            "POST", "/flags?reuse=true", body if hours is None else {**body, "expires_in": f"{hours}h"}
        )
        assert reported.status_code == (400 if self.served(name) is not None else 201)
        if reported.status_code == 201:
            self.say(name, flag, self.until(hours))

    def until(self, hours: int | None) -> float | None:
        """The service stamps its own moment; the model's is a few milliseconds later."""
        return None if hours is None else time.time() + hours * 3600

    @rule(name=names, change=definitions, hours=lasting)
    def update(self, name: str, change: Flag, hours: int | None) -> None:
        reported = self.write(
            "PUT", f"/flags/{name}", change if hours is None else {**change, "expires_in": f"{hours}h"}
        )
        current = self.served(name)
        assert reported.status_code == (404 if current is None else 200)
        if current is not None:
            assert reported.headers["etag"] == self.call("GET", f"/flags/{name}").headers["etag"]
            self.say(name, {**current, **change}, self.until(hours))

    @rule(name=names, change=definitions, method=st.sampled_from(["PUT", "DELETE", "kill"]), fresh=st.booleans())
    def write_over_what_was_read(self, name: str, change: Flag, method: str, fresh: bool) -> None:
        read, current = self.call("GET", f"/flags/{name}"), self.served(name)
        condition = {"If-Match": read.headers["etag"] if fresh and current is not None else '"stale"'}
        if method == "PUT":
            reported, wanted = self.call("PUT", f"/flags/{name}", change, **condition), {**(current or {}), **change}
        elif method == "kill":
            reported, wanted = (
                self.call("POST", f"/flags/{name}/kill", {}, **condition),
                {**(current or {}), "status": False},
            )
        else:
            reported, wanted = self.call("DELETE", f"/flags/{name}", **condition), None
        assert reported.status_code == ((204 if wanted is None else 200) if fresh and current is not None else 412)
        if reported.status_code != 412:
            self.say(name, wanted)

    @rule(name=names)
    def delete(self, name: str) -> None:
        reported = self.write("DELETE", f"/flags/{name}")
        assert reported.status_code == (404 if self.served(name) is None else 204)
        if reported.status_code == 204:
            self.say(name, None)

    @rule(name=names, hours=lasting)
    def kill(self, name: str, hours: int | None) -> None:
        reported = self.write("POST", f"/flags/{name}/kill", {} if hours is None else {"expires_in": f"{hours}h"})
        current = self.served(name)
        assert reported.status_code == (404 if current is None else 200)
        if current is not None:
            self.say(name, {**current, "status": False}, self.until(hours))

    @rule(name=names)
    def unkill(self, name: str) -> None:
        reported = self.write("POST", f"/flags/{name}/unkill", {})
        current, said = self.served(name), self.said.get(name)
        if current is None:
            assert reported.status_code == 404
        elif said is None or said.flag is not current or current["status"]:
            assert reported.status_code == 409
        else:
            assert reported.status_code == 200
            git = self.live.get(name)
            before = git is not None and {**git, "status": False} == current
            self.say(name, git if before else {**current, "status": True})

    @rule(name=names)
    def clear(self, name: str) -> None:
        reported = self.write("DELETE", f"/overrides/{name}")
        assert reported.status_code == (204 if name in self.said else 404)
        if reported.status_code == 204:
            self.changes += 1
            del self.said[name]

    @rule(
        flags=st.dictionaries(names, definitions, min_size=1),
        overrides=st.sampled_from(["refuse", "keep", "discard"]),
    )
    def release(self, flags: dict[str, Flag], overrides: Any = "refuse") -> None:
        # A release with other bytes is another one, and keys in another order are other bytes.
        flags = {name: {key: flags[name][key] for key in ("status", "rollout_percentage")} for name in flags}
        snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
        consent = Consent(overrides, shrunken=True, reuse=True)
        act = AuditContext("release.activate", "ci", "", time.time())
        conflicts = self.conflicts(flags)
        if conflicts and overrides == "refuse":
            with pytest.raises(Refused, match="changed in Git"):
                apply(self.store, snapshot, Origin(), act, consent)
            return
        apply(self.store, snapshot, Origin(), act, consent)
        if list(flags.items()) != list(self.live.items()) or not self.version:
            self.git.append(flags)
            self.version = len(self.git)
        self.deployed(flags, conflicts, overrides)

    @precondition(lambda self: len(self.git) > 1)
    @rule(data=st.data(), overrides=st.sampled_from(["refuse", "keep", "discard"]))
    def activate(self, data: st.DataObject, overrides: Any) -> None:
        version = data.draw(st.integers(1, len(self.git) + 1))
        etag = self.call("GET", "/releases").headers["etag"]
        stale = self.call("POST", f"/releases/{version}/activate", {}, **{"If-Match": '"stale"'})
        reported = self.write("POST", f"/releases/{version}/activate", {"overrides": overrides})
        if version > len(self.git):
            assert reported.status_code == 404
            return
        flags = self.git[version - 1]
        conflicts = self.conflicts(flags, rollback=True)
        assert stale.status_code == (409 if conflicts else 412)
        assert reported.status_code == (409 if conflicts and overrides == "refuse" else 200)
        if reported.status_code == 200:
            assert reported.headers["etag"] == self.call("GET", "/releases").headers["etag"]
            assert reported.headers["etag"] != etag, "each activation is a commit of its own, which others must see"
            self.version = version
            self.deployed(flags, conflicts, overrides, rollback=True)

    def conflicts(self, flags: dict[str, Flag], *, rollback: bool = False) -> list[str]:
        return [
            name
            for name, said in self.said.items()
            if (said.until is None or said.until > time.time())
            and flags.get(name) not in (said.flag, said.base)
            and (rollback or not said.is_in(flags.get(name)))
        ]

    def deployed(
        self, flags: dict[str, Flag], conflicts: list[str], overrides: str, *, rollback: bool = False
    ) -> None:
        """A rollback absorbs no override: it is not Git that says the same."""
        self.live = flags
        for name, said in list(self.said.items()):
            over = said.until is not None and said.until <= time.time()
            absorbed = not rollback and said.is_in(flags.get(name))
            # One that was kept against Git contradicts it again where overrides are discarded.
            if over or absorbed or ((name in conflicts or said.kept) and overrides == "discard"):
                del self.said[name]
            elif name in conflicts:
                said.base, said.kept = flags.get(name), True

    @rule(hours=st.sampled_from([0.5, 2, 10]))
    def wait(self, hours: float) -> None:
        self.ahead += hours * 3600

    @rule()
    def restart(self) -> None:
        self.client.__exit__(None, None, None)
        self.store.close()
        self.start()

    @invariant()
    def everybody_sees_what_was_said(self) -> None:
        if not hasattr(self, "client"):
            return
        wanted = {name: flag for name in NAMES if (flag := self.served(name)) is not None}
        listed = self.call("GET", "/flags").json()
        assert {
            flag["flag_name"]: {key: flag[key] for key in ("status", "rollout_percentage")} for flag in listed
        } == wanted
        reported = self.call("GET", "/users/ada/flags").json()["flags"]
        assert {flag["flag_name"] for flag in reported} == set(wanted)
        for flag in reported:
            definition = wanted[flag["flag_name"]]
            if not definition["status"]:
                assert (flag["enabled"], flag["reason"]) == (False, "DISABLED")
            elif definition["rollout_percentage"] in {0, 100}:
                assert flag["enabled"] is (definition["rollout_percentage"] == 100)
        laid = {one["flag"] for one in self.call("GET", "/overrides").json()["overrides"]}
        assert laid == set(self.said)
        assert self.call("GET", "/releases").json()["current"] == self.version


TestService = Service.TestCase
TestService.settings = settings(max_examples=RUNS, stateful_step_count=20, suppress_health_check=list(HealthCheck))
