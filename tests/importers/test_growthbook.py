"""What the import makes of GrowthBook's features and saved groups."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.importers.base import Sdk
from burgee.importers.growthbook import import_growthbook
from burgee.importers.writing import written
from support.migrate import document

if TYPE_CHECKING:
    from burgee.importers.base import Imported


def sdk(which: Sdk = Sdk.PYTHON, groups: Any = None, **features: Any) -> Imported:
    keyed = {name.replace("_", "-"): {"defaultValue": False, **feature} for name, feature in features.items()}
    file = {"features": keyed, "savedGroups": groups or {}}
    made = import_growthbook([(None, document(json.dumps(file)))], which, lists=())
    written(made, "a test")
    return made


def ruled(rule: Any, which: Sdk = Sdk.PYTHON, **more: Any) -> dict[str, Any]:
    made = sdk(which, flag={"rules": [rule], **more})
    assert made.left_out == set()
    return made.flags["flag"]


@pytest.mark.parametrize(
    ("given", "when"),
    [
        ({"plan": "pro"}, {"plan": "pro"}),
        ({"id": "ada"}, {"targetingKey": "ada"}),
        ({"plan": None}, {"plan": {"exists": False}}),
        ({"plan": {"$ne": "pro"}}, {"not": {"plan": "pro"}}),
        ({"plan": {"$ini": ["PRO"]}}, {"plan": {"in": ["PRO"], "ignore_case": True}}),
        ({"age": {"$gte": 18, "$lt": 65}}, {"age": {"gte": 18, "lt": 65}}),
        ({"v": {"$vgte": "1.2.3"}}, {"v": {"semver_gte": "1.2.3"}}),
        ({"email": {"$regexi": "^a"}}, {"email": {"matches": "^a", "ignore_case": True}}),
        ({"email": {"$not": {"$regex": "^a"}}}, {"not": {"email": {"matches": "^a"}}}),
        ({"$or": [{"a": 1}, {"b": 2}]}, {"any": [{"a": 1}, {"b": 2}]}),
        ({"$nor": [{"a": 1}, {"b": 2}]}, {"not": {"any": [{"a": 1}, {"b": 2}]}}),
        ({"company": {"$exists": False}}, {"company": {"exists": False}}),
    ],
)
def test_a_condition_becomes_one_of_ours(given: Any, when: Any) -> None:
    assert ruled({"condition": given, "force": True})["rules"] == [{"when": when, "serve": "on"}]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"condition": {"a": {"$type": "string"}}, "force": True}, "`$type` has no equivalent"),
        ({"condition": {"a": [1]}, "force": True}, "comparing with a list or a mapping has no equivalent"),
        (
            {"condition": {"a": {"$gt": "b"}}, "force": True},
            "comparing by size with 'b' has no equivalent: only numbers have",
        ),
        (
            {"condition": {"a": {"$vgt": "1.2"}}, "force": True},
            "'1.2' has no equivalent: only a semantic version in full has",
        ),
        ({"contextualVariations": [1, 2]}, "a contextual bandit has no equivalent"),
        ({"force": "x"}, "its values have several types"),
        (
            {"force": True, "parentConditions": [{"id": "gone", "condition": {"value": True}}]},
            "its prerequisite 'gone' is not in the file",
        ),
        ({"force": True, "coverage": 0.5, "range": ["a", 1]}, "`rules.0.range.0`: Input should be a valid number"),
    ],
)
def test_what_has_no_equivalent_is_named_and_the_feature_left_out(rule: Any, why: str) -> None:
    made = sdk(flag={"rules": [rule]})
    assert made.flags == {}
    assert [(one.code, one.text) for one in made.findings] == [("no-equivalent", why)]


def test_a_coverage_takes_in_its_edge_where_javascript_asks() -> None:
    rule = {"force": True, "coverage": 0.25, "hashVersion": 2, "seed": "s"}
    made = ruled(rule)
    assert made["rules"] == [{"when": {}, "rollout_percentage": 25, "serve": "on"}]
    assert (made["hash"], made["salt"], made["without_unit"]) == ("growthbook-v2", "s", "next")
    assert ruled(rule, Sdk.JAVASCRIPT)["rules"][0]["rollout_percentage"] == 25.01
    assert ruled({**rule, "hashVersion": 1}, Sdk.JAVASCRIPT)["rules"][0]["rollout_percentage"] == 25.1
    assert ruled({**rule, "coverage": 0})["default"] == {"serve": "off"}


def test_a_missing_number_is_zero_where_javascript_asks() -> None:
    rule = {"condition": {"age": {"$lt": 18}}, "force": True}
    assert ruled(rule)["rules"][0]["when"] == {"age": {"lt": 18}}
    when = {"any": [{"age": {"lt": 18}}, {"age": {"exists": False}}]}
    assert ruled(rule, Sdk.JAVASCRIPT)["rules"][0]["when"] == when
    rule["condition"] = {"age": {"$gt": 18}}
    assert ruled(rule, Sdk.JAVASCRIPT)["rules"][0]["when"] == {"age": {"gt": 18}}


def test_an_experiment_is_a_split_or_ranges_with_gaps() -> None:
    experiment = {"key": "exp", "variations": ["a", "b", "c"], "weights": [0.2, 0.3, 0.5], "hashVersion": 2}
    made = ruled(experiment, defaultValue="a")
    assert made["rules"] == [{"name": "exp", "when": {}, "split": {"a": 20, "b": 30, "c": 50}}]
    assert (made["salt"], made["variants"]) == ("exp", {"a": "a", "b": "b", "c": "c"})
    made = ruled({**experiment, "coverage": 0.5}, defaultValue="a")
    assert made["rules"][0]["ranges"] == {"a": [0, 10], "b": [20, 35], "c": [50, 75]}
    made = ruled({**experiment, "meta": [{"passthrough": True}]}, defaultValue="a")
    assert made["rules"][0]["ranges"] == {"b": [20, 50], "c": [50, 100]}


def test_two_arms_of_one_value_are_two_variants() -> None:
    made = ruled({"variations": ["a", "b", "a"], "hashVersion": 2, "weights": [0.5, 0.25, 0.25]}, defaultValue="a")
    assert made["variants"] == {"a": "a", "b": "b", "a (2)": "a"}
    assert made["rules"][0]["split"] == {"a": 50, "b": 25, "a (2)": 25}


def test_prerequisites_are_those_variants_that_meet_the_condition() -> None:
    colour = {"defaultValue": "red", "rules": [{"force": "blue", "condition": {"x": 1}}]}
    gate = {"id": "colour", "condition": {"value": {"$in": ["blue", "green"]}}, "gate": True}
    one = {"id": "colour", "condition": {"value": {"$ne": "blue"}}}
    made = sdk(
        colour=colour,
        gated={"rules": [{"parentConditions": [gate]}]},
        ruled={"rules": [{"parentConditions": [one], "force": True}]},
        late={"rules": [{"force": True, "condition": {"x": 1}}, {"parentConditions": [gate]}]},
    )
    assert made.flags["gated"]["requires"] == [{"flag": "colour", "variant": "blue"}]
    assert made.flags["gated"]["variants"] == {"on": True, "off": False}  # unmet it gives no value, as there
    (rule,) = made.flags["ruled"]["rules"]
    assert rule == {"when": {}, "serve": "on", "requires": [{"flag": "colour", "not_variant": "blue"}]}
    assert made.left_out == {"late"}


def test_saved_groups_are_segments_made_once() -> None:
    groups = {"grp_1": ["ada", "bob"], "grp_2": {"type": "condition", "condition": {"plan": "pro"}}}
    rule = {"force": True, "condition": {"id": {"$inGroup": "grp_1"}}}
    made = sdk(
        groups=groups,
        a={"rules": [rule]},
        b={"rules": [rule]},
        c={"rules": [{"force": True, "condition": {"$savedGroup": {"id": "grp_2"}}}]},
    )
    assert made.segments == {"grp_1": {"when": {"targetingKey": ["ada", "bob"]}}, "grp_2": {"when": {"plan": "pro"}}}
    assert made.flags["b"]["rules"][0]["when"] == {"segment": "grp_1"}


def test_an_item_of_a_list_is_enough() -> None:
    def when(condition: Any) -> Any:
        file = {"features": {"flag": {"defaultValue": False, "rules": [{"condition": condition, "force": True}]}}}
        made = import_growthbook([(None, document(json.dumps(file)))])
        return made.flags["flag"]["rules"][0]["when"]

    assert when({"groups": {"$in": ["vip"]}}) == {"groups": {"any_value": "vip"}}
    assert when({"tags": {"$all": ["a", "b"]}}) == {"all": [{"tags": {"any_item": "a"}}, {"tags": {"any_item": "b"}}]}
    element = {"condition": {"n": {"$elemMatch": {"$gt": 3, "$lt": 5}}}, "force": True}
    assert ruled(element)["rules"][0]["when"] == {"n": {"any_item": {"gt": 3, "lt": 5}}}


def test_a_namespace_is_a_range_of_a_line_of_its_own() -> None:
    made = sdk(flag={"defaultValue": "a", "rules": [{"variations": ["a", "b"], "namespace": ["page", 0.4, 0.6]}]})
    own = {"when": {}, "bucket_by": "targetingKey", "salt": "__page", "hash": "growthbook-v1"}
    assert made.segments == {
        "page-40": {**own, "rollout_percentage": 40},
        "page-60": {**own, "rollout_percentage": 60},
    }
    assert made.flags["flag"]["rules"][0]["when"] == {"segment": "page-60", "not": {"segment": "page-40"}}


def test_the_apis_environments_become_overlays() -> None:
    definition = json.dumps({"defaultValue": "a", "rules": [{"force": "b", "condition": {"x": 1}}]})
    feature = {
        "id": "flag",
        "description": "A flag",
        "owner": "ada@example.com",
        "tags": ["web"],
        "valueType": "string",
        "defaultValue": "a",
        "environments": {
            "production": {"enabled": True, "definition": definition},
            "dev": {"enabled": False},
        },
    }
    old = {"id": "old", "archived": True, "environments": {"production": {"enabled": True}}}
    plain = {"id": "plain", "environments": {"production": {"enabled": True, "rules": []}}}
    file = {"features": [feature, old, plain]}
    made = import_growthbook([(None, document(json.dumps(file)))])
    written(made, "a test")
    flag = made.flags["flag"]
    assert (flag["description"], flag["owner"], flag["tags"]) == ("A flag", "ada@example.com", ["web"])
    assert flag["environments"]["dev"]["status"] == "off"
    assert flag["environments"]["production"]["rules"] == [{"when": {"x": 1}, "serve": "b"}]
    assert [(one.subject, one.text) for one in made.findings if one.subject != "flag"] == [
        ("old", "it is archived there, so it is not imported"),
        ("plain", "the API's answer does not have its `definition`"),
    ]


@pytest.mark.parametrize(
    "text", ["[]", "5", "null", "{}", '{"features": 5}', '{"features": [5]}', '{"encryptedFeatures": "x"}']
)
def test_a_file_of_another_shape_is_reported(text: str) -> None:
    made = import_growthbook([(None, document(text))])
    assert (made.flags, made.left_out) == ({}, {"the file"})
