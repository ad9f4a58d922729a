"""What the import makes of LaunchDarkly's flags and segments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.yaml_reader import Document
from burgee.importers.launchdarkly import import_launchdarkly
from burgee.importers.writing import written
from support.migrate import document

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.importers.base import Imported

ROLLOUT = {"variations": [{"variation": 0, "weight": 25_000}, {"variation": 1, "weight": 75_000}]}


def sdk(segments: dict[str, Any] | None = None, **flags: Any) -> Imported:
    plain = {"on": True, "variations": [True, False], "offVariation": 1, "fallthrough": {"variation": 1}, "salt": "s"}
    keyed = {name.replace("_", "-"): {**plain, **flag} for name, flag in flags.items()}
    file = document(json.dumps({"flags": keyed, "segments": segments or {}}))
    made = import_launchdarkly([(None, file)], lists=())
    written(made, "a test")
    return made


def clause(attribute: str, operator: str, *values: Any, **more: Any) -> dict[str, Any]:
    return {"attribute": attribute, "op": operator, "values": list(values), **more}


def ruled(*clauses: Any) -> Any:
    made = sdk(flag={"rules": [{"clauses": list(clauses), "variation": 0}]})
    assert made.left_out == set()
    return made.flags["flag"].get("rules", [{"when": False}])[0]["when"]


@pytest.mark.parametrize(
    ("given", "when"),
    [
        (clause("plan", "in", "pro"), {"plan": "pro"}),
        (clause("key", "in", "ada", "bob"), {"targetingKey": ["ada", "bob"]}),
        (clause("plan", "in", "pro", negate=True), {"plan": {"exists": True}, "not": {"plan": "pro"}}),
        (clause("age", "greaterThan", 18, 21), {"age": {"gt": 18}}),
        (clause("age", "lessThanOrEqual", 18, 21), {"age": {"lte": 21}}),
        (clause("v", "semVerLessThan", "2.3"), {"v": {"semver_lt": "2.3.0"}}),
        (clause("anonymous", "in", False), {"targetingKey": {"exists": True}, "not": {"anonymous": True}}),
        (clause("kind", "in", "org"), {"org.key": {"exists": True}}),
        (clause("tier", "in", "gold", contextKind="org"), {"org.tier": "gold"}),
        (clause("/address/city", "in", "Bonn", contextKind="user"), {"address.city": "Bonn"}),
        (clause("plan", "noSuch", "pro"), False),
        (
            clause("joined", "before", "2026-01-01T00:00:00Z"),
            {"any": [{"joined": {"before": "2026-01-01T00:00:00Z"}}, {"joined": {"lt": 1_767_225_600_000}}]},
        ),
    ],
)
def test_a_clause_becomes_a_condition(given: Any, when: Any) -> None:
    assert ruled(given) == when


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ({"variations": [1, "a"]}, "its values have several types"),
        ({"variations": [None, None]}, "one of its values is null"),
        ({"variations": []}, "it has no variations"),
        ({"fallthrough": {}}, "it serves neither a variation nor a rollout"),
        ({"fallthrough": {"variation": 7}}, "it serves variation 7, which it does not have"),
        ({"prerequisites": [{"key": "gone", "variation": 0}]}, "its prerequisite 'gone' is not in the file"),
        (
            {"rules": [{"clauses": [clause("kind", "startsWith", "o")], "variation": 0}]},
            "a pattern on the kind of a context has no equivalent",
        ),
        (
            {"rules": [{"clauses": [clause("a", "matches", "(?=x)")], "variation": 0}]},
            "the pattern '(?=x)' has no equivalent in RE2",
        ),
        (
            {"rules": [{"clauses": [clause("/a//b", "in", "x", contextKind="user")], "variation": 0}]},
            "'/a//b' is not an attribute reference",
        ),
    ],
)
def test_what_has_no_equivalent_is_named_and_the_flag_left_out(flag: Any, why: str) -> None:
    made = sdk(flag=flag)
    assert made.flags == {}
    assert [(one.subject, one.code, one.text) for one in made.findings] == [("flag", "no-equivalent", why)]


def test_a_rollout_keeps_the_hash_and_the_salt_of_the_flag_or_its_seed() -> None:
    made = sdk(
        flag={
            "fallthrough": {"rollout": ROLLOUT},
            "rules": [{"clauses": [clause("plan", "in", "pro")], "rollout": {**ROLLOUT, "seed": 61}}],
        }
    )
    flag = made.flags["flag"]
    assert (flag["hash"], flag["salt"], flag["default"]) == (
        "launchdarkly",
        "flag.s",
        {"split": {"on": 25, "off": 75}},
    )
    assert flag["rules"] == [{"when": {"plan": "pro"}, "split": {"on": 25, "off": 75}, "salt": "61"}]


def test_the_last_arm_takes_what_the_weights_leave_and_nothing_is_beyond_the_whole() -> None:
    def split(*weights: int) -> Any:
        arms = [{"variation": index, "weight": weight} for index, weight in enumerate(weights)]
        flag = {"variations": ["a", "b", "c"], "fallthrough": {"rollout": {"variations": arms}}}
        return sdk(flag=flag).flags["flag"]["default"]

    assert split(20_000, 30_000) == {"split": {"a": 20, "b": 80}}
    assert split(60_000, 70_000, 5) == {"split": {"a": 60, "b": 40}}
    assert split(33_333, 33_333, 33_334) == {"split": {"a": 33.333, "b": 33.333, "c": 33.334}}
    assert split(0, 100_000) == {"serve": "b"}


def test_a_prerequisite_on_an_off_variation_is_never_met_while_that_flag_is_off(tmp_path: Path) -> None:
    made = sdk(parent={"on": False}, child={"prerequisites": [{"key": "parent", "variation": 1}]})
    path = tmp_path / "flags.yaml"
    path.write_text(written(made, "a test"), encoding="utf-8")
    served = Ruleset(compile_file(path))
    assert served.evaluate("parent", {"targetingKey": "u"}, 0).value is False
    assert served.evaluate("child", {"targetingKey": "u"}, 0).reason == "DISABLED"


def test_a_prerequisite_on_an_off_variation_of_a_flag_with_prerequisites_is_met_while_it_is_on() -> None:
    made = sdk(
        first={},
        parent={"prerequisites": [{"key": "first", "variation": 0}]},
        child={"prerequisites": [{"key": "parent", "variation": 1}]},
    )
    assert made.flags["child"]["requires"] == [{"flag": "parent", "variant": "off"}]
    assert "variants" not in made.flags["parent"]
    assert [(one.subject, one.code) for one in made.findings] == [("parent", "differs")]


def test_individual_targets_come_before_rules_and_name_a_user_once() -> None:
    targets = [{"values": ["ada", "bob"], "variation": 0}, {"values": ["bob", "eve"], "variation": 1}]
    made = sdk(flag={"targets": targets, "contextTargets": [{"contextKind": "org", "values": ["x"], "variation": 0}]})
    assert "targets" not in made.flags["flag"]  # LaunchDarkly: `contextTargets` say which `targets` count
    made = sdk(flag={"targets": targets})
    assert made.flags["flag"]["targets"] == {"on": ["ada", "bob"], "off": ["eve"]}


def test_segments_are_made_once_and_one_that_cannot_be_takes_its_flags_along() -> None:
    segments = {
        "beta": {"included": ["ada"], "excluded": ["bob"], "rules": [{"clauses": [clause("plan", "in", "pro")]}]},
        "big": {"unbounded": True},
    }
    rules = [{"clauses": [clause("", "segmentMatch", "beta")], "variation": 0}]
    lost = [{"clauses": [clause("", "segmentMatch", "big")], "variation": 0}]
    made = sdk(segments, one={"rules": rules}, two={"rules": rules}, three={"rules": lost})
    when = {"any": [{"targetingKey": "ada"}, {"not": {"targetingKey": "bob"}, "plan": "pro"}]}
    assert made.segments == {"beta": {"when": when}}
    assert [one["when"] for one in (made.flags["one"]["rules"][0], made.flags["two"]["rules"][0])] == [
        {"segment": "beta"}
    ] * 2
    assert made.left_out == {"three", "segment big"}


def test_an_item_of_a_list_is_enough_and_attributes_of_its_own_are_strings() -> None:
    rules = [{"clauses": [clause("groups", "in", "vip"), clause("email", "endsWith", ".org")], "variation": 0}]
    flag = {"on": True, "variations": [True, False], "fallthrough": {"variation": 1}, "rules": rules}
    file = document(json.dumps({"flags": {"flag": flag}}))
    made = import_launchdarkly([(None, file)]).flags["flag"]["rules"][0]["when"]
    assert made == {"groups": {"any_value": "vip"}, "email": {"ends_with": ".org"}}
    made = import_launchdarkly([(None, file)], lists=["roles"]).flags["flag"]["rules"][0]["when"]
    assert made == {"groups": "vip", "email": {"ends_with": ".org"}}


def test_the_share_of_a_segments_rule_is_a_segment_of_its_own() -> None:
    rule = {"clauses": [clause("plan", "in", "pro")], "weight": 30_000, "bucketBy": "company"}
    made = sdk(
        {"beta": {"salt": "x", "rules": [rule]}},
        flag={"rules": [{"clauses": [clause("", "segmentMatch", "beta")], "variation": 0}]},
    )
    assert made.segments["beta-share-1"] == {
        "when": {"plan": "pro"},
        "rollout_percentage": 30,
        "bucket_by": "company",
        "salt": "beta.x",
        "hash": "launchdarkly",
    }
    inside = {"any": [{"segment": "beta-share-1"}, {"plan": "pro", "company": {"exists": False}}]}
    assert made.segments["beta"]["when"] == inside
    saltless = {"items": [{"key": "beta", "rules": [rule]}]}  # the API's segments have no salt
    left_out = import_launchdarkly([(None, document(json.dumps(saltless)))]).left_out
    assert left_out == {"segment beta"}


def api(**environments: Any) -> dict[str, Any]:
    return {
        "key": "colour",
        "name": "Colour of the button",
        "description": "Red or blue",
        "temporary": False,
        "tags": ["web"],
        "_maintainer": {"email": "ada@example.com"},
        "variations": [{"value": "#f00", "name": "Red"}, {"value": "#00f", "name": "Blue"}],
        "environments": environments,
    }


def test_the_apis_environments_become_overlays() -> None:
    on = {"on": True, "salt": "s", "fallthrough": {"variation": 0}}
    items = {"items": [api(production=on, test={**on, "fallthrough": {"rollout": ROLLOUT}})]}
    segments = {
        "items": [
            {"key": "beta", "included": ["ada"], "_links": {"self": {"href": "/api/v2/segments/web/test/beta"}}}
        ]
    }
    made = import_launchdarkly([(None, document(json.dumps(items))), (None, document(json.dumps(segments)))])
    assert made.environments == ["production", "test"]
    assert made.flags["colour"] == {
        "description": "Colour of the button. Red or blue",
        "owner": "ada@example.com",
        "tags": ["web"],
        "permanent": True,
        "variants": {"Red": "#f00", "Blue": "#00f"},
        "default": {"serve": "Red"},
        "environments": {
            "production": {"status": "on"},
            "test": {
                "status": "on",
                "salt": "colour.s",
                "hash": "launchdarkly",
                "default": {"split": {"Red": 25, "Blue": 75}},
            },
        },
    }


def test_an_experiment_on_a_part_of_the_users_leaves_the_others_to_the_next_rule() -> None:
    def rollout(*arms: tuple[int, int]) -> Any:
        weights = [{"variation": index, "weight": weight * 1000} for index, weight in arms]
        return {"rollout": {"kind": "experiment", "seed": 61, "variations": weights}}

    values = {"variations": ["a", "b"], "offVariation": 0}
    rule = {"clauses": [clause("plan", "in", "pro")], "description": "Pro", **rollout((0, 20), (1, 20), (0, 60))}
    flag = sdk(flag={**values, "rules": [rule], "fallthrough": rollout((1, 80), (0, 10), (1, 10))}).flags["flag"]
    assert flag["rules"] == [
        {"name": "Pro", "when": {"plan": "pro"}, "ranges": {"a": [0, 20], "b": [20, 40]}},
        {"name": "Pro, not in the experiment", "when": {"plan": "pro"}, "serve": "a"},
        {"name": "experiment", "when": {}, "ranges": {"b": [0, 80], "a": [80, 90]}},
    ]
    assert flag["default"] == {"serve": "b"}
    made = sdk(flag={**values, "fallthrough": rollout((0, 20), (1, 20), (0, 20), (1, 40))})
    assert [one.text for one in made.findings] == ["'a' has several shares that are not adjacent"]


def test_segments_of_unknown_environments_do_not_replace_each_other() -> None:
    flags = {"items": [api(production={"on": True, "fallthrough": {"variation": 0}, "offVariation": 1})]}
    lists = [{"items": [{"key": "beta", "included": [user]}]} for user in ("ada", "bob")]
    files = [document(json.dumps(one)) for one in (flags, *lists)]
    made = import_launchdarkly([(None, one) for one in files])
    assert "name the environment of each" in str([one.text for one in made.findings if one.code == "no-equivalent"])
    again = import_launchdarkly([(None, files[0]), ("production", files[1]), ("production", files[1])])
    assert again.left_out == set()


def test_what_an_sdk_receives_completes_the_apis_answer_and_findings_are_in_their_own_file() -> None:
    rule = {"clauses": [clause("plan", "in", "pro")], "weight": 30_000}
    using = {"rules": [{"clauses": [clause("", "segmentMatch", "beta")], "variation": 0}]}
    on = {"on": True, "salt": "s", "fallthrough": {"variation": 0}, **using}
    link = {"_links": {"self": {"href": "/api/v2/segments/web/test/beta"}}}
    files: list[Any] = [
        {"items": [api(test=on)]},
        {"items": [{"key": "beta", "description": "Beta testers", "rules": [rule], **link}]},
        {"flags": {}, "segments": {"beta": {"key": "beta", "salt": "x", "rules": [rule]}}},
    ]
    read = [Document(f"{number}.json", json.dumps(one).encode()) for number, one in enumerate(files)]
    alone = import_launchdarkly([(None, read[0]), (None, read[1])])
    assert {one.subject: one.place.file for one in alone.findings} == {"segment beta": "1.json", "colour": "0.json"}
    made = import_launchdarkly([("test", read[2]), (None, read[0]), (None, read[1])])
    assert made.left_out == set()
    assert made.segments["beta"] == {"description": "Beta testers", "when": {"segment": "beta-share-1"}}
    assert made.flags["colour"]["owner"] == "ada@example.com"


def test_an_archived_flag_is_named_and_not_imported() -> None:
    made = import_launchdarkly([(None, document(json.dumps({"items": [{**api(test={}), "archived": True}]})))])
    assert made.flags == {}
    assert [(one.code, one.text) for one in made.findings] == [
        ("not-carried", "it is archived there, so it is not imported")
    ]


@pytest.mark.parametrize("text", ["[]", "5", "null", "{}", '{"flags": {"a": 5}}', '{"items": [5]}', '{"items": []}'])
def test_a_file_of_another_shape_is_reported(text: str) -> None:
    made = import_launchdarkly([(None, document(text))])
    assert made.flags == {}
    assert made.left_out == {"the file"}
