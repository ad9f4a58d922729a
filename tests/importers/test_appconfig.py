"""What the import makes of AWS AppConfig's feature flags."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.importers.appconfig import import_appconfig
from burgee.importers.writing import written
from support.migrate import document

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.importers.base import Imported


def imported(about: Any = None, **values: Any) -> Imported:
    flags = {key: {"name": key, **(about or {})} for key in values}
    made = import_appconfig(document(json.dumps({"version": "1", "flags": flags, "values": values})))
    written(made, "a test")
    return made


def variants(*rules: str, **attributes: Any) -> dict[str, Any]:
    more = {"attributeValues": attributes} if attributes else {}
    listed: list[Any] = [
        {"name": f"v{index}", "enabled": True, "rule": rule, **more} for index, rule in enumerate(rules)
    ]
    return {"_variants": [*listed, {"name": "default", "enabled": False, **more}]}


def ruled(rule: str) -> Any:
    made = imported(flag=variants(rule))
    assert made.left_out == set()
    return made.flags["flag"].get("rules")


@pytest.mark.parametrize(
    ("rule", "when"),
    [
        ('(eq $plan "pro")', {"plan": "pro"}),
        ("(eq $beta true)", {"beta": True}),
        ("(gte $age 18)", {"age": {"gte": 18}}),
        ('(and (eq $plan "pro") (lt $age 65.5))', {"plan": "pro", "age": {"lt": 65.5}}),
        ('(or (eq $plan "pro") (eq $plan "team"))', {"any": [{"plan": "pro"}, {"plan": "team"}]}),
        ('(not (eq $plan "pro"))', {"not": {"plan": "pro"}}),
        ('(begins_with $state "A")', {"state": {"starts_with": "A"}}),
        ('(ends_with $email "example.com")', {"email": {"ends_with": "example.com"}}),
        ('(contains $code "WIN")', {"code": {"contains": "WIN"}}),
        ('(in $userId ["123", "456"])', {"userId": ["123", "456"]}),
        ('(in $userId in::["123" "456"])', {"userId": ["123", "456"]}),
        ('(matches in::$email pattern::"^a.*z$")', {"email": {"matches": "^a.*z$"}}),
        ('(matches in::$email pattern::"^(a|[|)]b)$")', {"email": {"matches": "^(a|[|)]b)$"}}),
        ('(matches in::$agent pattern::".*Firefox.*")', {"agent": {"matches": ".*Firefox.*"}}),
        ('(exists key::"country")', {"country": {"exists": True}}),
        ("(gt $joined 2024-01)", {"joined": {"after": "2024-01-01"}}),
        ("(lt $joined 2012-03-04T05:06:07-08:00)", {"joined": {"before": "2012-03-04T05:06:07-08:00"}}),
        ('(eq $name "a \\"b\\" (c")', {"name": 'a "b" (c'}),
    ],
)
def test_a_rule_becomes_a_condition(rule: str, when: Any) -> None:
    assert ruled(rule) == [{"when": when, "serve": "on"}]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("(eq $plan", "its rule cannot be parsed at ''"),
        ('eq $plan "pro"', "its rule cannot be parsed: 'eq $plan \"pro\"'"),
        ("(eq $a $b)", "`eq` has an equivalent for an attribute and a value only"),
        ('(gt $a "b")', "`gt` with 'b' has no equivalent"),
        (
            '(matches $a "b.*")',
            "AWS does not say whether a pattern has to match the whole value: anchor it with ^ and $, or .*",
        ),
        (
            '(matches $a "^b|c$")',
            "AWS does not say whether a pattern has to match the whole value: anchor it with ^ and $, or .*",
        ),
        ("(split pct::20)", "`split` takes an attribute and a percentage"),
        ("(split by::$id pct::120)", "`split` takes an attribute and a percentage"),
        ('(nosuch $a "b")', "`nosuch` with 'b' has no equivalent"),
        ("(" * 40, "its rule cannot be parsed at '(((((((((((((((((((((((((((((((((((((('"),
        ("(not " * 40 + "true" + ")" * 40, "its rule nests deeper than 16 levels"),
    ],
)
def test_what_has_no_equivalent_is_named_and_the_flag_left_out(rule: str, why: str) -> None:
    made = imported(flag=variants(rule))
    assert made.flags == {}
    assert [(one.code, one.text) for one in made.findings] == [("no-equivalent", why)]


def test_flags_without_variants_are_on_or_off_with_their_attributes() -> None:
    made = imported(a={"enabled": True, "_updatedAt": "x"}, b={"enabled": False}, c={"enabled": True, "limit": 5})
    assert made.flags["a"] == {"status": "on"}
    assert made.flags["b"] == {"status": "off"}
    assert made.flags["c"]["variants"] == {"on": {"enabled": True, "limit": 5}, "off": {"enabled": False}}


def test_variants_with_attributes_are_mappings() -> None:
    made = imported({"attributes": {"limit": {}}}, flag=variants('(eq $plan "pro")', limit=5))
    flag = made.flags["flag"]
    assert flag["variants"] == {"v0": {"enabled": True, "limit": 5}, "default": {"enabled": False, "limit": 5}}
    assert (flag["rules"][0]["serve"], flag["default"]) == ("v0", {"serve": "default"})
    assert [one.code for one in made.findings] == ["not-carried"]


def test_a_split_is_a_share_of_ours_and_the_report_says_who_moves() -> None:
    made = imported(flag=variants('(and (eq $plan "pro") (split by::$userId pct::20))'))
    assert made.flags["flag"]["rules"] == [
        {
            "when": {"plan": "pro"},
            "rollout_percentage": 20,
            "bucket_by": "userId",
            "without_unit": "next",
            "serve": "on",
        }
    ]
    (finding,) = made.findings
    assert finding.code == "differs"
    assert finding.text.startswith(
        "its split of 20 % by 'userId' chooses users again, as AWS does not publish its hash"
    )
    assert finding.text.endswith(": of those that it divides 16 % lose what they had, and 16 % gain it")


def test_splits_of_one_seed_choose_the_same_users_as_there(tmp_path: Path) -> None:
    """AWS: two splits of a flag with equal percentages and no seed choose the same users, so 20 % twice gives 20, 0
    and 80. Other flags may split the same values differently; with the same seed they do not.
    """
    made = imported(
        inner=variants("(or (eq $id 7) (split by::$id pct::20))", "(split by::$id pct::20)"),
        other=variants('(split by::$id pct::20 seed::"a")'),
        plain=variants("(split by::$id pct::20)", "(split by::$id pct::20)"),
        seeded=variants('(split by::$id pct::20 seed::"a")', '(split by::$id pct::20 seed::"b")'),
        nested=variants("(not (split by::$id pct::20))"),
    )
    path = tmp_path / "flags.yaml"
    path.write_text(written(made, "a test"), encoding="utf-8")
    served = Ruleset(compile_file(path))

    def share(flag: str, rule: str) -> float:
        return rules(flag, 4000).count(rule) / 4000

    def rules(flag: str, users: int = 500) -> list[Any]:
        return [served.evaluate(flag, {"id": f"user-{number}"}, 0).metadata.get("rule") for number in range(users)]

    assert share("plain", "rule 1") == pytest.approx(0.2, abs=0.03)
    assert share("plain", "rule 2") == 0
    assert share("seeded", "rule 2") == pytest.approx(0.16, abs=0.03)

    def answers(flag: str) -> list[Any]:
        return [served.evaluate(flag, {"id": f"user-{number}"}, 0).value for number in range(500)]

    assert answers("other") == [share == "rule 1" for share in rules("seeded")]
    assert answers("plain") != [not value for value in answers("nested")]
    assert share("inner", "rule 2") == 0
    assert list(made.segments) == ["inner-id-20", "nested-id-20"]


def test_a_default_variant_may_have_an_empty_rule() -> None:
    flag = variants('(eq $plan "pro")')
    flag["_variants"][-1]["rule"] = ""
    assert imported(flag=flag).flags["flag"]["default"] == {"serve": "off"}
