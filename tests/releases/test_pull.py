"""What overrides write into a flag file that has, or has not, changed since they were laid."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from burgee.evaluation.snapshots import definition_digest, payload
from burgee.flagfile.compile import compile_file
from burgee.flagfile.editor import write_back
from burgee.guards.plan import served, unguarded
from burgee.model import Override
from burgee.releases.deploy import live
from burgee.releases.overrides import lay
from burgee.releases.pull import pulled, released_definition
from burgee.stores import Change, Origin, Tenant
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from burgee.model import Definition
    from support.cli import Burgee

NOW = 1_795_500_000.0
ON, OFF = {"status": True}, {"status": False}
RULE = {"rules": [{"when": {"plan": "pro"}}], "default": {"serve": "off"}}


def laid(said: Definition | None, base: Definition | None, expires_at: str | None = None) -> Override:
    return Override("a", said, "ada", "why", "", "", expires_at, definition_digest(base))


def pulling(said: Definition | None, base: Definition | None, git: Definition | None, known: bool = True) -> Any:
    flags = {} if git is None else {"a": git}
    found = pulled([laid(said, base)], flags, lambda *_: base if known else None, NOW)
    return found.wanted.get("a", "nothing") if not found.refused else "refused"


@pytest.mark.parametrize(
    ("said", "base", "git", "wanted"),
    [
        (OFF, ON, ON, OFF),
        (OFF, ON, OFF, "nothing"),
        (OFF, ON, {**ON, **RULE}, {**OFF, **RULE}),
        (OFF, {**ON, **RULE}, {**ON, "owner": "b"}, {**OFF, "owner": "b"}),
        ({**OFF, "owner": "c"}, ON, {**ON, "owner": "b"}, "refused"),
        ({**OFF, "owner": "b"}, ON, {**ON, "owner": "b"}, {**OFF, "owner": "b"}),
        ({"status": True, "rollout_percentage": 5}, ON, OFF, {"status": False, "rollout_percentage": 5}),
        (None, ON, ON, None),
        (None, ON, {**ON, "owner": "b"}, "refused"),
        (OFF, ON, None, "refused"),
        (ON, None, None, ON),
        (OFF, None, ON, "refused"),
    ],
)
def test_an_override_writes_the_keys_that_it_changed_and_no_others(
    said: Any, base: Any, git: Any, wanted: Any
) -> None:
    assert pulling(said, base, git) == wanted


def test_nothing_that_either_said_is_lost_unreported() -> None:
    """Every override over every base, with every file since: each key is what the one who changed it last said."""
    keys = [{}, {"owner": "x"}, {"owner": "y"}]
    definitions = [{**status, **key} for status, key in product([ON, OFF], keys)]
    outcomes = [(said, base, git, pulling(said, base, git)) for said, base, git in product(definitions, repeat=3)]
    pulled = [one for one in outcomes if one[3] != "refused"]
    assert len(outcomes) / 2 < len(pulled) < len(outcomes)
    for said, base, git, wanted in pulled:
        result = git if wanted == "nothing" else wanted
        for key in ("status", "owner"):
            if said.get(key) != base.get(key):
                assert result.get(key) == said.get(key)
            else:
                assert result.get(key) == git.get(key)


def test_what_an_override_was_laid_over_is_not_known() -> None:
    assert pulling(OFF, ON, {**ON, **RULE}, known=False) == "refused"


def test_what_ends_by_itself_is_written_only_when_asked_for() -> None:
    later, before = laid(OFF, ON, "2099-01-01T00:00:00Z"), laid(OFF, ON, "2020-01-01T00:00:00Z")
    none = pulled([later], {"a": ON}, lambda *_: None, NOW)
    assert (none.wanted, none.temporary) == ({}, ["a"])
    assert pulled([later], {"a": ON}, lambda *_: None, NOW, temporary=True).wanted == {"a": OFF}
    assert pulled([before], {"a": ON}, lambda *_: None, NOW, temporary=True).wanted == {}


def test_a_definition_is_found_in_releases_before_the_live_one() -> None:
    store = SqliteStore(":memory:")
    for number in range(5):
        flags = {"a": {"status": True, "owner": str(number)}}
        snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
        store.stage(payload(snapshot), Origin(), flags=1, at="2027-01-01T00:00:00Z")
    store.commit(Change(activate=5), expected=0)
    find = released_definition(store)
    for number in (0, 4, 2):
        wanted = {"status": True, "owner": str(number)}
        assert find("a", definition_digest(wanted)) == wanted
    assert find("a", definition_digest(OFF)) is None
    assert find("b", definition_digest(ON)) is None
    store.close()


FILE = """\
version: 1
environments: [production]
flags:
  a: {description: first}  # of ada
  b: {description: second}
  c: {description: third}
"""


def test_pull_keeps_what_a_colleague_committed_and_one_that_cannot_be_written_blocks_no_other(burgee: Burgee) -> None:
    burgee.write(FILE)
    on = ("--env", "production")
    assert burgee("apply", *on).code == 0
    for flag in ("a", "b"):
        assert burgee("override", "set", flag, "rollout_percentage=5", "--reason", "why", *on).code == 0
    assert burgee("override", "set", "c", "--absent", "--reason", "why", *on).code == 0
    assert (
        burgee("override", "set", "d", "status=off", "--new", "--reason", "why", "--expires-in", "2h", *on).code == 0
    )
    colleague = FILE.replace("{description: first}", "{description: first, owner: bob}")
    burgee.write(colleague.replace("{description: second}", "{description: second, rollout_percentage: 50}"))
    ran = burgee("pull", *on)
    assert ran.code == 1
    assert "a: written" in ran.out
    assert "b: not written: the file and the override have both changed rollout_percentage" in ran.err
    assert "c: not written" in ran.err
    assert "d: expires" in ran.out
    text = (burgee.folder / "flags.yaml").read_text(encoding="utf-8")
    assert "owner: bob" in text
    assert "# of ada" in text
    assert "rollout_percentage: 5" in text
    assert "rollout_percentage: 50" in text
    assert "d:" not in text


GUARDED = """\
version: 1
environments: [staging, production]
metrics:
  errors: {event: failed, kind: proportion}
flags:
  a:
    status: on
    rules:
      - name: EU
        when: {country: DE}
        rollout_percentage: 0
        salt: eu
    default: {serve: off}
    environments:
      production:
        rules:
          - name: EU  # first
            when: {country: DE}
            rollout_percentage: 0
            salt: eu
            guard: {steps: [5, 100], hold: 6h, guardrails: {errors: {margin: 5}}}
  b:
    status: on
    rollout_percentage: 0
    environments:
      production:
        guard: {steps: [5, 25], hold: 6h, alarms: [errors]}
"""


def test_pull_writes_what_a_guard_has_reached_and_the_guard_goes(burgee: Burgee) -> None:
    burgee.write(GUARDED)
    assert burgee("apply", "--env", "production").code == 0
    store = SqliteStore(burgee.folder / ".burgee/state.sqlite", Tenant("default", "production"))
    for flag in ("a", "b"):
        state, current = live(store)
        raised = served(current["flags"][flag], 5)
        act = AuditContext("flag.update", "guard", "step 5 %", NOW)
        store.commit(lay(state, current, flag, raised, act), expected=state.pointer.revision)
    store.close()
    ran = burgee("pull", "--env", "production")
    assert ran.code == 0, ran.err
    text = (burgee.folder / "flags.yaml").read_text(encoding="utf-8")
    assert "guard" not in text.partition("flags:")[2]
    assert text.count("rollout_percentage: 5") == 2
    assert "# first" in text
    assert burgee("lint").code == 0
    ran = burgee("apply", "--env", "production")
    assert ran.code == 0, ran.err
    assert "Git agrees now" in ran.out + ran.err


EVERYWHERE = """\
version: 1
environments: [staging, qa, production]
flags:
  a:
    status: on
    rollout_percentage: 0
    guard: {steps: [5, 100], hold: 6h, alarms: [errors]}  # slowly
    environments:
      qa: {guard: {steps: [50], hold: 1h, alarms: [others]}}
      staging: {rollout_percentage: 2}
  b: {status: on}
"""


@pytest.mark.parametrize("share", [0, 5], ids=["rolled back", "raised"])
def test_a_guard_of_all_environments_ends_in_one_and_goes_on_unchanged_in_the_others(
    burgee: Burgee, share: float
) -> None:
    path = burgee.write(EVERYWHERE)
    before = {name: compile_file(path, name)["flags"] for name in ("staging", "qa", "production")}
    write_back(path, "production", {"a": unguarded(served(before["production"]["a"], share))})
    after = compile_file(path, "production")["flags"]["a"]
    git = {key: value for key, value in before["production"]["a"].items() if key != "guard"}
    assert after == {**git, "rollout_percentage": share}
    for name in ("staging", "qa"):
        assert compile_file(path, name)["flags"] == before[name]
    text = path.read_text(encoding="utf-8")
    assert "&" not in text, "no anchors, which the file may not have"
    assert text.endswith("  b: {status: on}\n")
    write_back(path, "staging", {"a": unguarded(served(before["staging"]["a"], 5))})
    assert "guard" not in compile_file(path, "staging")["flags"]["a"]
    assert compile_file(path, "qa")["flags"] == before["qa"]
    assert burgee("lint").code == 0


def test_a_guard_outside_the_only_environment_is_removed_with_its_end(burgee: Burgee) -> None:
    guard = "guard: {steps: [5, 100], hold: 6h, alarms: [errors]}"
    flag = f"  a:\n    status: on\n    rollout_percentage: 0\n    {guard}\n"
    path = burgee.write(f"version: 1\nenvironments: [production]\nflags:\n{flag}")
    ended = unguarded(compile_file(path, "production")["flags"]["a"])
    write_back(path, "production", {"a": ended})
    assert path.read_text(encoding="utf-8").splitlines()[3:] == [
        "  a:",
        "    status: on",
        "    rollout_percentage: 0",
    ]
