"""The states of alarms, as CloudWatch's API describes them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from burgee.errors import StoreUnavailable
from burgee.guards.alarms import PAGE, firing

NAMES = [f"alarm-{number:03}" for number in range(PAGE + 20)]
TYPES = ["MetricAlarm", "CompositeAlarm"]


def answer(names: list[str], composite: list[str], token: str | None = None) -> dict[str, Any]:
    found = [[{"AlarmName": name, "StateValue": state_of(name)} for name in some] for some in (names, composite)]
    more = {} if token is None else {"NextToken": token}
    return {"MetricAlarms": found[0], "CompositeAlarms": found[1], **more}


def state_of(name: str) -> str:
    return ("OK", "ALARM", "INSUFFICIENT_DATA")[int(name[-3:]) % 3]


def test_more_alarms_than_an_answer_holds_are_all_read() -> None:
    """A request may name 100; an answer may have fewer, and a token for the rest."""
    client = boto3.client("cloudwatch", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    first, second = (
        {"AlarmNames": NAMES[:PAGE], "AlarmTypes": TYPES},
        {"AlarmNames": NAMES[PAGE:], "AlarmTypes": TYPES},
    )
    with Stubber(client) as stub:
        stub.add_response("describe_alarms", answer(NAMES[:50], [], "t"), first)
        stub.add_response("describe_alarms", answer(NAMES[50:90], NAMES[90:PAGE]), {**first, "NextToken": "t"})
        stub.add_response("describe_alarms", answer(NAMES[PAGE:], []), second)
        found = firing(NAMES, client)
        stub.assert_no_pending_responses()
    assert found == {name: state_of(name) == "ALARM" for name in NAMES if state_of(name) != "INSUFFICIENT_DATA"}


def test_what_cloudwatch_refuses_is_said() -> None:
    client = boto3.client("cloudwatch", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        stub.add_client_error("describe_alarms", "Throttling", "Rate exceeded")
        with pytest.raises(StoreUnavailable, match="Rate exceeded"):
            firing(NAMES[:1], client)
