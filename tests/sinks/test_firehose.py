"""Firehose answers 200 and refuses some: those are tried again, then one by one, then kept aside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from burgee.errors import SinkUnavailable
from burgee.events import Scope, accept
from burgee.sinks import MemorySink
from burgee.sinks.firehose import DeadLetters, FirehoseSink


class Stream:
    """A delivery stream that refuses certain records, some of them for a while."""

    def __init__(self, refused: dict[str, int]) -> None:
        self.refused = refused
        self.taken: list[str] = []
        self.calls: list[int] = []

    def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        assert DeliveryStreamName == "s"
        self.calls.append(len(Records))
        told = [{"ErrorCode": "Busy"} if not self.takes(one) else {"RecordId": "1"} for one in Records]
        return {"FailedPutCount": sum("ErrorCode" in one for one in told), "RequestResponses": told}

    def put_record(self, DeliveryStreamName: str, Record: dict[str, bytes]) -> None:  # noqa: ARG002, N803
        if not self.takes(Record):
            raise ClientError({"Error": {"Code": "Invalid"}}, "PutRecord")

    def takes(self, record: dict[str, bytes]) -> bool:
        event_id = json.loads(record["Data"])["event_id"]
        if self.refused.get(event_id, 0) > 0:
            self.refused[event_id] -= 1
            return False
        self.taken.append(event_id)
        return True


def records(n: int) -> list[dict[str, Any]]:
    raw = [{"type": "track", "event_id": str(i), "unit": "u", "event": "e"} for i in range(n)]
    return [accept(one, Scope(), 1.8e9) for one in raw]


def test_refused_records_are_tried_again_and_the_hopeless_kept_aside() -> None:
    stream, aside = Stream({"3": 1, "5": 3, "7": 99}), MemorySink()
    FirehoseSink("s", dead_letters=aside, client=stream, sleep=lambda _seconds: None).write(records(10))
    assert sorted(stream.taken, key=int) == ["0", "1", "2", "3", "4", "5", "6", "8", "9"]
    assert [one["event_id"] for one in aside.records] == ["7"]
    assert stream.calls == [10, 3, 2]


def test_batches_are_within_firehoses_limits() -> None:
    stream = Stream({})
    FirehoseSink("s", dead_letters=MemorySink(), client=stream).write(records(1100))
    assert stream.calls == [500, 500, 100]
    assert len(stream.taken) == 1100


def test_no_connection_is_told() -> None:
    class Down:
        def put_record_batch(self, **_arguments: Any) -> None:
            raise EndpointConnectionError(endpoint_url="x")

    with pytest.raises(SinkUnavailable):
        FirehoseSink("s", dead_letters=MemorySink(), client=Down()).write(records(1))


def test_dead_letters_are_objects_in_a_bucket() -> None:
    kept: dict[str, Any] = {}

    class Bucket:
        def put_object(self, **arguments: Any) -> None:
            kept.update(arguments)

    DeadLetters("b", client=Bucket()).write(records(2))
    assert kept["Bucket"] == "b"
    assert kept["Key"].startswith("dead-letters/")
    assert [json.loads(line)["event_id"] for line in kept["Body"].splitlines()] == ["0", "1"]
