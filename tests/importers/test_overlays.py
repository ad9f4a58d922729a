"""Imports of several environments as one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.importers.base import UNUSED
from burgee.importers.launchdarkly import import_launchdarkly
from burgee.importers.writing import settle, written
from support.migrate import document

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.importers.base import Imported
    from support.cli import Burgee


def file(plan: str = "pro", **flags: Any) -> dict[str, Any]:
    clause = {"attribute": "plan", "op": "in", "values": [plan]}
    plain = {"on": True, "variations": ["red", "blue"], "fallthrough": {"variation": 0}}
    return {
        "flags": {name: {**plain, **flag} for name, flag in flags.items()},
        "segments": {"paying": {"rules": [{"clauses": [clause]}]}},
    }


def imported(**files: Any) -> Imported:
    made = import_launchdarkly([(name, document(json.dumps(one))) for name, one in files.items()])
    settle(made)
    made.findings = [one for one in made.findings if one.text != UNUSED]
    return made


RULE = {"rules": [{"clauses": [{"op": "segmentMatch", "values": ["paying"]}], "variation": 1}]}


def test_a_segment_that_is_the_same_everywhere_stays_one_and_others_become_one_each() -> None:
    made = imported(production=file(a=RULE), test=file(a=RULE))
    assert list(made.segments) == ["paying"]
    assert "environments" not in made.flags["a"]
    made = imported(production=file(a=RULE), test=file("free", a=RULE))
    assert list(made.segments) == ["paying.production", "paying.test"]
    overlay = made.flags["a"]["environments"]["test"]
    assert overlay["rules"] == [{"when": {"segment": "paying.test"}, "serve": "blue"}]


def test_a_segment_is_one_for_each_environment_only_where_several_use_it() -> None:
    made = imported(production=file(a=RULE), test=file("free", a={}))
    assert list(made.segments) == ["paying"]
    assert made.flags["a"]["environments"]["production"]["rules"] == [
        {"when": {"segment": "paying"}, "serve": "blue"}
    ]


def test_a_segment_that_no_flag_uses_is_reported() -> None:
    files = {name: document(json.dumps(file(a={}))) for name in ("production", "test")}
    made = import_launchdarkly(list(files.items()))
    settle(made)
    assert made.segments == {}
    assert [(one.subject, one.code, one.text, one.environments) for one in made.findings] == [
        ("segment paying", "not-carried", UNUSED, ())
    ]


def test_an_overlay_has_only_what_differs_from_the_flag() -> None:
    made = imported(production=file(a=RULE), test=file(a={"fallthrough": {"variation": 1}}))
    assert made.flags["a"]["default"] == {"serve": "red"}
    assert made.flags["a"]["environments"] == {
        "production": {"status": "on", "rules": [{"when": {"segment": "paying"}, "serve": "blue"}]},
        "test": {"status": "on", "default": {"serve": "blue"}},
    }


def test_a_flag_that_has_variants_in_one_environment_only_has_them_in_all(tmp_path: Path) -> None:
    boolean = {"variations": [True, False], "fallthrough": {"variation": 0}}
    made = imported(
        production=file(a={**boolean, "on": False, "offVariation": 0}),
        test=file(a={**boolean, "on": False, "offVariation": 1}),
    )
    path = tmp_path / "flags.yaml"
    path.write_text(written(made, "a test"), encoding="utf-8")
    answers = {name: Ruleset(compile_file(path, name)).evaluate("a", {}, 0).value for name in made.environments}
    assert answers == {"production": True, "test": False}


def test_a_feature_that_has_variants_where_it_is_on_is_off_elsewhere(burgee: Burgee) -> None:
    variant = {"name": "red", "weight": 1000, "payload": {"type": "string", "value": "#f00"}}
    place = {"featureName": "a", "environment": "production"}
    strategy = {"id": "1", "name": "default", "variants": [variant], "parameters": {}, "constraints": [], **place}
    on = {"featureName": "a", "environment": "production", "enabled": True}
    off = {**on, "environment": "development", "enabled": False}
    export = {"features": [{"name": "a"}], "featureStrategies": [strategy], "featureEnvironments": [on, off]}
    burgee.write(json.dumps(export), "export.json")
    assert burgee("import", "unleash", "export.json", "--out", "flags.yaml").code == 0
    assert "#f00" in burgee("eval", "a", "--user", "u", "--env", "production").out
    assert "DISABLED" in burgee("eval", "a", "--user", "u", "--env", "development").out


def test_a_flag_that_is_left_out_somewhere_is_left_out_everywhere() -> None:
    made = imported(production=file(a={}), test=file(a={"fallthrough": {}}))
    assert made.flags == {}
    (finding,) = made.findings
    assert finding.problem.message == "a is left out: in test, it serves neither a variation nor a rollout"


def test_a_flag_that_one_environment_lacks_is_off_there(burgee: Burgee) -> None:
    both: dict[str, Any] = {"a": {}, "b": {}}
    for name, flags in (("production", both), ("test", {"a": {}})):
        burgee.write(json.dumps(file("pro", **flags)), f"{name}.json")
    names = ("production=production.json", "test=test.json")
    ran = burgee("import", "launchdarkly", *names, "--out", "flags.yaml")
    assert (ran.code, "b: in test, the other engine does not have the flag; here it is off" in ran.err) == (0, True)
    assert "red" in burgee("eval", "b", "--user", "u", "--env", "production").out
    assert "red" not in burgee("eval", "b", "--user", "u", "--env", "test").out


def test_what_is_found_everywhere_is_said_once() -> None:
    tracked = {"trackEvents": True}
    made = imported(production=file(a=tracked), test=file(a=tracked), last=file(a={}))
    (finding,) = made.findings
    assert finding.environments == ("production", "test")


def test_flagds_and_goffs_environments_are_files(burgee: Burgee) -> None:
    for name, default in (("production", "red"), ("test", "blue")):
        flag = {"state": "ENABLED", "variants": {"red": 1, "blue": 2}, "defaultVariant": default}
        burgee.write(json.dumps({"flags": {"a": flag}}), f"{name}.json")
    assert burgee("import", "flagd", "production=production.json", "test=test.json", "--out", "flags.yaml").code == 0
    assert "= 2" in burgee("eval", "a", "--user", "u", "--env", "test").out
    ran = burgee("import", "flagd", "production=production.json", "test.json")
    assert (ran.code, ran.err) == (1, "burgee: name the environment of every file, each once: ENV=FILE\n")
    ran = burgee("import", "flagd", "production.json", "test.json")
    assert (ran.code, "a is left out: two of the files define it" in ran.err) == (1, True)


def test_an_environment_whose_name_cannot_be_one_is_called_otherwise() -> None:
    made = imported(**{":global:": file("pro", a={})})
    assert made.environments == ["global"]
    assert [one.problem.message for one in made.findings] == ["the environment :global:: it is called 'global' here"]
