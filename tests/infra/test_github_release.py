"""The action's release and reconciliation, run end to end on a table."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from burgee.flagfile.compile import compile_file
from burgee.releases.deploy import Consent, apply, write
from burgee.releases.overrides import lay
from burgee.releases.proposals import Edit, create, find
from burgee.stores import Origin, Tenant
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from support.dynamodb import CREDENTIALS, wire_url
from support.github import TOKEN, Api, Step, run_line, run_main
from support.runner import FILE, MARKER, Repository


@pytest.fixture
def endpoint() -> str:
    return wire_url()


@pytest.fixture
def table(endpoint: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = DynamoDbStore(f"flags-{abs(hash(request.node.name))}", endpoint_url=endpoint)
    store.create_table()
    store.close()
    return store.table


def test_from_pull_request_to_release(repository: Repository, api: Api, endpoint: str, table: str) -> None:
    live = {"table": table, "endpoint": endpoint, "environments": "production"}

    def release(**more: str) -> Step:
        event = {"ref": "refs/heads/main"}
        return repository.act("release", event, "refs/heads/main", event_name="push", **live, **more)

    repository.run = run_line
    ran = release()
    assert (ran.code, json.loads(ran.outputs["releases"])) == (0, {"production": 1}), ran.log
    repository.run = run_main
    assert "`production`: release 1 is live" in ran.summary

    head = repository.branch("raise", FILE.replace("age: 1}", "age: 2}"))
    assert repository.review(head, **live).code == 0
    assert "Against what is live in production" in api.bodies()[0]
    assert "rollout_percentage: 1 -> 2" in api.bodies()[0]
    assert "Users see what is shown above, and nothing else." in api.bodies()[0]

    old = repository.git("rev-parse", "origin/main")
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge the raise", head)
    repository.push("main")
    ran = release()
    assert json.loads(ran.outputs["releases"]) == {"production": 2}, ran.log
    assert "rollout_percentage: 1 -> 2" in ran.summary

    assert "nothing to release" in release().summary

    repository.git("checkout", "-q", "--detach", old)
    ran = release()
    assert (ran.code, ran.outputs) == (0, {"releases": "{}"}), "a delayed run must not bring the old file back"
    assert "a newer commit is on the branch" in ran.log


def test_each_environment_may_have_a_table_of_its_own(repository: Repository, endpoint: str, table: str) -> None:
    other = f"{table}-production"
    DynamoDbStore(other, endpoint_url=endpoint).create_table()

    def release(tables: str) -> Step:
        given = {"table": tables, "environments": "staging production", "endpoint": endpoint}
        return repository.act("release", {"ref": "refs/heads/main"}, "refs/heads/main", event_name="push", **given)

    assert "table names none for production" in release(f"staging={table}").log
    assert "not 'staging'" in release(f"staging production={other}").log
    ran = release(f"staging={table} production={other}")
    assert json.loads(ran.outputs["releases"]) == {"staging": 1, "production": 1}, ran.log
    for name, environment, version in ((table, "staging", 1), (table, "production", 0), (other, "production", 1)):
        store = DynamoDbStore(name, Tenant(environment=environment), endpoint_url=endpoint)
        assert store.pointer().version == version
        store.close()


def test_a_refusal_stops_the_release_and_says_how_to_insist(
    repository: Repository, endpoint: str, table: str
) -> None:
    def release(**more: str) -> Step:
        event = {"ref": "refs/heads/main"}
        more |= {"table": table, "endpoint": endpoint}
        return repository.act("release", event, "refs/heads/main", event_name="push", **more)

    store = DynamoDbStore(table, endpoint_url=endpoint)
    act = AuditContext("release.activate", "ada", "", time.time())
    apply(store, compile_file(repository.clone / "flags.yaml"), Origin(None, "ada", None), act, Consent())
    store.close()
    repository.commit("version: 1\n", "Empty")
    repository.push("main")
    ran = release()
    assert ran.code == 1
    assert "not released" in ran.summary
    assert "--allow-empty" in ran.log
    assert "insist takes" in release(insist="--flags=/etc/passwd").log
    ran = release(insist="--allow-empty")
    assert (ran.code, ran.outputs) == (0, {"releases": '{"default": 2}'}), ran.log


def test_a_kill_and_a_proposal_become_pull_requests_with_comment_and_check(
    repository: Repository, api: Api, endpoint: str, table: str
) -> None:
    """The workflows of a pull request that a workflow opened wait for approval: the same run does what they would."""
    live = {"table": table, "endpoint": endpoint, "environments": "production", "every": "15m"}

    def reconcile(**more: Any) -> Step:
        event = more.pop("event", {"repository": {"fork": False}})
        return repository.act("reconcile", event, "refs/heads/main", event_name="schedule", **{**live, **more})

    store = DynamoDbStore(table, Tenant("default", "production"), endpoint_url=endpoint)
    flags = repository.clone / "flags.yaml"
    act = AuditContext("release.activate", "ada", "orders fail", time.time())
    apply(store, compile_file(flags, "production"), Origin(), act, Consent())
    off = {"status": False, "rollout_percentage": 1}
    write(store, lambda state, git: lay(state, git, "beta", off, act))
    made = create(store, Edit("beta", {"rollout_percentage": 3}), "", act)

    assert reconcile(event={"repository": {"fork": True}}).code == 0
    assert api.pulls == []
    ran = reconcile()
    assert ran.code == 0, ran.log
    overrides, proposal = api.pulls
    assert json.loads(ran.outputs["pull-requests"]) == [overrides["html_url"], proposal["html_url"]]
    assert "status: off" in repository.git("show", f"{overrides['head']['ref']}:flags.yaml", at=repository.remote)
    assert find(store, made.id).address == proposal["html_url"]
    assert TOKEN not in ran.log + ran.summary
    for pull, effect in ((overrides, "on → off"), (proposal, "2 %")):
        (comment,) = api.bodies(issue=pull["number"])
        assert comment.startswith(MARKER)
        assert effect in comment
        tip = repository.git("rev-parse", pull["head"]["ref"], at=repository.remote)
        assert [(one["name"], one["conclusion"]) for one in api.checks if one["head_sha"] == tip] == [
            ("review", "success")
        ]
    writes = len(api.writes())
    assert reconcile().code == 0
    assert len(api.writes()) == writes, "what is as it should be is not written again"

    write(store, lambda state, git: lay(state, git, "beta", None, act))
    ran = reconcile()
    assert (ran.code, "::warning" in ran.log) == (0, True), ran.log
    assert "the file cannot remove a flag from production only" in ran.log
    api.down = "GET"
    ran = reconcile()
    assert (ran.code, ran.outputs) == (1, {"pull-requests": "[]"})
    assert "::error::`production`: not reconciled; burgee: GitHub answered 503" in ran.log
    store.close()
