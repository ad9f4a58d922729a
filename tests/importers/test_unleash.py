"""What the import makes of Unleash's features and segments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.importers.unleash import import_unleash
from burgee.importers.writing import written
from support.migrate import document

if TYPE_CHECKING:
    from burgee.importers.base import Imported

SHARE = {"name": "flexibleRollout", "parameters": {"rollout": "25", "stickiness": "default", "groupId": "group"}}
ARMS = [{"name": "red", "weight": 300, "stickiness": "default"}, {"name": "blue", "weight": 700}]


def client(segments: Any = (), **features: Any) -> Imported:
    listed = [
        {"name": name.replace("_", "-"), "enabled": True, "strategies": [], **feature}
        for name, feature in features.items()
    ]
    file = {"version": 2, "features": listed, "segments": list(segments)}
    made = import_unleash([(None, document(json.dumps(file)))])
    written(made, "a test")
    return made


def constraint(name: str, operator: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"contextName": name, "operator": operator, "values": list(values), **more}


@pytest.mark.parametrize(
    ("given", "when"),
    [
        (constraint("plan", "IN", "pro"), {"plan": "pro"}),
        (constraint("userId", "IN", "ada", "bob"), {"targetingKey": ["ada", "bob"]}),
        (constraint("plan", "NOT_IN", "pro"), {"not": {"plan": "pro"}}),
        (constraint("plan", "NOT_IN", "pro", inverted=True), {"plan": "pro"}),
        (
            constraint("email", "STR_ENDS_WITH", ".org", caseInsensitive=True),
            {"email": {"ends_with": ".org", "ignore_case": True}},
        ),
        (constraint("age", "NUM_GTE", value="18"), {"age": {"gte": 18}}),
        (constraint("v", "SEMVER_GT", value="1.2.3"), {"v": {"semver_gt": "1.2.3"}}),
        (constraint("ip", "IN_CIDR", "10.0.0.1/8"), {"ip": {"cidr": "10.0.0.0/8"}}),
        (constraint("email", "REGEX", value="^a"), {"email": {"matches": "^a"}}),
        (constraint("joined", "DATE_BEFORE", value="2026-01-01"), {"joined": {"before": "2026-01-01"}}),
    ],
)
def test_a_constraint_becomes_a_condition(given: Any, when: Any) -> None:
    made = client(flag={"strategies": [{"name": "default", "constraints": [given]}]})
    assert made.left_out == set()
    assert made.flags["flag"]["rules"] == [{"when": when, "serve": "on"}]


@pytest.mark.parametrize(
    ("strategy", "why"),
    [
        ({"name": "ours"}, "the strategy 'ours' is one of your own"),
        ({"name": "default", "segments": [7]}, "its segment 7 is not in the file"),
        (
            {"name": "default", "constraints": [constraint("a", "NUM_GT", value="many")]},
            "Unleash's SDKs do not agree on an operand that is none of its operator",
        ),
        (
            {"name": "default", "constraints": [constraint("a", "NO_SUCH", value="1")]},
            "the operator 'NO_SUCH' has no equivalent",
        ),
        (
            {"name": "default", "constraints": [constraint("currentTime", "DATE_AFTER", value="soon")]},
            "this constraint on the current time has no equivalent",
        ),
    ],
)
def test_what_has_no_equivalent_is_named_and_the_feature_left_out(strategy: Any, why: str) -> None:
    made = client(flag={"strategies": [strategy]})
    assert made.flags == {}
    assert [one.text for one in made.findings if one.code == "no-equivalent"] == [why]


def test_strategies_are_rules_in_order_and_the_last_for_everyone_is_the_default() -> None:
    named = {"name": "userWithId", "title": "staff", "parameters": {"userIds": "ada, bob"}}
    made = client(flag={"strategies": [named, SHARE]})
    assert made.flags["flag"] == {
        "status": "on",
        "bucket_by": ["targetingKey", "sessionId"],
        "without_unit": "next",
        "salt": "group",
        "hash": "unleash",
        "rules": [{"name": "staff", "when": {"targetingKey": ["ada", "bob"]}, "serve": "on"}],
        "default": {"serve": "on"},
        "rollout_percentage": 25,
    }
    assert [one.text for one in made.findings] == [
        "a user without the attribute that divides is in no share; Unleash draws at each call: flag"
    ]


def test_variants_are_those_of_the_flag_and_their_payloads_its_values() -> None:
    arms = [{**ARMS[0], "payload": {"type": "number", "value": "1"}}]
    arms.append({**ARMS[1], "payload": {"type": "number", "value": "2.5"}})
    made = client(flag={"strategies": [{**SHARE, "variants": arms}]}).flags["flag"]
    assert made["variants"] == {"red": 1, "blue": 2.5}
    assert (made["default"], made["rollout_percentage"]) == ({"split": {"red": 300, "blue": 700}}, 25)
    assert "off_variant" not in made
    plain = client(flag={"variants": ARMS}).flags["flag"]
    assert (plain["variants"], plain["hash"]) == ({"red": "red", "blue": "blue"}, "unleash")
    assert "salt" not in plain  # the feature's name


def test_a_rollout_that_is_divided_otherwise_than_its_variants_is_a_segment() -> None:
    made = client(flag={"strategies": [{**SHARE, "variants": [{**one, "stickiness": "company"} for one in ARMS]}]})
    assert made.segments == {
        "group-targetingKey-sessionId-25": {
            "when": {},
            "rollout_percentage": 25,
            "bucket_by": ["targetingKey", "sessionId"],
            "salt": "group",
            "hash": "unleash",
        }
    }
    flag = made.flags["flag"]
    assert flag["rules"] == [
        {"when": {"segment": "group-targetingKey-sessionId-25"}, "split": {"red": 300, "blue": 700}}
    ]
    assert (flag["bucket_by"], flag["salt"]) == ("company", "group")


def test_a_constraint_on_the_current_time_is_when_a_rule_begins_and_ends() -> None:
    constraints = [
        constraint("currentTime", "DATE_AFTER", value="2027-01-01T00:00:00Z"),
        constraint("currentTime", "DATE_BEFORE", value="2027-02-01T00:00:00Z"),
    ]
    made = client(flag={"strategies": [{"name": "default", "constraints": constraints}]}).flags["flag"]
    times = {"start": "2027-01-01T00:00:00Z", "end": "2027-02-01T00:00:00Z"}
    assert made["rules"] == [{"when": {}, **times, "serve": "on"}]
    assert made["default"] == {"serve": "off"}


def test_overrides_of_variants_come_before_they_are_drawn() -> None:
    override = {"contextName": "userId", "values": ["ada"]}
    made = client(flag={"variants": [ARMS[0], {**ARMS[1], "overrides": [override]}]}).flags["flag"]
    assert made["rules"] == [{"when": {"targetingKey": "ada"}, "serve": "blue"}]


def test_an_override_of_users_that_a_strategy_leaves_out_is_no_rule() -> None:
    override = {"contextName": "userId", "values": ["ada", "bob"]}
    strategies = [{"name": "userWithId", "parameters": {"userIds": users}} for users in ("ada,eve", "joe")]
    variants = [ARMS[0], {**ARMS[1], "overrides": [override]}]
    made = client(flag={"strategies": strategies, "variants": variants}).flags["flag"]
    assert [(rule["when"], rule.get("serve")) for rule in made["rules"]] == [
        ({"targetingKey": "ada"}, "blue"),
        ({"targetingKey": ["ada", "eve"]}, None),
        ({"targetingKey": "joe"}, None),
    ]


def test_parents_are_required_with_any_of_their_variants() -> None:
    made = client(
        plain={},
        arms={"variants": ARMS},
        a={"dependencies": [{"feature": "plain"}, {"feature": "arms", "variants": ["red"]}]},
        b={"dependencies": [{"feature": "arms"}]},
        c={"dependencies": [{"feature": "arms", "enabled": False}, {"feature": "plain", "enabled": False}]},
        never={"dependencies": [{"feature": "gone"}]},
        grandchild={"dependencies": [{"feature": "b"}]},
    ).flags
    assert made["a"]["requires"] == [{"flag": "plain", "variant": "on"}, {"flag": "arms", "variant": "red"}]
    assert made["b"]["requires"] == [{"flag": "arms", "variant": ["red", "blue"]}]
    assert made["c"]["requires"] == [
        {"flag": "arms", "not_variant": ["red", "blue"]},
        {"flag": "plain", "variant": "off"},
    ]
    assert (made["never"]["status"], made["grandchild"]["status"]) == ("off", "off")


def test_an_export_has_segments_tags_and_environments() -> None:
    export = {
        "features": [
            {"name": "flag", "description": "A flag", "project": "web", "type": "kill-switch"},
            {"name": "old", "archived": True},
        ],
        "featureStrategies": [
            {"id": "2", "featureName": "flag", "environment": "production", "sortOrder": 2, **SHARE},
            {
                "id": "1",
                "featureName": "flag",
                "environment": "production",
                "sortOrder": 1,
                "name": "default",
                "segments": [1],
            },
            {"id": "3", "featureName": "flag", "environment": "test", "name": "default", "disabled": True},
        ],
        "featureEnvironments": [
            {"featureName": "flag", "environment": "production", "enabled": True},
            {"featureName": "flag", "environment": "test", "enabled": True},
        ],
        "featureTags": [{"featureName": "flag", "tagType": "simple", "tagValue": "checkout"}],
        "segments": [{"id": 1, "name": "Paying users", "constraints": [constraint("plan", "IN", "pro")]}],
    }
    made = import_unleash([(None, document(json.dumps(export)))])
    written(made, "a test")
    flag = made.flags["flag"]
    assert made.environments == ["production", "test"]
    assert made.segments == {"Paying-users": {"when": {"plan": "pro"}}}
    assert (flag["owner"], flag["description"], flag["tags"], flag["permanent"]) == (
        "web",
        "A flag",
        ["checkout"],
        True,
    )
    assert flag["environments"]["test"]["status"] == "off"  # its only strategy is disabled
    assert flag["environments"]["production"]["rollout_percentage"] == 25
    assert [(one.subject, one.code) for one in made.findings if one.subject == "old"] == [("old", "not-carried")]


def test_attributes_that_are_compared_as_numbers_are_named() -> None:
    made = client(flag={"strategies": [{"name": "default", "constraints": [constraint("age", "NUM_GT", value="1")]}]})
    assert [one.text for one in made.findings] == [
        "clients must send these as numbers, not as strings, because they are compared as such: age"
    ]


@pytest.mark.parametrize("text", ["[]", "5", "null", "{}", '{"features": 5}', '{"features": [5]}'])
def test_a_file_of_another_shape_is_reported(text: str) -> None:
    made = import_unleash([(None, document(text))])
    assert (made.flags, made.left_out) == ({}, {"the file"})


def test_strategies_of_an_export_are_in_the_order_in_which_they_were_made_unless_moved() -> None:
    ids = ["01M8Q59XYVBSX38FA2699WQ4SJ", "01M8Q59XS7K4G1C06B5TF9E70K", "01M8Q59XWRMQN4D3QS84ZFFPYX"]
    shared = {"featureName": "flag", "name": "default", "environment": "production"}
    strategies: list[dict[str, Any]] = [
        {**shared, "id": one, "constraints": [constraint("plan", "IN", one[-4:])]} for one in ids
    ]
    moved = {**shared, "id": "01M8Q59XZZZZZZZZZZZZZZZZZZ", "constraints": [constraint("plan", "IN", "first")]}
    strategies.append({**moved, "sortOrder": 0})
    whole: dict[str, Any] = {
        "features": [{"name": "flag"}],
        "featureStrategies": strategies,
        "featureEnvironments": [{"featureName": "flag", "environment": "production", "enabled": True}],
        "segments": [],
    }
    made = import_unleash([(None, document(json.dumps(whole)))])
    written(made, "a test")
    (flag,) = made.flags.values()
    rules = flag["rules"] or next(iter(flag["environments"].values()))["rules"]
    assert [rule["when"]["plan"] for rule in rules] == ["first", "E70K", "FPYX", "Q4SJ"]
