"""Proposals on every store: made, listed, withdrawn, and what a pipeline writes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Conflict, InvalidFlag, Refused
from burgee.releases.deploy import Consent, apply, live, write
from burgee.releases.overrides import lay
from burgee.releases.plan import OverrideVerdict
from burgee.releases.proposals import (
    ENDED,
    NEXT,
    Edit,
    Proposal,
    ProposalState,
    create,
    find,
    last_run,
    listed,
    mark,
    note_run,
    withdraw,
)
from burgee.stores import Origin, Put, Shelf
from burgee.stores.audit import AuditContext

if TYPE_CHECKING:
    from burgee.stores import Store

NOW = 4_000_000_000.0
ON = {"status": True}
WAITING, OPENED, OUTDATED, MERGED, CLOSED = (
    ProposalState(name) for name in ("waiting", "opened", "outdated", "merged", "closed")
)


def act(action: str = "proposal.create", now: float = NOW, **more: Any) -> AuditContext:
    return AuditContext(action, "ada", "orders fail", now, **more)


def release(store: Store, **flags: Any) -> None:
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
    apply(store, snapshot, Origin(), act("release.activate"), Consent("keep"))


def proposed(store: Store, flag: str = "a", now: float = NOW, **keys: Any) -> Proposal:
    return create(store, Edit(flag, keys or {"status": False}), "Switch it off", act(now=now))


def test_a_proposal_comes_back_as_it_was_made_and_changes_nothing_that_is_served(any_store: Store) -> None:
    release(any_store, a=ON, b={"status": True, "owner": "x"})
    before = any_store.state()
    first = proposed(any_store)
    edit = Edit("b", {"variants": {"x": 1, "y": 2.5}, "default": {"serve": "y"}}, ("owner",))
    second = create(any_store, edit, "Two arms", act(now=NOW + 1))
    third = create(any_store, Edit("new", ON), "A new one", act(now=NOW + 2))
    fourth = create(any_store, Edit("a", absent=True), "Out", act(now=NOW + 3))
    assert listed(any_store, NOW) == [fourth, third, second, first]
    assert json.dumps(find(any_store, second.id).edit.set) == json.dumps(edit.set)
    assert (first.state, first.author, first.why, third.base_digest) == (WAITING, "ada", "orders fail", None)
    assert any_store.state() == before
    entry = any_store.audit()[3]
    said = {"id": first.id, "set": {"status": False}, "unset": [], "absent": False, "title": "Switch it off"}
    assert (entry.action, entry.flag, entry.before, entry.after) == ("proposal.create", "a", None, said)


def test_a_proposal_whose_flag_has_changed_since_says_so(any_store: Store) -> None:
    release(any_store, a=ON, b=ON)
    made = proposed(any_store)
    release(any_store, a=ON, b={"status": False})
    assert made.seen_from(live(any_store)[1]).state is WAITING
    release(any_store, a={"status": True, "owner": "x"}, b={"status": False})
    assert made.seen_from(live(any_store)[1]).state is OUTDATED
    opened = mark(any_store, made.id, OPENED, NOW, address="https://example.com/1")
    assert opened.seen_from(live(any_store)[1]).state is OPENED, "the pull request shows its conflict itself"


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (Edit("a", ON), "Git already says so"),
        (Edit("new", absent=True), "Git already says so"),
        (Edit("a", {"status": False}, absent=True), "no keys"),
        (Edit("a", unset=("owner",)), "does not have owner"),
        (
            Edit("a", {"rules": [{"when": {"segment": "none"}, "serve": "on"}], "default": {"serve": "off"}}),
            "segment",
        ),
        (Edit("b", absent=True), "unknown-flag"),
        (Edit("a", {"description": "x" * 100_001}), "100,000 bytes"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(any_store: Store, edit: Edit, why: str) -> None:
    release(any_store, a={"status": True, "requires": [{"flag": "b", "variant": "on"}]}, b=ON)
    with pytest.raises(Refused, match=why):
        create(any_store, edit if edit.flag != "a" or edit.set != ON else Edit("b", ON), "Title", act())
    assert listed(any_store, NOW) == []


def test_what_is_not_in_the_grammar_is_refused_with_its_place(any_store: Store) -> None:
    release(any_store, a=ON)
    with pytest.raises(InvalidFlag, match="rollout_percentage: percentage-range"):
        proposed(any_store, rollout_percentage=101)


@pytest.mark.parametrize("title", ["x" * 201, "two\nlines", "an\x1bescape"])
def test_a_title_is_one_line(any_store: Store, title: str) -> None:
    release(any_store, a=ON)
    with pytest.raises(Refused, match="title"):
        create(any_store, Edit("a", {"status": False}), title, act())


def test_a_title_is_made_up_where_none_is_given(any_store: Store) -> None:
    release(any_store, a={"status": True, "owner": "x"})
    edits = [Edit("a", {"rollout_percentage": 5}, ("owner",)), Edit("a", absent=True)]
    titles = [create(any_store, edit, "", act(now=NOW + number)).title for number, edit in enumerate(edits)]
    assert titles == ["Change rollout percentage, owner of a", "Remove a"]


def test_a_proposal_says_why(any_store: Store) -> None:
    release(any_store, a=ON)
    with pytest.raises(Refused, match="needs a reason"):
        create(any_store, Edit("a", {"status": False}), "", act()._replace(reason=" "))


def test_what_ended_long_ago_is_not_listed_and_what_is_kept_is_bounded(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burgee.releases.proposals.MAX_KEPT", 2)
    release(any_store, a=ON)
    for number in range(2):
        withdraw(any_store, proposed(any_store, now=NOW + number).id, act("proposal.withdraw"))
    with pytest.raises(Refused, match="are kept"):
        proposed(any_store, now=NOW + 2)
    assert listed(any_store, NOW + 91 * 86_400) == []
    proposed(any_store, now=NOW + 91 * 86_400)


def test_a_run_is_noted_and_is_no_proposal(any_store: Store) -> None:
    assert last_run(any_store) is None
    note_run(any_store, NOW, 900.0)
    note_run(any_store, NOW + 60, 900.0)
    run = last_run(any_store)
    assert run is not None
    assert run.next() == NOW + 960
    assert listed(any_store, NOW) == []
    with pytest.raises(Refused, match="no proposal"):
        find(any_store, "run")


def test_a_proposal_since_hides_no_override_that_was_kept_against_git(any_store: Store) -> None:
    release(any_store, a=ON)
    write(any_store, lambda state, git: lay(state, git, "a", {"status": False}, act("override.set")))
    release(any_store, a={**ON, "owner": "x"})
    proposed(any_store, owner="y")
    snapshot = live(any_store)[1]
    made = apply(any_store, snapshot, Origin(), act("release.activate"), Consent("discard"))
    assert [one.override.flag for one in made.having(OverrideVerdict.CONFLICT)] == ["a"]
    assert any_store.state().overrides == {}


def test_as_many_as_wait_or_are_open_are_bounded(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burgee.releases.proposals.MAX_OPEN", 2)
    release(any_store, a=ON)
    first, second = proposed(any_store), proposed(any_store, now=NOW + 1)
    mark(any_store, second.id, OPENED, NOW, address="https://example.com/1")
    with pytest.raises(Refused, match="close some"):
        proposed(any_store, now=NOW + 2)
    withdraw(any_store, first.id, act("proposal.withdraw"))
    proposed(any_store, now=NOW + 3)


def test_one_that_waits_is_withdrawn_and_one_that_is_open_is_closed_where_it_is(any_store: Store) -> None:
    release(any_store, a=ON)
    waiting, opened = proposed(any_store), proposed(any_store, now=NOW + 1)
    mark(any_store, opened.id, OPENED, NOW, address="https://example.com/1")
    assert withdraw(any_store, waiting.id, act("proposal.withdraw")).state is CLOSED
    assert any_store.audit(limit=1)[0].action == "proposal.withdraw"
    for key, why in ((waiting.id, "closed"), (opened.id, "close https://example.com/1"), ("nothing", "no proposal")):
        with pytest.raises(Refused, match=why):
            withdraw(any_store, key, act("proposal.withdraw"))


@pytest.mark.parametrize("start", [WAITING, OPENED, OUTDATED, MERGED, CLOSED])
def test_each_state_is_followed_by_those_that_may_follow(any_store: Store, start: ProposalState) -> None:
    release(any_store, a=ON)
    path = {WAITING: [], OPENED: [OPENED], OUTDATED: [OUTDATED], MERGED: [OPENED, MERGED], CLOSED: [CLOSED]}[start]
    for number, wanted in enumerate([OPENED, OUTDATED, MERGED, CLOSED, WAITING]):
        key = proposed(any_store, now=NOW + number).id
        for state in path:
            mark(any_store, key, state, NOW, address="https://example.com/1" if state is OPENED else None)
        before = find(any_store, key)
        assert before.state is start
        if wanted is start:
            assert mark(any_store, key, wanted, NOW + 99) == before, "the same again changes nothing"
        elif wanted in NEXT[start]:
            after = mark(any_store, key, wanted, NOW + 99, address="https://example.com/2")
            assert (after.state, after.address, find(any_store, key)) == (wanted, "https://example.com/2", after)
        else:
            with pytest.raises(Refused, match="does not become"):
                mark(any_store, key, wanted, NOW)
    assert start not in ENDED or not NEXT[start]


def test_opened_is_opened_somewhere(any_store: Store) -> None:
    release(any_store, a=ON)
    with pytest.raises(Refused, match="address"):
        mark(any_store, proposed(any_store).id, OPENED, NOW)


def test_two_who_write_back_at_once_both_succeed_and_one_who_withdraws_meanwhile_wins_or_is_reported(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(any_store, a=ON)
    made = proposed(any_store)
    keep, raced = any_store.keep, [1]

    def racing(puts: Any, audit: Any = ()) -> None:
        if raced:
            raced.pop()
            mark(any_store, made.id, OPENED, NOW, address="https://example.com/1")
        keep(puts, audit)

    monkeypatch.setattr(any_store, "keep", racing)
    with pytest.raises(Conflict):
        withdraw(any_store, made.id, act("proposal.withdraw"))
    raced.append(1)
    assert mark(any_store, made.id, MERGED, NOW).state is MERGED
    assert find(any_store, made.id).address == "https://example.com/1"


def test_what_the_pipeline_writes_is_one_record_of_proposals(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its role may write no audit entry, and nothing else of the tenant."""
    release(any_store, a=ON)
    made = proposed(any_store)
    kept: list[tuple[list[Put], list[Any]]] = []
    keep = any_store.keep

    def counted(puts: Any, audit: Any = ()) -> None:
        kept.append((puts, audit))
        keep(puts, audit)

    monkeypatch.setattr(any_store, "keep", counted)
    mark(any_store, made.id, OUTDATED, NOW)
    mark(any_store, made.id, CLOSED, NOW)
    assert [([put.shelf for put in puts], list(audit)) for puts, audit in kept] == [([Shelf.PROPOSALS], [])] * 2
    assert kept[1][0][0].until == NOW + 90 * 86_400
