"""The function that an alarm calls: it withdraws a release that is a canary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto import mock_aws

from burgee.evaluation.ruleset import Ruleset
from burgee.releases.deploy import live
from burgee.stores.dynamodb import DynamoDbStore
from burgee.times import format_time
from support.canary import NOW, OFF, ON, TENTH, release
from support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    import pytest


def alarm(value: str = "ALARM", at: str = "2099-01-01T00:00:00.000+0000") -> dict[str, Any]:
    """What EventBridge sends, as AWS documents it."""
    state = {"value": value, "reason": "Threshold Crossed", "timestamp": at}
    return {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {"alarmName": "errors", "state": state, "previousState": {"value": "OK"}},
    }


def test_an_alarm_withdraws_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    from burgee.handlers import canary_alarm, wiring

    monkeypatch.setattr("time.time", lambda: NOW)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(wiring, "TABLE", "flags")
    with mock_aws():
        store = DynamoDbStore("flags")
        store.create_table()
        release(store, a=OFF)
        release(store, TENTH, a=ON)
        assert canary_alarm.handler(alarm("OK"), None)["release"] is None
        assert canary_alarm.handler(alarm(at=format_time(NOW - 60).replace("Z", "+0000")), None)["release"] is None
        assert store.pointer().version == 2
        assert canary_alarm.handler(alarm(), None) == {"alarm": "errors", "release": 1}
        assert canary_alarm.handler(alarm(), None) == {"alarm": "errors", "release": None}
        state, current = live(store)
        assert Ruleset(current, state.overrides.values()).evaluate("a", {}, NOW).value is False
        (entry,) = [one for one in store.audit() if one.action == "release.withdraw"]
        assert (entry.actor, entry.reason) == ("canary alarm", "the alarm errors went off")
        store.close()
