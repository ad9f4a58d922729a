"""`burgee reconcile`, as its users see it, on a developer's machine without a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.cli import guarding
from support.repositories import Clone

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

FILE = "version: 1\nenvironments: [production]\nflags:\n  beta: {status: on}\n"
ON = ("--env", "production")


@pytest.fixture
def clone(burgee: Burgee, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Clone:
    made = Clone(tmp_path_factory.mktemp("git"), FILE)
    burgee.folder = made.folder
    monkeypatch.chdir(made.folder)
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    assert burgee("apply", *ON).code == 0
    return made


def test_it_pushes_what_is_live_and_says_so(burgee: Burgee, clone: Clone) -> None:
    ran = burgee("reconcile", *ON)
    assert (ran.code, ran.out.strip()) == (
        0,
        "nothing to open: no live override is to be written now, and no proposal is waiting",
    )
    assert burgee("kill", "beta", "--reason", "orders fail", *ON).code == 0
    ran = burgee("reconcile", *ON, "--every", "15m")
    assert (ran.code, ran.out.strip()) == (
        0,
        "burgee/overrides-production: pushed  branch burgee/overrides-production",
    )
    assert burgee("reconcile", *ON).out.startswith("burgee/overrides-production: unchanged")
    assert "status: off" in clone.text("burgee/overrides-production")
    reported = burgee("reconcile", *ON, "--json").json
    assert reported["pull_requests"][0]["head"] == clone.tip("burgee/overrides-production")
    assert (reported["base"], reported["warnings"]) == (clone.tip("main"), [])


def test_it_says_that_what_no_environment_serves_is_written_for_all(burgee: Burgee, clone: Clone) -> None:
    on = ("--env", "default")
    assert burgee("apply", *on).code == 0
    assert burgee("kill", "beta", "--reason", "orders fail", *on).code == 0
    ran = burgee("reconcile", *on)
    said = "pushed (written for all environments: production)"
    assert (ran.code, said in ran.out) == (0, True), ran
    assert "beta: {status: off}" in clone.text("burgee/overrides-default")


def test_without_a_host_the_tests_that_would_fail_are_named(burgee: Burgee, clone: Clone) -> None:
    tested = FILE.replace(
        "{status: on}", "\n    status: on\n    tests: [{user: ada, expect: on}, {user: ben, expect: on}]"
    )
    clone.commit(tested)
    assert burgee("propose", "beta", "status=off", "--reason", "over", *ON).code == 0
    assert burgee("kill", "beta", "--reason", "orders fail", *ON).code == 0
    ran = burgee("reconcile", *ON)
    assert ran.code == 0, "the pull request is opened by hand"
    for name in ("overrides-production", "proposal"):
        (line,) = [line for line in ran.out.splitlines() if line.startswith(f"burgee/{name}")]
        assert ": pushed (a test of a flag fails with it: " in line
        assert "beta in production gave 'off' (DISABLED), not 'on', and 1 more)" in line


def test_it_exits_with_1_where_a_person_must_act(burgee: Burgee, clone: Clone) -> None:
    assert burgee("override", "set", "beta", "--absent", "--reason", "x", *ON).code == 0
    ran = burgee("reconcile", *ON)
    assert (ran.code, "beta: not written" in ran.err) == (1, True)
    assert clone.branches() == []


def test_what_stands_in_the_way_is_named(
    burgee: Burgee, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has environments" in burgee("reconcile").err
    assert burgee("reconcile", *ON, "--remote", "nowhere").code == 1
    assert "GITHUB_TOKEN" in burgee("reconcile", *ON, "--host", "github").err
    monkeypatch.setenv("GITHUB_TOKEN", "x")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/flags")
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("burgee.cli.pull_requests.api.time.sleep", lambda _: None)
    ran = burgee("reconcile", *ON, "--host", "github")
    assert (ran.code, "the next run continues" in ran.err) == (1, True)
    assert clone.branches() == []
    loose = burgee.write(FILE, str(tmp_path / "flags.yaml"))
    assert "not in a Git repository" in burgee("reconcile", "--flags", str(loose), *ON).err


def test_a_guard_is_written_when_it_has_ended_and_not_at_each_step(
    burgee: Burgee, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = "guard: {steps: [10, 50], hold: 1h, alarms: [checkout-5xx]}"
    clone.commit(
        FILE.replace(
            "{status: on}", f"{{status: on, environments: {{production: {{rollout_percentage: 0, {guard}}}}}}}"
        )
    )
    assert burgee("apply", *ON).code == 0
    monkeypatch.setattr(guarding, "alarms_of", lambda _found: ({"checkout-5xx": False}, ""))
    assert burgee("guard", "run", *ON).out == "beta raised to 10 %\n"
    assert burgee("reconcile", *ON).out.startswith("nothing to open")
    assert burgee("guard", "stop", "beta", "--reason", "enough", *ON).code == 0
    assert burgee("reconcile", *ON).out.startswith("burgee/overrides-production: pushed")
    written = clone.text("burgee/overrides-production")
    assert "rollout_percentage: 10" in written
    assert "guard" not in written
