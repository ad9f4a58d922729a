"""An import that is run again: follows the other engine, keeps what people changed, and says where both did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.cli import Burgee, Ran


def served(variation: int, **more: Any) -> dict[str, Any]:
    return {"on": True, "variations": ["red", "blue"], "fallthrough": {"variation": variation}, **more}


def run(burgee: Burgee, *arguments: str, **flags: Any) -> Ran:
    burgee.write(json.dumps({"flags": flags}), "theirs.json")
    return burgee("import", "launchdarkly", "theirs.json", "--out", "flags.yaml", *arguments)


def edit(burgee: Burgee, old: str, new: str) -> None:
    path = burgee.folder / "flags.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def text(burgee: Burgee) -> str:
    return (burgee.folder / "flags.yaml").read_text()


def test_run_again_it_changes_nothing(burgee: Burgee) -> None:
    run(burgee, a=served(0), b=served(1))
    before = text(burgee)
    ran = run(burgee, a=served(0), b=served(1))
    assert (ran.code, ran.out, text(burgee)) == (0, "flags.yaml: 2 flags, unchanged\n", before)


def test_what_it_wrote_follows_and_what_people_added_stays(burgee: Burgee) -> None:
    run(burgee, a=served(0), b=served(0), gone=served(0))
    edit(burgee, "  a:\n", "  # keep this\n  a:\n    owner: web\n    tests:\n      - {user: ada, expect: blue}\n")
    edit(burgee, "  b:\n", "  mine:\n    status: on\n  b:\n")
    ran = run(burgee, a=served(1), b=served(1), new=served(0))
    assert (ran.code, ran.err) == (0, "")
    lines = text(burgee)
    assert "# keep this\n  a:\n    owner: web\n" in lines
    listed = burgee("list", "--json").json
    assert [(one["flag"], one.get("owner")) for one in listed] == [
        ("a", "web"),
        ("mine", None),
        ("b", None),
        ("new", None),
    ]
    assert "blue" in burgee("eval", "a", "--user", "ada").out
    assert burgee("fmt", "--check").code == 0


def test_where_both_changed_the_file_keeps_its_own_and_the_command_says_so_once(burgee: Burgee) -> None:
    run(burgee, a=served(0))
    edit(burgee, "serve: red", "serve: blue")
    ran = run(burgee, a=served(0, on=False))
    assert ran.code == 1
    assert "a: what it serves changed in the file and in the other engine; the file keeps its own" in ran.err
    assert "status: on" in text(burgee)
    assert run(burgee, a=served(0, on=False)).code == 0


def test_a_removed_flag_stays_removed_and_one_of_the_same_name_stays_as_it_is(burgee: Burgee) -> None:
    run(burgee, a=served(0), b=served(0))
    lines = text(burgee)
    start = lines.index("  b:\n")
    (burgee.folder / "flags.yaml").write_text(lines[:start] + "  c:\n    status: on\n")
    ran = run(burgee, a=served(0), b=served(1), c=served(0))
    assert ran.code == 1
    assert "b: it was removed from the file, and has changed in the other engine" in ran.err
    assert "c: the file already has one of this name, which stays as it is" in ran.err
    assert [one["flag"] for one in burgee("list", "--json").json] == ["a", "c"]


def test_a_flag_that_is_left_out_now_stays_as_it_was(burgee: Burgee) -> None:
    run(burgee, a=served(0), b=served(0))
    before = text(burgee)
    ran = run(burgee, a=served(0), b=served(0, prerequisites=[{"key": "z", "variation": 0}]))
    assert ran.code == 1
    assert "b: it stays as it was last imported, because it is left out now" in ran.err
    assert text(burgee) == before
    run(burgee, a=served(0), b=served(1))
    assert "blue" in burgee("eval", "b", "--user", "ada").out


def test_a_file_without_a_record_or_with_anothers_is_never_replaced_silently(burgee: Burgee) -> None:
    kept = burgee.write("version: 1\n").read_text()
    assert run(burgee, a=served(0)).code == 1
    assert text(burgee) == kept
    assert run(burgee, "--overwrite", a=served(0)).code == 0
    burgee.write('{"a": {"variations": {"x": 1}, "defaultRule": {"variation": "x"}}}', "goff.json")
    ran = burgee("import", "goff", "goff.json", "--out", "flags.yaml")
    assert (ran.code, ran.err) == (1, "burgee: flags.import.json is the record of an import from launchdarkly\n")


def test_a_broken_record_or_file_is_reported_and_nothing_written(burgee: Burgee) -> None:
    run(burgee, a=served(0))
    record = burgee.folder / "flags.import.json"
    whole = record.read_text()
    for broken in ("", "[]", '{"version": 9}', '{"version": 1, "engine": "launchdarkly"}'):
        record.write_text(broken)
        assert run(burgee, a=served(1)).code == 1
    record.write_text(whole)
    edit(burgee, "status: on", "status: perhaps")
    before = text(burgee)
    assert run(burgee, a=served(1)).code == 1
    assert (text(burgee), record.read_text()) == (before, whole)
