"""A repository with its store and its host, for `burgee reconcile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.cli.pull_requests.branches import Repository
from burgee.cli.pull_requests.hosts import GitHub
from burgee.cli.pull_requests.reconcile import Reconciler, Reconciliation
from burgee.flagfile.compile import compile_file
from burgee.releases.deploy import Consent, apply, write
from burgee.releases.overrides import killed, lay, lift, served
from burgee.releases.proposals import Edit, create
from burgee.stores import Origin, Tenant
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from support.github import REPOSITORY, TOKEN, Api
from support.repositories import Clone

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
version: 1
environments: [staging, production]
flags:
  beta:  # of the search team
    status: on
    rollout_percentage: 20
    environments:
      production: {rollout_percentage: 5}
  dark: {status: on}
  calm: {status: on}
"""
OVERRIDES = "burgee/overrides-production"
NOW = 1_900_000_000.0


class Project:
    """A repository, its store and its host, with the time in our hands."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.api = api
        self.clone = Clone(folder, FILE)
        self.store = SqliteStore(":memory:", Tenant("default", "production"))
        self.now = NOW
        self.host: Any = GitHub(api.url, REPOSITORY, TOKEN, "main")
        self.deploy()

    def act(self, action: str = "override.set", until: str | None = None) -> AuditContext:
        self.now += 1
        return AuditContext(action, "ada", "orders fail", self.now, until)

    def deploy(self, **consent: Any) -> Any:
        snapshot = compile_file(self.clone.flags, "production")
        return apply(self.store, snapshot, Origin(), self.act("release.activate"), Consent(**consent))

    def override(self, flag: str, until: str | None = None, **keys: Any) -> None:
        act = self.act(until=until)

        def decide(state: Any, snapshot: Any) -> Any:
            return lay(state, snapshot, flag, {**(served(state, snapshot, flag, act.now) or {}), **keys}, act)

        write(self.store, decide)

    def kill(self, flag: str) -> None:
        act = self.act("flag.kill")
        write(
            self.store,
            lambda state, git: lay(state, git, flag, killed(served(state, git, flag, act.now) or {}), act),
        )

    def clear(self, flag: str) -> None:
        write(self.store, lambda state, git: lift(state, git, flag, self.act("override.clear")))

    def propose(self, flag: str = "beta", **keys: Any) -> str:
        absent = keys.pop("absent", False)
        edit = Edit(flag, keys, absent=absent)
        return create(self.store, edit, "Raise it", self.act("proposal.create")).id

    def reconciler(self, **more: Any) -> Reconciler:
        self.now += 60
        folder = self.clone.folder
        more = {"flags": "flags.yaml", "environment": "production", **more}
        return Reconciler(self.store, self.host, Repository(folder, "origin", "main"), now=self.now, **more)

    def run(self, **more: Any) -> Reconciliation:
        return self.reconciler(**more).run(900.0)

    def did(self, **more: Any) -> list[tuple[str, str]]:
        return [(one.branch, str(one.did)) for one in self.run(**more).outcomes]

    def body(self) -> str:
        return str(self.api.pulls[-1]["body"])
