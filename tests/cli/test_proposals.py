"""`burgee propose` and `burgee proposals`, as their users see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.releases.proposals import ProposalState, mark, note_run
from burgee.stores import Tenant
from burgee.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = """\
version: 1
flags:
  beta: {status: on, rollout_percentage: 20, owner: search}
  dark: {status: on}
"""


@pytest.fixture
def released(burgee: Burgee) -> Burgee:
    burgee.write(FILE)
    assert burgee("apply").code == 0
    return burgee


def test_a_proposal_is_made_with_its_effect_listed_shown_and_closed(released: Burgee) -> None:
    made = released("propose", "beta", "rollout_percentage=50", "owner=null", "--reason", "no errors")
    assert made.code == 0, made.err
    key = made.out.partition(":")[0]
    assert "Change rollout percentage, owner of beta (" in made.out
    assert "30 % off -> on" in made.out
    assert "it has not run here yet" in made.out
    assert released("diff", "live:", "flags.yaml").out.strip() == "nobody sees a change"
    assert key in released("proposals").out
    shown = released("proposals", "show", key).out
    assert "beta: rollout_percentage = 50, without owner" in shown
    assert ": no errors" in shown
    assert "30 % off -> on" in shown
    reported = released("proposals", "show", key, "--json").json
    assert (reported["edit"]["set"], reported["effect"]["flags"][0]["name"]) == ({"rollout_percentage": 50}, "beta")
    assert released("proposals", "close", key, "--reason", "not now").code == 0
    assert released("proposals").out.strip() == "no proposals"
    assert [one["state"] for one in released("proposals", "--all", "--json").json] == ["closed"]
    again = released("proposals", "close", key)
    assert (again.code, "the proposal is closed" in again.err) == (1, True)


def test_where_nothing_is_released_that_is_the_reason(burgee: Burgee) -> None:
    burgee.write(FILE)
    for arguments in (("propose", "beta", "status=off", "--reason", "x"), ("kill", "beta", "--reason", "x")):
        ran = burgee(*arguments)
        assert (ran.code, "nothing is released yet (`burgee serve` or `burgee apply`" in ran.err) == (1, True), ran
    assert burgee("propose", "beta", "status=off", "--new", "--reason", "x").code == 0


def test_until_there_is_an_address_it_says_when_there_will_be_one(released: Burgee) -> None:
    key = released("propose", "beta", "status=off", "--why", "x", "--json").json["id"]
    store = SqliteStore(released.folder / ".burgee/state.sqlite", Tenant())
    note_run(store, 4_000_000_000.0, 900.0)
    assert "by the next run of `burgee reconcile`, expected at 2096-10-02T07:21:40Z" in released("proposals").out
    note_run(store, 4_000_000_000.0, None)
    assert "the last run was at 2096-10-02T07:06:40Z" in released("proposals").out
    mark(store, key, ProposalState.OPENED, 4e9, address="https://example.com/pull/1")
    assert "opened: https://example.com/pull/1" in released("proposals").out
    store.close()


def test_a_flag_that_is_not_there_needs_to_be_new(released: Burgee) -> None:
    ran = released("propose", "bets", "status=on", "--why", "x")
    assert (ran.code, "did you mean 'beta'" in ran.err) == (1, True)
    assert released("propose", "shiny", "status=on", "--why", "x", "--new").code == 0
    assert released("propose", "dark", "--absent", "--why", "x").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reported"),
    [
        (("beta", "status=off"), 2, "--why"),
        (("beta", "status=off", "--why", " "), 2, "a reason must not be blank"),
        (("beta", "--why", "x"), 2, "give KEY=VALUE"),
        (("beta", "status=off", "--absent", "--why", "x"), 2, "not both"),
        (("beta", "status=on", "--why", "x"), 1, "Git already says so"),
        (("beta", "rollout_percentage=500", "--why", "x"), 1, "percentage-range"),
    ],
)
def test_misuse_is_named_and_makes_nothing(
    released: Burgee, arguments: tuple[str, ...], code: int, reported: str
) -> None:
    ran = released("propose", *arguments)
    assert (ran.code, reported in ran.err) == (code, True), ran.err
    assert released("proposals").out.strip() == "no proposals"
