"""One pull request for each proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.releases.proposals import Edit, ProposalState, create, find, last_run, withdraw
from support.reconciling import FILE, Project
from support.repositories import git

if TYPE_CHECKING:
    from support.github import Api


def test_a_proposal_from_the_store_to_main(project: Project, api: Api) -> None:
    key = project.propose(rollout_percentage=50)
    assert last_run(project.store) is None
    assert project.did() == [(f"burgee/proposal-{key}", "opened")]
    (pull,) = api.pulls
    assert (find(project.store, key).state, find(project.store, key).address) == (
        ProposalState.OPENED,
        pull["html_url"],
    )
    assert pull["title"] == "Raise it"
    assert "45 % off -> on" in pull["body"]
    assert "rollout_percentage: 50" in project.clone.text(f"burgee/proposal-{key}")
    run = last_run(project.store)
    assert run is not None
    assert run.next() == project.now + 900
    assert project.did() == [(f"burgee/proposal-{key}", "unchanged")]
    project.clone.merge(f"burgee/proposal-{key}")
    api.end(pull["number"], merged=True)
    assert project.did() == [(f"burgee/proposal-{key}", "ended")]
    assert find(project.store, key).state is ProposalState.MERGED
    assert project.did() == []


def test_a_proposal_that_a_person_closed_is_closed(project: Project, api: Api) -> None:
    key = project.propose(rollout_percentage=50)
    project.run()
    api.end(101)
    project.run()
    assert find(project.store, key).state is ProposalState.CLOSED
    project.run()
    assert len(api.pulls) == 1


def test_a_proposal_that_was_withdrawn_is_not_opened(project: Project, api: Api) -> None:
    withdraw(project.store, project.propose(rollout_percentage=50), project.act("proposal.withdraw"))
    assert project.did() == []
    assert api.pulls == []


def test_a_proposal_whose_flag_changed_on_main_is_not_opened_blindly(project: Project, api: Api) -> None:
    key = project.propose(rollout_percentage=50)
    project.clone.commit(FILE.replace("{rollout_percentage: 5}", "{rollout_percentage: 7}"))
    assert project.did() == [(f"burgee/proposal-{key}", "outdated")]
    assert (find(project.store, key).state, api.pulls) == (ProposalState.OUTDATED, [])
    project.clone.commit(FILE)
    assert project.did() == [(f"burgee/proposal-{key}", "opened")], "it is as it was when that was proposed"
    project.clone.commit(FILE.replace("{rollout_percentage: 5}", "{rollout_percentage: 7}"))
    assert project.did() == [(f"burgee/proposal-{key}", "outdated")]
    assert "`beta` has changed on the base branch since" in project.body()
    assert find(project.store, key).state is ProposalState.OPENED


def test_a_proposal_that_main_says_already_is_closed(project: Project, api: Api) -> None:
    waiting, opened = project.propose(rollout_percentage=50), project.propose("calm", status=False)
    api.down = None
    project.run()
    project.clone.commit(
        FILE.replace("{rollout_percentage: 5}", "{rollout_percentage: 50}").replace(
            "calm: {status: on}", "calm: {status: off}"
        )
    )
    project.run()
    assert {find(project.store, key).state for key in (waiting, opened)} == {ProposalState.CLOSED}
    assert [pull["state"] for pull in api.pulls] == ["closed", "closed"]
    assert project.clone.branches() == []


def test_two_proposals_that_edit_neighbours_are_rebuilt_where_they_conflict(project: Project, api: Api) -> None:
    first, second = project.propose("dark", status=False), project.propose("calm", status=False)
    project.run()
    project.clone.merge(f"burgee/proposal-{first}")
    api.end(101, merged=True)
    assert project.did() == [(f"burgee/proposal-{first}", "ended"), (f"burgee/proposal-{second}", "updated")]
    git(project.clone.remote, "merge-tree", "--write-tree", "main", f"burgee/proposal-{second}")


def test_a_proposal_may_add_a_flag_and_take_one_out_of_every_environment(project: Project) -> None:
    added, gone = project.propose("shiny", status=True), project.propose("calm", absent=True)
    project.run()
    assert "shiny:" in project.clone.text(f"burgee/proposal-{added}")
    assert "calm:" not in project.clone.text(f"burgee/proposal-{gone}")


def test_a_proposal_that_cannot_be_written_says_why(project: Project, api: Api) -> None:
    key = create(project.store, Edit("beta", unset=("rollout_percentage",)), "", project.act("proposal.create")).id
    run = project.run()
    assert api.pulls == []
    assert [one.needs_person for one in run.outcomes] == [True]
    assert "cannot express this in production" in (find(project.store, key).note or "")
    assert run.warnings
