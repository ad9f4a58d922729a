"""What template.yaml makes for guarded rollouts: only when asked, and with the rights that the function uses."""

from __future__ import annotations

import pytest

from support.iam import allows, resources, statements
from support.template import template

BUCKET, GUARDS = "EventBucket.Arn", "arn:aws:athena:eu-west-1:111111111111:workgroup/${GuardWorkGroup}"
MEASURES = statements(resources("template.yaml")["GuardPolicy"])


def test_nothing_is_made_unless_it_is_asked_for() -> None:
    found = template()
    assert found["Parameters"]["Guards"]["Default"] == "false"
    made = {name for name, one in found["Resources"].items() if one.get("Condition") == "RunsGuards"}
    assert made == {"GuardRoundsFunction", "GuardRoundsLogs", "GuardRoundsFailures", "GuardRoundsErrors"}
    measures = {name for name, one in found["Resources"].items() if one.get("Condition") == "MeasuresGuards"}
    assert measures == {"GuardWorkGroup", "GuardPolicy"}
    assert found["Conditions"]["MeasuresGuards"]["And"] == [{"Condition": "RunsGuards"}, {"Condition": "Records"}]


def test_every_query_has_a_limit_that_cannot_be_overridden() -> None:
    made = template()["Resources"]["GuardWorkGroup"]["Properties"]["WorkGroupConfiguration"]
    assert made["EnforceWorkGroupConfiguration"] is True
    assert made["BytesScannedCutoffPerQuery"] == {"Sub": "${GuardGigabytes}000000000"}


def test_results_are_deleted_after_a_day() -> None:
    rules = template()["Resources"]["EventBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert {"Id": "guards", "Status": "Enabled", "Prefix": "guards/", "ExpirationInDays": 1} in rules


@pytest.mark.parametrize(
    ("action", "path", "allowed"),
    [
        ("GetObject", "events/topic=_guard.checkout/day=2027-01-01/a", True),
        ("GetObject", "events/topic=_track/day=2027-01-01/a", True),
        ("GetObject", "events/topic=_identify/day=2027-01-01/a", True),
        ("GetObject", "events/topic=checkout/day=2027-01-01/a", False),
        ("GetObject", "events/topic=_usage/day=2027-01-01/a", False),
        ("PutObject", "events/topic=_track/day=2027-01-01/a", False),
        ("PutObject", "guards/result.csv", True),
        ("DeleteObject", "guards/result.csv", False),
    ],
)
def test_it_reads_a_guards_records_and_writes_results_alone(action: str, path: str, allowed: bool) -> None:
    assert allows(MEASURES, f"s3:{action}", "${EventBucket.Arn}/" + path) is allowed


def test_it_asks_its_own_workgroup() -> None:
    assert allows(MEASURES, "athena:StartQueryExecution", GUARDS)
    assert not allows(MEASURES, "athena:StartQueryExecution", GUARDS.replace("${GuardWorkGroup}", "primary"))
    assert not allows(MEASURES, "athena:UpdateWorkGroup", GUARDS)


def test_it_is_called_on_a_schedule_and_by_alarms_that_go_off() -> None:
    events = template()["Resources"]["GuardRoundsFunction"]["Properties"]["Events"]
    assert template()["Parameters"]["GuardSchedule"]["Default"] == "rate(1 hour)"
    assert events["Look"]["Properties"]["Schedule"] == {"Ref": "GuardSchedule"}
    pattern = events["Alarm"]["Properties"]["Pattern"]
    assert pattern["source"] == ["aws.cloudwatch"]
    assert pattern["detail"] == {"state": {"value": ["ALARM"]}}


@pytest.mark.parametrize("function", ["GuardRoundsFunction", "GuardFunction"])
def test_alarms_of_other_accounts_and_regions_do_not_call_it(function: str) -> None:
    """Their names may be the same, and CloudWatch is asked about those of its own alone."""
    pattern = template()["Resources"][function]["Properties"]["Events"]["Alarm"]["Properties"]["Pattern"]
    assert pattern["account"] == [{"Ref": "AWS::AccountId"}]
    assert pattern["region"] == [{"Ref": "AWS::Region"}]


def test_it_may_ask_about_composite_alarms() -> None:
    """Their states are answered to a permission for `*` alone, as the API's reference says."""
    assert allows(statements(resources("template.yaml")["GuardRoundsFunction"]), "cloudwatch:DescribeAlarms", "*")
