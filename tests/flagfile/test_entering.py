"""One rule for every way in: what lint refuses, the API, the command line and imports refuse, in the same words."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from burgee.errors import InvalidFlag
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import definition_digest, payload
from burgee.flagfile.checks import check
from burgee.flagfile.compile import compile_file
from burgee.flagfile.editor import write_back
from burgee.flagfile.entering import entered, stored_faults
from burgee.flagfile.flag_grammar import normalise
from burgee.flagfile.source import Source
from burgee.serving.serving import Serving
from burgee.stores import Change, Origin
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.model import Fault, Problem, Snapshot
    from support.cli import Burgee

    Said = tuple[str, str]

FLAGS: dict[str, Any] = {
    "plain": {"status": True},
    "shirt": {"status": True, "variants": {"s": 1, "m": 2}, "default": {"serve": "s"}},
    "needy": {"status": True, "requires": [{"flag": "shirt", "variant": "m"}, {"flag": "chosen", "variant": "on"}]},
    "placed": {"status": True, "layer": {"name": "l", "range": [0, 50]}},
    "chosen": {"status": False, "description": "to be changed"},
}
SEGMENTS = {"eu": {"country": ["DE", "FR"]}}
WORLD: Snapshot = {
    "format": 1,
    "environment": None,
    "flags": FLAGS,
    "segments": SEGMENTS,
    "holdouts": {"q": {"percentage": 5}},
}
AB = {"variants": {"a": 1, "b": 2}, "default": {"serve": "a"}}
GUARD = {"steps": [1, 5], "hold": "1h", "alarms": ["errors"]}
LATER, EARLIER = "2027-02-01T00:00:00Z", "2027-01-01T00:00:00Z"

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("mixed-types", {"variants": {"x": 1, "y": "text"}, "default": {"serve": "x"}}),
    ("target-twice", {**AB, "targets": {"a": ["ada"], "b": ["ada"]}}),
    ("target-twice", {"targets": {"on": ["ada", "ada"]}}),
    ("empty", {"salt": ""}),
    ("empty", {"rules": [{"when": {}, "salt": ""}], "default": {"serve": "off"}}),
    ("schedule-order", {"schedule": [{"at": LATER, "set": {"status": True}}, {"at": EARLIER, "set": {"salt": "s"}}]}),
    ("schedule-order", {"schedule": [{"at": LATER, "set": {"status": True}}] * 2}),
    ("too-long", {"schedule": [{"at": f"2027-01-01T00:{n // 60:02}:{n % 60:02}Z", "set": {}} for n in range(101)]}),
    ("missing-default", {"variants": {"x": 1}}),
    ("missing-default", {"variants": {"x": 1}, "default": {}}),
    ("missing-default", {"rules": [{"when": {"country": "DE"}, "rollout_percentage": 10}]}),
    ("serve-missing", {**AB, "rules": [{"when": {}}]}),
    ("unknown-variant", {**AB, "off_variant": "c"}),
    ("unknown-variant", {**AB, "default": {"split": {"a": 1, "c": 1}}}),
    ("unknown-variant", {"targets": {"green": ["ada"]}}),
    ("unknown-variant", {"schedule": [{"at": LATER, "set": AB}], "off_variant": "off"}),
    ("unknown-variant", {"requires": [{"flag": "shirt", "variant": "xl"}]}),
    ("unknown-variant", AB),  # `needy` requires chosen = on
    ("unknown-flag", {"requires": [{"flag": "shirts", "variant": "m"}]}),
    ("unknown-segment", {"rules": [{"when": {"not": {"segment": ["eu", "us"]}}}], "default": {"serve": "off"}}),
    ("unknown-holdout", {"holdout": "qq"}),
    ("cycle", {"requires": [{"flag": "needy", "variant": "on"}]}),
    ("cycle", {"schedule": [{"at": LATER, "set": {"requires": [{"flag": "needy", "variant": "on"}]}}]}),
    ("layer-overlap", {"layer": {"name": "l", "range": [40, 60]}}),
    ("hash-one-line", {**AB, "hash": "goff", "rollout_percentage": 5, "default": {"split": {"a": 1, "b": 1}}}),
    ("hash-weights", {**AB, "hash": "unleash", "default": {"split": {"a": 1, "b": 0.5}}}),
    ("percentage-range", {"rollout_percentage": 101}),
    ("too-precise", {"rollout_percentage": 33.3333}),
    ("unknown-key", {"rollout_percent": 5}),
    ("unknown-operator", {"rules": [{"when": {"age": {"gtee": 1}}}], "default": {"serve": "off"}}),
    ("serve-and-split", {"default": {"serve": "on", "split": {"on": 1}}}),
    ("no-value", {"rules": [{"when": {}, "serve": None}], "default": {"serve": "off"}}),
    ("wrong-type", {"targets": {"on": "ada"}}),
    ("unknown-hash", {"hash": "{md5}"}),
    ("guard-share", {"guard": GUARD}),
    ("guard-steps", {"rollout_percentage": 0, "guard": {**GUARD, "steps": [5, 1]}}),
    ("guard-watches", {"rollout_percentage": 0, "guard": {"steps": [1], "hold": "1h"}}),
    ("guard-conflict", {"rollout_percentage": 0, "guard": GUARD, "schedule": [{"at": LATER, "set": {"salt": "s"}}]}),
    ("guard-line", {"rollout_percentage": 0, "guard": GUARD, "rules": [{"when": {}, "rollout_percentage": 5}]}),
    ("unknown-metric", {"rollout_percentage": 0, "guard": {**GUARD, "guardrails": {"errors": {"margin": 5}}}}),
    ("invalid-duration", {"rollout_percentage": 0, "guard": {**GUARD, "hold": "soon"}}),
]
STORED = [
    (code, flag)
    for code, flag in REFUSED
    if not Ruleset({**WORLD, "flags": {**FLAGS, "chosen": {**flag, "status": True}}}).check()
]
"""What an older version may have let into a release, and can be served all the same."""


def test_what_a_stored_release_may_have_is_tried_below() -> None:
    new = {"mixed-types", "target-twice", "empty", "schedule-order", "too-long", "missing-default", "layer-overlap"}
    assert new <= {code for code, _ in STORED}


def named(cases: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(code, flag, id=f"{code}-{number}") for number, (code, flag) in enumerate(cases)]


class Quoting(yaml.SafeDumper):
    """Writes every string in quotes, so that none is read as something else, and nothing twice as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


Quoting.add_representer(str, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"'))


def linted(flags: Mapping[str, Any], folder: Path) -> set[Said]:
    """What lint says of a file with these flags, apart from where."""
    path = folder / "flags.yaml"
    file = {"version": 1, "segments": {"eu": {"when": SEGMENTS["eu"]}}, "holdouts": WORLD["holdouts"], "flags": flags}
    path.write_text(yaml.dump(file, Dumper=Quoting, sort_keys=False), encoding="utf-8")
    return {words(problem) for problem in check(Source(path))}


def words(one: Problem | Fault) -> Said:
    return one.code, f"{one.message} ({one.hint})" if one.hint else one.message


def refused(name: str, flag: Any) -> set[Said]:
    """What is said of a definition on its way in; nothing where it enters."""
    try:
        entered(name, flag, WORLD)
    except InvalidFlag as error:
        return set(map(words, error.faults))
    return set()


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    store.stage(payload(WORLD), Origin(), flags=len(FLAGS), at="2026-12-01T00:00:00Z")
    store.commit(Change(activate=1), expected=0)
    yield store
    store.close()


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return TestClient(create_app(store, Serving(store, refresh_seconds=0)))


@pytest.mark.parametrize(("code", "flag"), named(REFUSED))
def test_what_lint_refuses_the_api_refuses_in_the_same_words(
    code: str, flag: dict[str, Any], client: TestClient, tmp_path: Path
) -> None:
    expected = linted({**FLAGS, "chosen": flag}, tmp_path)
    assert code in {one for one, _ in expected}
    assert refused("chosen", flag) == expected
    before = client.get("/flags").content
    for method, path, body in (
        ("PUT", "/flags/chosen", {**dict.fromkeys(FLAGS["chosen"]), **flag}),
        ("PUT", "/flags/chosen?dry_run=true", {**dict.fromkeys(FLAGS["chosen"]), **flag}),
    ):
        answered = client.request(method, path, json=body)
        assert answered.status_code == 422
        assert {(error["code"], error["detail"]) for error in answered.json()["errors"]} == expected
    assert client.get("/flags").content == before


def test_a_new_flag_is_refused_in_the_same_words(client: TestClient, tmp_path: Path) -> None:
    flag = {"variants": {"x": 1, "y": "text"}, "off_variant": "z", "targets": {"x": ["ada", "ada"]}}
    expected = linted({**FLAGS, "new": flag}, tmp_path)
    answered = client.post("/flags", json={"flag_name": "new", "status": False, **flag})
    assert {(error["code"], error["detail"]) for error in answered.json()["errors"]} == expected
    assert {error["pointer"] for error in answered.json()["errors"]} == {
        "/variants",
        "/variants/y",
        "/off_variant",
        "/targets/x/1",
    }


@pytest.mark.parametrize(("code", "flag"), named(REFUSED))
def test_the_command_line_refuses_it_too(code: str, flag: dict[str, Any], burgee: Burgee) -> None:
    file = {"version": 1, "segments": {"eu": {"when": SEGMENTS["eu"]}}, "holdouts": WORLD["holdouts"], "flags": FLAGS}
    burgee.write(json.dumps(file))
    assert burgee("apply").code == 0
    keys = [f"{key}={json.dumps(value)}" for key, value in flag.items()]
    ran = burgee("override", "set", "chosen", *keys, "--reason", "test")
    assert ran.code == 1
    for fault, text in refused("chosen", {**FLAGS["chosen"], **flag}):
        assert f"{fault}: {text}" in ran.err
    assert code in ran.err
    assert burgee("override", "list", "--json").json == []


@pytest.mark.parametrize(("code", "flag"), named(STORED))
def test_a_release_that_has_it_is_served_killed_and_activated_again_with_a_warning(
    code: str, flag: dict[str, Any], store: SqliteStore, client: TestClient
) -> None:
    """An older version let it in: nothing of it is refused, but what a write makes wrong beside it."""
    old = {**WORLD, "flags": {**FLAGS, "chosen": {**flag, "status": True}}}
    store.stage(payload(old), Origin(), flags=len(FLAGS), at="2026-12-02T00:00:00Z")
    served = Ruleset(old).evaluate("chosen", {"targetingKey": "ada"}, 0)
    activated = client.post("/releases/2/activate", json={})
    assert activated.status_code == 200
    assert code in {warning["code"] for warning in activated.json()["warnings"]}
    answer = client.get("/users/ada/flags/chosen").json()
    assert (answer["variant"], answer["reason"]) == (served.variant, served.reason)
    assert client.put("/flags/chosen", json={"description": "other words"}).status_code == 200
    assert client.post("/flags/chosen/kill", json={"reason": "it blinks"}).status_code == 200
    assert client.get("/flags/chosen").json()["status"] is False
    assert client.post("/flags/chosen/unkill", json={}).status_code == 200
    worse = client.put("/flags/chosen", json={"holdout": "nowhere"})
    assert [error["code"] for error in worse.json()["errors"]] == ["unknown-holdout"]


def test_a_rollback_on_the_command_line_warns(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags:\n  a: {status: on}\n")
    assert burgee("apply").code == 0
    store = SqliteStore(burgee.folder / ".burgee" / "state.sqlite")
    flags = {"a": {"status": True, "rules": [{"when": {"country": "DE"}, "rollout_percentage": 10}]}}
    store.stage(payload({**WORLD, "flags": flags}), Origin(), flags=1, at="2026-12-02T00:00:00Z")
    store.close()
    ran = burgee("rollback", "2", "--reason", "test")
    assert ran.code == 0
    assert "warning: a.rules: missing-default: a has rules" in ran.err
    assert burgee("override", "set", "a", "status=off", "--reason", "it blinks").code == 0


def test_values_nest_as_deep_as_in_a_file_in_an_environment(tmp_path: Path) -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return {"variants": {"a": value}, "default": {"serve": "a"}}

    assert refused("new", nested(27)) == {("too-deep", "nesting is deeper than 32 levels")}
    assert refused("new", nested(26)) == set()
    path = tmp_path / "flags.yaml"
    path.write_text("version: 1\nenvironments: [production]\nflags:\n  plain: {status: on}\n", encoding="utf-8")
    assert write_back(path, "production", {"deep": normalise(nested(26))}) == []


def test_a_release_without_faults_has_no_warnings(client: TestClient) -> None:
    assert stored_faults(WORLD) == []
    assert "warnings" not in client.post("/releases/1/activate", json={}).json()


def test_a_definition_that_nothing_can_be_made_of_is_looked_at_all_the_same() -> None:
    """Written by hand, or by a version to come: what can be said of it is, and nothing raises."""
    odds: list[dict[str, Any]] = [{"schedule": [{"at": "soon"}]}, {"requires": [5]}, {"rules": 7}, {"to_come": {}}]
    for odd in odds:
        snapshot = {**WORLD, "flags": {"a": odd, "b": {"status": True}}}
        assert stored_faults(snapshot)
        assert entered("b", {"status": False}, snapshot) == {"status": False}
        assert entered("a", {**odd, "status": False}, snapshot) == {**odd, "status": False}


def test_taking_a_flag_away_is_refused_to_nobody(client: TestClient) -> None:
    """What requires it then serves its off variant, which is the careful answer."""
    assert client.delete("/flags/shirt").status_code == 204
    assert client.get("/users/ada/flags/needy").json()["enabled"] is False
    assert client.put("/flags/needy", json={"description": "still right"}).status_code == 200


# Half of a surrogate pair is in no file, and no body that has one is read.
ODD = [
    "on",
    "off",
    "a",
    "b",
    "true",
    "1",
    "1e5",
    "~",
    "2027-01-01",
    "a\nb",
    "\x00",
    "\x85",
    "\ufeff",
    "é ",
    "<<",
    "- a",
]
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(ODD)
scalars = st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
variant = st.sampled_from(["on", "off", "a", "b"])
shares = st.sampled_from([0, 5, 33.333, 100, 12.3456, 101, 5.0]) | st.fixed_dictionaries(
    {
        "from": st.just(0),
        "to": st.sampled_from([50, 100.0]),
        "start": st.just(EARLIER),
        "end": st.sampled_from([LATER, EARLIER]),
    }
)
OPERATIONS: list[Any] = [{"gte": 5}, {"starts_with": "x", "ignore_case": True}, {"xx": 1}, {}]
conditions = st.recursive(
    st.dictionaries(
        st.sampled_from(["country", "device.os", "a b", "null", "é", "any thing"]) | text,
        scalars
        | st.lists(scalars, max_size=2)
        | st.sampled_from([{"gte": 5}, {"starts_with": "x", "ignore_case": True}, {"xx": 1}, {}]),
        max_size=2,
    )
    | st.sampled_from([{"segment": "eu"}, {"segment": ["eu", "us"]}]),
    lambda inner: st.fixed_dictionaries({"any": st.lists(inner, max_size=2)}) | st.fixed_dictionaries({"not": inner}),
    max_leaves=3,
)
outcome = {"serve": variant, "split": st.dictionaries(variant, st.sampled_from([0, 1, 2.5]), max_size=2)}
keys: dict[str, Any] = {
    "status": st.booleans() | st.sampled_from(["on", "off", "yes"]),
    "rollout_percentage": shares,
    "variants": st.dictionaries(variant | text, values, max_size=3)
    | st.fixed_dictionaries({"on": scalars, "off": scalars})
    | st.sampled_from([{"a": 1, "b": 2.5}, {"a": {"x": [1]}, "b": {}}]),
    "off_variant": variant,
    "targets": st.dictionaries(variant, st.lists(text | st.integers(0, 9), max_size=2), max_size=2),
    "requires": st.lists(
        st.fixed_dictionaries(
            {"flag": st.sampled_from(["plain", "shirt", "needy", "gone"]), "variant": st.sampled_from(["on", "m"])}
        ),
        max_size=2,
    ),
    "rules": st.lists(
        st.fixed_dictionaries(
            {"when": conditions}, optional={"name": text, "salt": text, "rollout_percentage": shares, **outcome}
        ),
        max_size=2,
    ),
    "default": st.fixed_dictionaries({}, optional=outcome),
    "bucket_by": text,
    "salt": text,
    "hash": st.sampled_from(["goff", "md5"]),
    "layer": st.fixed_dictionaries(
        {"name": st.sampled_from(["l", "k"]), "range": st.sampled_from([[0, 20], [60, 70], [5, 1]])}
    ),
    "holdout": st.sampled_from(["q", "r"]),
    "client": st.booleans(),
}
definitions = st.fixed_dictionaries(
    {},
    optional={
        **keys,
        "schedule": st.lists(
            st.fixed_dictionaries(
                {
                    "at": st.sampled_from([EARLIER, LATER, "2027-01-01", "soon"]),
                    "set": st.fixed_dictionaries({}, optional=keys),
                }
            ),
            max_size=2,
        ),
        "description": text,
        "owner": text,
        "tags": st.lists(text, max_size=2),
        "metadata": st.dictionaries(text | st.just("owner"), scalars, max_size=2),
        "expires": st.sampled_from(["2027-01-01", "never"]),
        "permanent": st.booleans(),
    },
)

NAMES = st.sampled_from(["chosen", "new", "new", "bad name", "", "a" * 256])


# Of the definitions above few are right; of these most are.
some = text.filter(bool)
right_rules: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"when": st.dictionaries(some.map("x{}".format), text, max_size=2), "serve": st.just("first")},
    optional={"name": some, "salt": some},
)
right_keys: dict[str, st.SearchStrategy[Any]] = {
    "description": text,
    "metadata": st.dictionaries(some, text, max_size=2),
    "targets": st.fixed_dictionaries({"first": st.lists(some, max_size=3, unique=True)}),
    "rules": st.lists(right_rules, max_size=2),
    "tags": st.lists(text, max_size=2),
    "layer": st.fixed_dictionaries({"name": st.just("k"), "range": st.sampled_from([[0, 20.5], [60, 100]])}),
    "schedule": st.sampled_from([[], [EARLIER], [LATER], [EARLIER, LATER]]).map(
        lambda times: [{"at": time, "set": {"status": True}} for time in times]
    ),
}
right = st.builds(
    lambda more, keys: {"variants": {"first": "", **more}, "default": {"serve": "first"}, **keys},
    st.dictionaries(variant | some, text, min_size=2, max_size=3),
    st.fixed_dictionaries({}, optional=right_keys),
)


@settings(max_examples=400)
@given(
    st.sampled_from(["chosen", "new", "new", "bad name", "", "a" * 256]),
    definitions,
    st.sampled_from([None, "production"]),
)
def test_what_enters_is_what_lint_accepts_and_what_pull_writes_back(
    name: str, flag: Any, environment: str | None
) -> None:
    flag = {**FLAGS.get(name, {}), **flag}  # as a change does: a file cannot take a key from one environment alone
    with tempfile.TemporaryDirectory() as folder:
        said = refused(name, flag)
        assert said == linted({**FLAGS, name: flag}, Path(folder))
        if said:
            return
        definition = entered(name, flag, WORLD)
        path = Path(folder) / "flags.yaml"
        path.write_text(
            "version: 1\nenvironments: [production]\nsegments:\n  eu: {when: {country: [DE, FR]}}\n"
            "holdouts:\n  q: {percentage: 5}\nflags:\n"
            + "".join(f"  {one}: {json.dumps(FLAGS[one])}\n" for one in FLAGS),
            encoding="utf-8",
        )
        write_back(path, environment, {name: definition})
        assert check(Source(path)) == []
        found = compile_file(path, environment)["flags"][name]
        assert definition_digest(found) == definition_digest(definition) == definition_digest(normalise(flag))


def test_an_override_may_serve_more_than_the_first_step_of_a_guard_but_no_file(tmp_path: Path) -> None:
    """The guard's own override does, and so may an operator's, which pauses it."""
    guarded = {"status": True, "rollout_percentage": 0, "guard": GUARD}
    around = {**WORLD, "flags": {**FLAGS, "chosen": guarded}}
    raised = {**guarded, "rollout_percentage": 5}
    assert entered("chosen", raised, around) == raised
    assert "guard-share" in {code for code, _ in linted({**FLAGS, "chosen": raised}, tmp_path)}
