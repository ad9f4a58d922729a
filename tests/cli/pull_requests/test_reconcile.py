"""One pull request for the overrides of an environment, with a bare remote and a host's API."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from burgee.cli.pull_requests.api import ApiError
from burgee.cli.pull_requests.branches import Repository
from burgee.cli.pull_requests.hosts import GitLab, Linked
from burgee.cli.pull_requests.reconcile import Did
from burgee.errors import FlagFileError, Refused
from burgee.releases.deploy import write
from burgee.releases.overrides import lay
from burgee.releases.plan import OverrideVerdict
from burgee.releases.proposals import ProposalState, find
from burgee.stores import Tenant
from burgee.stores.audit import AuditContext
from support.gitlab import PROJECT, MergeRequests, answering
from support.reconciling import FILE, OVERRIDES, Project
from support.repositories import git

if TYPE_CHECKING:
    from pathlib import Path

    from support.github import Api


def test_from_a_kill_to_a_pull_request_to_a_deploy_that_absorbs_it(project: Project, api: Api) -> None:
    project.kill("beta")
    assert project.did() == [(OVERRIDES, "opened")]
    (pull,) = api.pulls
    assert (pull["title"], pull["head"]["ref"]) == (
        "Write the live overrides of production into flags.yaml",
        OVERRIDES,
    )
    for part in ("`beta`", "By ada since 2030-", "orders fail", "5 % on -> off", "**Merging**", "**Closing**"):
        assert part in pull["body"], pull["body"]
    text = project.clone.text(OVERRIDES)
    assert text == FILE.replace("{rollout_percentage: 5}", "{rollout_percentage: 5, status: off}").rstrip()
    writes = len(api.writes())
    tip = project.clone.tip(OVERRIDES)
    assert project.did() == [(OVERRIDES, "unchanged")]
    assert (len(api.writes()), project.clone.tip(OVERRIDES)) == (writes, tip), "the same again writes nothing"
    project.clone.merge(OVERRIDES)
    api.end(pull["number"], merged=True)
    assert project.did() == [], "the file says it, though it is not released yet"
    assert project.clone.branches() == []
    made = project.deploy()
    assert [one.override.flag for one in made.having(OverrideVerdict.ABSORBED)] == ["beta"]
    assert project.store.state().overrides == {}


@pytest.mark.parametrize("environment", [None, "default"])
def test_overrides_of_no_environment_are_said_to_be_written_for_all(
    project: Project, api: Api, environment: str | None
) -> None:
    project.kill("dark")
    (opened,) = project.run(environment=environment).outcomes
    assert opened.note == "written for all environments: staging, production"
    assert "Written for all environments: staging, production." in project.body()
    assert api.pulls[-1]["title"] == "Write the live overrides into flags.yaml"
    assert "  dark: {status: off}" in project.clone.text(OVERRIDES)
    api.end(api.pulls[-1]["number"])
    (left,) = project.run(environment=environment).outcomes
    assert left.note == "a person closed it, and nothing has changed since"


def test_it_follows_the_overrides_and_is_closed_when_none_is_left(project: Project, api: Api) -> None:
    project.kill("beta")
    project.run()
    project.override("dark", rollout_percentage=1)
    assert project.did() == [(OVERRIDES, "updated")]
    assert "`dark`" in project.body()
    assert "rollout_percentage: 1" in project.clone.text(OVERRIDES)
    project.clear("beta")
    assert project.did() == [(OVERRIDES, "updated")]
    assert "`beta`" not in project.body()
    assert "status: off" not in project.clone.text(OVERRIDES)
    project.clear("dark")
    assert project.did() == [(OVERRIDES, "closed")]
    assert [pull["state"] for pull in api.pulls] == ["closed"]
    assert "Nothing is left to write" in api.bodies("Bot", api.pulls[0]["number"])[0]
    assert project.clone.branches() == []
    assert project.did() == []


def test_a_closed_one_is_not_opened_again_until_the_overrides_change(project: Project, api: Api) -> None:
    project.kill("beta")
    project.run()
    api.end(101)
    run = project.run()
    assert [(one.did, one.note) for one in run.outcomes] == [
        (Did.LEFT, "a person closed it, and nothing has changed since")
    ]
    project.clone.commit(FILE.replace("calm: {status: on}", "calm: {status: off}"))
    assert project.did() == [(OVERRIDES, "left")]
    project.kill("dark")
    assert project.did() == [(OVERRIDES, "opened")]
    assert [pull["state"] for pull in api.pulls] == ["closed", "open"]


def test_what_ends_by_itself_is_listed_and_not_written_unless_asked(project: Project, api: Api) -> None:
    project.override("dark", "2099-01-01T00:00:00Z", status=False)
    assert project.did() == []
    assert api.pulls == []
    project.kill("beta")
    project.run()
    assert "`dark` until 2099-01-01T00:00:00Z, by ada: orders fail" in project.body()
    assert "dark: {status: on}" in project.clone.text(OVERRIDES)
    assert project.did(temporary=True) == [(OVERRIDES, "updated")]
    assert "dark: {status: on, environments" in project.clone.text(OVERRIDES).replace("\n", " ") or (
        "status: off" in project.clone.text(OVERRIDES)
    )


def test_a_change_of_main_elsewhere_moves_no_branch_and_one_that_conflicts_does(project: Project) -> None:
    project.kill("beta")
    project.run()
    tip = project.clone.tip(OVERRIDES)
    project.clone.commit(FILE.replace("  calm: {status: on}", "  calm: {status: off}"))
    assert project.did() == [(OVERRIDES, "unchanged")]
    assert project.clone.tip(OVERRIDES) == tip
    project.clone.commit(FILE.replace("{rollout_percentage: 5}", "{rollout_percentage: 5}  # agreed"))
    assert project.did() == [(OVERRIDES, "updated")]
    merged = git(project.clone.remote, "merge-tree", "--write-tree", "main", OVERRIDES)
    text = git(project.clone.remote, "show", f"{merged}:flags.yaml")
    assert "# agreed" in text
    assert "status: off" in text


def test_a_branch_that_others_committed_to_is_left_to_them(project: Project) -> None:
    project.kill("beta")
    project.run()
    theirs = project.clone.commit(FILE + "  more: {status: off}\n", OVERRIDES, f"origin/{OVERRIDES}")
    project.kill("dark")
    run = project.run()
    assert [(one.did, one.needs_person) for one in run.outcomes] == [(Did.LEFT, True)]
    assert "others have committed" in run.outcomes[0].note
    assert project.clone.tip(OVERRIDES) == theirs
    project.clear("dark")
    project.clear("beta")
    project.run()
    assert project.clone.tip(OVERRIDES) == theirs, "nobody's work is deleted"


def test_a_branch_that_the_host_brought_up_to_date_is_still_ours(project: Project) -> None:
    project.kill("beta")
    project.run()
    project.clone.commit(FILE.replace("  calm: {status: on}", "  calm: {status: off}"))
    folder = project.clone.folder
    git(folder, "fetch", "-q", "origin")
    git(folder, "checkout", "-q", "--detach", f"origin/{OVERRIDES}")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge branch 'main'", "origin/main")
    git(folder, "push", "-q", "origin", f"HEAD:refs/heads/{OVERRIDES}")
    git(folder, "checkout", "-q", "main")
    assert project.did() == [(OVERRIDES, "unchanged")]
    project.kill("dark")
    assert project.did() == [(OVERRIDES, "updated")]


def test_of_a_colleagues_change_nothing_is_written_over(project: Project) -> None:
    project.override("beta", rollout_percentage=1)
    project.kill("dark")
    project.clone.commit(FILE.replace("{rollout_percentage: 5}", "{rollout_percentage: 50}"))
    run = project.run()
    (warning,) = run.warnings
    assert warning.startswith("beta: not written: the file and the override have both changed rollout_percentage;")
    assert "rollout_percentage: 50" in project.clone.text(OVERRIDES)
    assert "### ⚠️ Could not be written" in project.body()


def test_an_absent_flag_blocks_no_other(project: Project) -> None:
    act = project.act()
    write(project.store, lambda state, snapshot: lay(state, snapshot, "calm", None, act))
    project.kill("dark")
    run = project.run()
    assert [one.did for one in run.outcomes] == [Did.OPENED]
    assert "cannot remove a flag from production only" in run.warnings[0]


def test_a_flag_of_an_included_file_is_written_there(project: Project) -> None:
    team = project.clone.folder / "teams/web.yaml"
    team.parent.mkdir()
    team.write_text("flags:\n  wide: {status: on}  # of web\n", encoding="utf-8")
    project.clone.commit(f"{FILE}include: [teams/*.yaml]\n")
    project.deploy()
    project.kill("wide")
    project.run()
    assert "status: off" in project.clone.text(OVERRIDES, "teams/web.yaml")
    assert "# of web" in project.clone.text(OVERRIDES, "teams/web.yaml")
    assert project.clone.text(OVERRIDES) == project.clone.text("main")


def test_a_file_that_moved_is_named(project: Project) -> None:
    project.kill("beta")
    git(project.clone.folder, "mv", "flags.yaml", "moved.yaml")
    git(project.clone.folder, "commit", "-qm", "Move")
    git(project.clone.folder, "push", "-q", "origin", "main")
    with pytest.raises(Refused, match=r"no flags\.yaml on the base branch; if it moved"):
        project.run()
    assert project.did(flags="moved.yaml") == [(OVERRIDES, "opened")]
    assert "status: off" in project.clone.text(OVERRIDES, "moved.yaml")


def test_a_broken_file_on_main_stops_everything_and_loses_nothing(project: Project, api: Api) -> None:
    project.kill("beta")
    project.clone.commit(FILE.replace("rollout_percentage: 20", "rollout_percentage: 200"))
    with pytest.raises(FlagFileError):
        project.run()
    assert (api.pulls, project.clone.branches()) == ([], [])
    assert list(project.store.state().overrides) == ["beta"]


def test_a_host_that_goes_down_in_the_middle_is_taken_up_by_the_next_run(project: Project, api: Api) -> None:
    key = project.propose(rollout_percentage=50)
    project.kill("dark")
    api.down = "POST"
    with pytest.raises(ApiError, match="503"):
        project.run()
    assert (api.pulls, project.clone.branches()) == ([], [OVERRIDES])
    api.down = None
    assert [did for _, did in project.did()] == ["opened", "opened"]
    assert len(api.pulls) == 2
    assert find(project.store, key).state is ProposalState.OPENED


@pytest.mark.parametrize("unwanted", ["overrides", "proposal"])
def test_what_the_host_refuses_about_one_holds_up_no_other(project: Project, api: Api, unwanted: str) -> None:
    key = project.propose(rollout_percentage=50)
    project.kill("dark")
    proposal = f"burgee/proposal-{key}"
    api.unwanted, other = (OVERRIDES, proposal) if unwanted == "overrides" else (proposal, OVERRIDES)
    for did in ("opened", "unchanged"):
        run = project.run()
        (refused,) = [one for one in run.outcomes if one.branch == api.unwanted]
        assert (refused.did, refused.needs_person) == (Did.LEFT, True)
        assert refused.note.endswith(": Validation Failed No [1mcommits and more")
        assert [str(one.did) for one in run.outcomes if one.branch == other] == [did]
    api.unwanted = None
    assert sorted(project.did()) == sorted([(refused.branch, "opened"), (other, "unchanged")])


def test_one_whose_answer_was_lost_is_found(project: Project, api: Api) -> None:
    key = project.propose(rollout_percentage=50)
    api.loses = True
    assert project.did() == [(f"burgee/proposal-{key}", "opened")]
    assert len(api.pulls) == 1
    assert find(project.store, key).address == api.pulls[0]["html_url"]


def test_one_that_was_opened_but_not_noted_is_not_opened_twice(
    project: Project, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = project.propose(rollout_percentage=50)
    with monkeypatch.context() as patch:
        patch.setattr("burgee.cli.pull_requests.reconcile.mark", _dies)
        with pytest.raises(ConnectionError):
            project.run()
    assert len(api.pulls) == 1
    assert find(project.store, key).state is ProposalState.WAITING
    project.run()
    assert len(api.pulls) == 1
    assert find(project.store, key).address == api.pulls[0]["html_url"]


def _dies(*_: Any, **__: Any) -> None:
    raise ConnectionError("the store is gone")


def test_github_says_who_may_open_pull_requests(project: Project, api: Api) -> None:
    project.kill("beta")
    api.may_create = False
    with pytest.raises(Refused, match="Allow GitHub Actions to create and approve pull requests"):
        project.run()
    assert project.clone.branches() == [OVERRIDES], "a token that may not read the setting learns it last"
    project.kill("dark")
    tip = project.clone.tip(OVERRIDES)
    api.setting = 200
    with pytest.raises(Refused, match="Settings, Actions, General"):
        project.run()
    assert project.clone.tip(OVERRIDES) == tip
    api.may_create = True
    assert project.did() == [(OVERRIDES, "opened")]


def test_a_protected_branch_says_what_to_allow(project: Project, api: Api) -> None:
    hook = project.clone.remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'GH013: Repository rule violations' >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    project.kill("beta")
    with pytest.raises(Refused, match=r"let the pipeline push `burgee/\*`.*GH013: Repository rule"):
        project.run()
    assert api.pulls == []


def test_a_forks_branch_of_the_same_name_is_not_ours(project: Project, api: Api) -> None:
    theirs = api.request(OVERRIDES, "mallory/flags", body="<!-- burgee", title="Hello")
    project.kill("beta")
    assert project.did() == [(OVERRIDES, "opened")]
    assert [pull["number"] for pull in api.pulls if pull is not theirs] == [102]
    assert theirs["body"] == "<!-- burgee"


def test_another_who_pushes_between_is_not_overwritten(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.kill("beta")
    project.run()
    project.kill("dark")
    fetch = Repository.fetch

    def raced(repository: Repository) -> None:
        fetch(repository)
        project.clone.commit(FILE + "  more: {status: off}\n", OVERRIDES, f"origin/{OVERRIDES}")

    monkeypatch.setattr(Repository, "fetch", raced)
    with pytest.raises(Refused, match="cannot be pushed"):
        project.run()
    assert "more:" in project.clone.text(OVERRIDES)


def test_a_cut_history_is_refused(project: Project, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{project.clone.remote}", str(shallow))
    with pytest.raises(Refused, match="fetch-depth: 0"):
        Repository(shallow, "origin", "main").fetch()


def test_what_others_wrote_is_no_markup(project: Project) -> None:
    act = AuditContext("flag.kill", "ada @all", "see #12 <img src=x> ``` \n@team -->", project.now + 1)
    write(project.store, lambda state, snapshot: lay(state, snapshot, "dark", {"status": False}, act))
    project.run()
    body = project.body()
    for part in ("@all", "@team", "#12", "<img"):
        assert part not in body
    assert body.count("-->") == 1


@pytest.mark.parametrize("length", [500, 200_000])
def test_a_description_is_never_too_long(project: Project, length: int) -> None:
    act = AuditContext("flag.kill", "ada", "x" * length, project.now + 1)
    write(project.store, lambda state, snapshot: lay(state, snapshot, "dark", {"status": False}, act))
    many = "".join(f"  flag{number}: {{status: on}}\n" for number in range(90))
    project.clone.commit(FILE + many)
    project.deploy()
    for number in range(90):
        project.override(f"flag{number}", rollout_percentage=1, description="long " * 90)
    project.run()
    assert 1_000 < len(project.body()) < 65_536
    assert "**Closing**" in project.body()


def test_without_a_token_branches_are_pushed_and_a_link_is_reported(project: Project) -> None:
    project.host = Linked("https://gitlab.example/acme/flags")
    key = project.propose(rollout_percentage=50)
    project.kill("dark")
    run = project.run()
    address, _, query = str(run.outcomes[0].address).partition("?")
    assert address == "https://gitlab.example/acme/flags/-/merge_requests/new"
    assert dict(parse_qsl(query)) == {
        "merge_request[source_branch]": OVERRIDES,
        "merge_request[target_branch]": "main",
        "merge_request[title]": "Write the live overrides of production into flags.yaml",
    }
    made = find(project.store, key)
    assert (made.state, made.address) == (ProposalState.WAITING, None)
    assert "gitlab.example" in (made.note or "")
    tips = [project.clone.tip(branch) for branch in project.clone.branches()]
    project.run()
    assert [project.clone.tip(branch) for branch in project.clone.branches()] == tips
    project.clone.merge(f"burgee/proposal-{key}")
    project.run()
    assert find(project.store, key).state is ProposalState.CLOSED


def test_environments_and_projects_have_branches_of_their_own(project: Project) -> None:
    names = set()
    for tenant in [("default", "a.b"), ("default", "a-b"), ("x", "a-b"), ("x-a", "b"), ("default", "a..lock")]:
        project.store.tenant = Tenant(*tenant)
        names.add(project.reconciler()._branch())
    assert len(names) == 5
    for name in names:
        git(project.clone.folder, "check-ref-format", f"refs/heads/{name}")


def test_on_gitlab_it_is_the_same_through_merge_requests(project: Project) -> None:
    requests = MergeRequests()
    with answering(requests.answer) as (url, _):
        project.host = GitLab(url, PROJECT, "glpat", "main")
        key = project.propose(rollout_percentage=50)
        project.kill("dark")
        assert [did for _, did in project.did()] == ["opened", "opened"]
        overrides, proposal = requests.all
        assert (overrides["source_branch"], proposal["title"]) == (OVERRIDES, "Raise it")
        assert find(project.store, key).address == proposal["web_url"]
        assert [did for _, did in project.did()] == ["unchanged", "unchanged"]
        project.override("calm", rollout_percentage=1)
        assert [did for _, did in project.did()] == ["updated", "unchanged"]
        assert "`calm`" in overrides["description"]
        project.clone.merge(f"burgee/proposal-{key}")
        proposal["state"] = "merged"
        project.clear("dark")
        project.clear("calm")
        assert [did for _, did in project.did()] == ["closed", "ended"]
        assert (overrides["state"], [number for number, _ in requests.notes]) == ("closed", [1])
        assert find(project.store, key).state is ProposalState.MERGED
        project.kill("dark")
        project.run()
        requests.all[-1]["state"] = "closed"
        assert project.did() == [(OVERRIDES, "left")]
        assert len(requests.all) == 3
