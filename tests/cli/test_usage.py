"""`burgee usage` and what `burgee stale` makes of usage: removal is proposed only where nothing asks."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from burgee.cli.git import flag_history
from burgee.events.jsonl_sink import JsonlSink
from burgee.events.records import RecordScope
from burgee.events.usage_database import UsageDatabase
from burgee.events.usage_records import Cell, Window, usage_records
from support.repositories import git

if TYPE_CHECKING:
    from support.cli import Burgee

DAY = 86_400
FLAGS = """\
version: 1
flags:
  half: {status: on, rollout_percentage: 50, owner: web}
  old: {status: on, owner: web}
  kept: {status: on, owner: web, permanent: true}
  needs: {status: on, owner: web, requires: [{flag: base, variant: on}]}
  base: {status: on, owner: web}
"""


def cell(flag: str, variant: str | None = "on", **more: Any) -> Cell:
    made = Cell(flag, variant, "STATIC", None, None, 1, override=False, key="shop", bulk=False)
    return made._replace(**more)


def record(burgee: Burgee, days: float, counts: dict[Cell, int], environment: str = "default") -> None:
    """Adds a record of so many days ago."""
    (burgee.folder / ".burgee").mkdir(exist_ok=True)
    usage = UsageDatabase(burgee.folder / ".burgee/usage.sqlite")
    at = time.time() - days * DAY
    usage.write(usage_records(counts, Window(at - 60, at), RecordScope("default", environment)))
    usage.close()


@pytest.fixture
def repository(burgee: Burgee, monkeypatch: pytest.MonkeyPatch) -> Burgee:
    """A repository whose last commit is long ago, released into its store."""
    burgee.write(FLAGS)
    burgee.write(".burgee\n", ".gitignore")
    burgee.write("nothing = 1\n", "src/page.py")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-02T00:00:00Z")
    git(burgee.folder, "init", "-q", "-b", "main")
    git(burgee.folder, "config", "user.name", "A")
    git(burgee.folder, "config", "user.email", "a@example.com")
    git(burgee.folder, "add", ".")
    git(burgee.folder, "commit", "-qm", "x")
    assert burgee("apply").code == 0
    return burgee


def test_it_says_which_flags_are_asked_for_by_which_key(repository: Burgee) -> None:
    split = {"reason": "SPLIT", "rule": "default"}
    for minute in range(60):
        counts = {cell("half", "on", **split): 100, cell("half", "off", bulk=True, key="page", **split): 1}
        record(repository, 0.3 + minute / 1440, counts)
    record(repository, 3, {cell("gone", None, reason="ERROR", error="FLAG_NOT_FOUND"): 4})
    ran = repository("usage")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("half   6,000 by name, 7 hours ago, 60 in bulk: on 99.0%, off 1.0%")
    assert "on 99.0% of 50.0%, off 1.0% of 50.0% expected" in lines[1]
    assert "a client sends a wrong context" in lines[1]
    assert lines[2] == "old    not asked for"
    assert lines[-1] == "gone   no such flag: asked for 4 times, 3 days ago, by shop"
    assert "recorded only since" in ran.err
    one = repository("usage", "half")
    assert "  key page: 60, 7 hours ago" in one.out
    assert "  release 1: 6,060" in one.out
    assert repository("usage", "old").out.splitlines()[1] == "  by name: never"
    assert repository("usage", "--since", "2h").out.splitlines()[0] == "half   not asked for"


def test_as_json_it_has_everything_and_one_flag_alone_if_named(repository: Burgee) -> None:
    record(repository, 1, {cell("old"): 7, cell("gone", None, error="FLAG_NOT_FOUND"): 1})
    found = repository("usage", "--json").json
    assert [one["flag"] for one in found["flags"]] == ["half", "old", "kept", "needs", "base"]
    assert [one["flag"] for one in found["unknown"]] == ["gone"]
    old = repository("usage", "old", "--json").json["flags"][0]
    assert (old["by_name"]["answers"], old["bulk"], old["variants"]) == (7, {"answers": 0, "last": None}, {"on": 7})
    assert old["keys"][0]["key"] == "shop"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["odl"], 1, "did you mean"),
        (["--since", "yesterday"], 2, "--since"),
        (["--since", "0d"], 2, "--since"),
        (["--events", "nowhere"], 1, "no .jsonl or .parquet"),
    ],
)
def test_what_cannot_be_answered_is_said(repository: Burgee, arguments: list[str], code: int, said: str) -> None:
    ran = repository("usage", *arguments)
    assert ran.code == code
    assert said in ran.err.lower()


def test_without_records_it_says_so(repository: Burgee) -> None:
    ran = repository("usage")
    where = "project default, no environment, .burgee/state.sqlite"
    said = f"nothing is recorded yet ({where}); what is asked for shows within a minute"
    assert (ran.code, ran.out, ran.err.strip()) == (0, "", said)


def test_files_of_records_say_the_same_as_the_database(repository: Burgee) -> None:
    now = time.time()
    records = usage_records(
        {cell("old"): 7, cell("half", "off", bulk=True): 2}, Window(now - 60, now, 5), RecordScope()
    )
    sink = JsonlSink(repository.folder / "records")
    sink.write(records)
    sink.write(records)
    sink.close()
    with (repository.folder / "records/torn.jsonl").open("w") as file:
        file.write(json.dumps(records[0], separators=(",", ":"))[:-5])
    usage = UsageDatabase(repository.folder / ".burgee/usage.sqlite")
    usage.write(records)
    usage.close()
    sides = [repository("usage", "--json", *more).json for more in ([], ["--events", "records"])]
    for side in sides:
        side["recorded_since"] = side["since"] = side["until"] = None
        for one in (*side["flags"], *side["unknown"]):
            for asked in (one["by_name"], one["bulk"], *one["keys"]):
                asked["last"] = asked["last"] and asked["last"][:16]
    assert sides[0] == sides[1]
    assert sides[0]["lost"] == 5


def stale(repository: Burgee, *arguments: str) -> list[tuple[str, str]]:
    ran = repository("stale", "--json", *arguments)
    return [(one["flag"], one["code"]) for one in ran.json]


def test_unasked_is_said_once_records_go_back_and_not_of_what_is_permanent(repository: Burgee) -> None:
    settled = [("old", "settled"), ("needs", "settled"), ("base", "settled")]
    assert stale(repository) == settled
    record(repository, 10, {cell("half"): 1})
    record(repository, 0.1, {cell("half"): 1})
    assert stale(repository) == settled, "ten days of records do not say what happens in thirty"
    record(repository, 31, {cell("half"): 1, cell("base"): 1})
    record(repository, 5, {cell("base", bulk=True): 1})
    assert stale(repository) == [*settled, ("old", "unasked"), ("needs", "unasked")]


@pytest.fixture
def unasked(repository: Burgee) -> Burgee:
    """Thirty days of records in which only one flag is asked for."""
    for days in (31, 20, 1):
        record(repository, days, {cell("half"): 1})
    return repository


def proposals(repository: Burgee) -> list[str]:
    return [one["title"] for one in repository("proposals", "--json").json]


def test_a_settled_flag_that_nothing_uses_is_proposed_once(unasked: Burgee) -> None:
    ran = unasked("stale", "--remove")
    assert ran.code == 0, ran.err
    assert "base: stays: needs requires base" in ran.out
    assert sorted(proposals(unasked)) == ["Remove needs", "Remove old"]
    (made,) = [one for one in unasked("proposals", "--json").json if one["edit"]["flag"] == "old"]
    assert made["edit"]["absent"] is True
    assert "**Usage**: nothing has asked for it in 30 days (default)" in made["why"]
    assert "**Code**: no file names it" in made["why"]
    again = unasked("stale", "--remove")
    assert f"old: proposed already, as {made['id']}" in again.out
    assert len(proposals(unasked)) == 2


def test_the_history_is_read_once_however_many_flags_are_settled(
    unasked: Burgee, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    real = flag_history.versions

    def counted(*given: Any) -> Any:
        read.append(given)
        return real(*given)

    monkeypatch.setattr(flag_history, "versions", counted)
    assert len(unasked("stale", "--remove").out.splitlines()) == 3
    assert len(read) == 1


def test_a_flag_stays_that_code_names_or_may_name(unasked: Burgee) -> None:
    unasked.write("client.get_boolean_value('old', False)\n", "src/page.py")
    assert "old: stays: src/page.py:1:26 names old" in unasked("stale", "--remove", "--code", "src").out
    unasked.write("client.get_boolean_value(f'ol{x}', False)\n", "src/page.py")
    assert "old: stays: src/page.py:1:" in unasked("stale", "--remove", "--code", "src").out
    assert "Remove old" not in proposals(unasked)


def test_a_flag_stays_that_is_asked_for_by_name_or_in_bulk(unasked: Burgee) -> None:
    record(unasked, 2, {cell("old"): 3, cell("needs", bulk=True): 3})
    said = unasked("stale", "--remove").out
    assert "old: stays: old is asked for: 3 times in 30 days by shop" in said
    assert "needs: stays: needs is in answers to callers of all flags" in said
    assert proposals(unasked) == []


def test_bulk_answers_are_ignored_only_when_that_is_said(unasked: Burgee) -> None:
    record(unasked, 2, {cell("old", bulk=True): 3, cell("needs", bulk=True): 3})
    assert "stays" in unasked("stale", "--remove").out
    assert proposals(unasked) == []
    unasked("stale", "--remove", "--ignore-bulk")
    (made,) = [one for one in unasked("proposals", "--json").json if one["edit"]["flag"] == "old"]
    assert "nothing has asked for it by name in 30 days" in made["why"]


def test_nothing_is_proposed_before_records_go_back_so_far(repository: Burgee) -> None:
    for days in (None, 10, 1):
        if days is not None:
            record(repository, days, {cell("half"): 1})
        assert "old: stays: usage is not recorded for 30 days yet" in repository("stale", "--remove").out
    assert proposals(repository) == []


def test_an_override_keeps_its_flag(unasked: Burgee) -> None:
    assert unasked("kill", "old", "--reason", "x").code == 0
    assert "old has an override" in unasked("stale", "--remove").out
