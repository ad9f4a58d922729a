"""The states of CloudWatch alarms."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from burgee.errors import StoreUnavailable

PAGE = 100


def firing(names: list[str], client: Any = None) -> dict[str, bool]:
    """Whether each alarm is in ALARM; without those that do not exist or have INSUFFICIENT_DATA.

    `client` is botocore's. Raises StoreUnavailable if CloudWatch does not answer.
    """
    found: dict[str, bool] = {}
    try:
        client = client or boto3.client("cloudwatch")
        for start in range(0, len(names), PAGE):
            pages = client.get_paginator("describe_alarms").paginate(
                AlarmNames=names[start : start + PAGE], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
            for page in pages:
                for alarm in (*page["MetricAlarms"], *page["CompositeAlarms"]):
                    if alarm["StateValue"] in {"ALARM", "OK"}:
                        found[alarm["AlarmName"]] = alarm["StateValue"] == "ALARM"
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailable(f"CloudWatch did not answer: {error}") from error
    return found
