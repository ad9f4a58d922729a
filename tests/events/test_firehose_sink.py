"""Firehose answers 200 and refuses some: those are tried again, then one by one, then kept in a queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from burgee.errors import SinkUnavailable
from burgee.events.firehose_sink import DeadLetters, FirehoseSink
from burgee.events.records import RecordScope, accept
from support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stream:
    """A delivery stream that refuses whatever holds certain records, some of them for a while."""

    def __init__(self, refused: dict[str, int]) -> None:
        self.refused = refused
        self.taken: list[str] = []
        self.calls: list[list[int]] = []

    def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        assert DeliveryStreamName == "s"
        ids = [[json.loads(line)["event_id"] for line in one["Data"].splitlines()] for one in Records]
        self.calls.append([len(some) for some in ids])
        reported = [{"RecordId": "1"} if self.takes(some) else {"ErrorCode": "ServiceUnavailable"} for some in ids]
        return {"FailedPutCount": sum("ErrorCode" in one for one in reported), "RequestResponses": reported}

    def takes(self, ids: list[str]) -> bool:
        refusing = [one for one in ids if self.refused.get(one, 0) > 0]
        for one in refusing:
            self.refused[one] -= 1
        if not refusing:
            self.taken += ids
        return not refusing


class Queue:
    """A queue that keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803
        assert QueueUrl == "q"
        self.bodies.append(MessageBody)

    @property
    def ids(self) -> list[str]:
        return [json.loads(line)["event_id"] for body in self.bodies for line in body.splitlines()]


def records(n: int, **more: Any) -> list[dict[str, Any]]:
    raw = [{"type": "track", "event_id": str(i), "unit": "u", "event": "e", **more} for i in range(n)]
    return [accept(one, RecordScope(), 1.8e9) for one in raw]


def sink(stream: Any, queue: Any) -> FirehoseSink:
    return FirehoseSink("s", dead_letters=DeadLetters("q", client=queue), client=stream, sleep=lambda _seconds: None)


def test_refused_records_are_tried_again_and_the_hopeless_kept_aside() -> None:
    stream, queue = Stream({"3": 1, "55": 3, "77": 99}), Queue()
    sink(stream, queue).write(records(100))
    assert sorted(stream.taken, key=int) == [str(i) for i in range(100) if i != 77]
    assert queue.ids == ["77"]
    packed = stream.calls[0]
    assert len(stream.calls[1]) == 3
    assert len(stream.calls[2]) == 2
    assert stream.calls[3] == [1] * sum(packed[i] for i in range(len(packed)) if held(packed, i) & {55, 77})


def held(packed: list[int], index: int) -> set[int]:
    """Which records an entry of the first call has."""
    return set(range(sum(packed[:index]), sum(packed[: index + 1])))


def test_small_records_share_what_is_billed_as_one() -> None:
    entries: list[bytes] = []

    class Scales(Stream):
        def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
            entries.extend(one["Data"] for one in Records)
            return super().put_record_batch(DeliveryStreamName, Records)

    sink(Scales({}), Queue()).write(records(500))
    assert all(4_600 < len(entry) <= 5_000 for entry in entries[:-1])
    assert len(entries) < 30


def test_calls_are_within_firehoses_limits() -> None:
    """At most 500 records and 4 MiB in a call, and 1,000 KiB in a record."""
    stream, queue = Stream({}), Queue()
    large = {f"k{i}": "\N{GRINNING FACE}" * 500 for i in range(50)}
    sink(stream, queue).write(records(40, properties=large))
    sizes = [len(json.dumps(one, separators=(",", ":"))) + 1 for one in records(1, properties=large)]
    assert sizes[0] < 1_000 * 1024
    assert all(sum(call) * sizes[0] < 4 * 1024 * 1024 for call in stream.calls)
    assert len(stream.taken) == 40
    many = Stream({str(i): 3 for i in range(5000)})
    sink(many, queue).write(records(5000))
    assert max(len(call) for call in many.calls) == 500
    assert sorted(many.taken, key=int) == [str(i) for i in range(5000)]
    assert queue.bodies == []


class Down:
    """What cannot be reached, after so many calls that worked."""

    def __init__(self, inner: Any = None, after: int = 0) -> None:
        self.inner, self.after = inner, after

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.after -= 1
            if self.after < 0:
                raise EndpointConnectionError(endpoint_url="x")
            return getattr(self.inner, name)(**arguments)

        return call


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_stream_that_goes_away_at_any_call_loses_nothing(after: int) -> None:
    """What it took already may come twice, under one `event_id`."""
    stream, queue = Stream({"7": 99}), Queue()
    sink(Down(stream, after), queue).write(records(50))
    assert {*stream.taken, *queue.ids} == {str(i) for i in range(50)}


def test_with_neither_stream_nor_queue_nothing_is_acknowledged() -> None:
    with pytest.raises(SinkUnavailable):
        sink(Down(), Down()).write(records(1))
    throttled = ClientError({"Error": {"Code": "Throttled"}}, "SendMessage")

    class Refusing:
        def send_message(self, **_arguments: Any) -> None:
            raise throttled

    with pytest.raises(SinkUnavailable):
        sink(Stream({"0": 99}), Refusing()).write(records(1))


def test_messages_fit_into_a_queue() -> None:
    """SQS takes 1 MiB, and no control characters: a record alone may have over half of that."""
    queue = Queue()
    hostile = {f"k{i}": "\x01￿\ufffd" + "\N{GRINNING FACE}" * 500 for i in range(50)}
    sink(Down(), queue).write(records(3, properties=hostile) + records(2000))
    assert max(len(body.encode()) for body in queue.bodies) < 1024 * 1024
    assert all(body.isascii() and body.replace("\n", "").isprintable() for body in queue.bodies)
    assert len(queue.ids) == 2003


@pytest.fixture
def queue_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield boto3.client("sqs").create_queue(QueueName="dead")["QueueUrl"]


def test_the_real_clients_are_called_as_aws_asks(queue_url: str) -> None:
    """There is no such stream, so all of it waits in the queue: each message is what the stream would have got."""
    FirehoseSink("absent", dead_letters=DeadLetters(queue_url)).write(records(3))
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue_url)["Messages"]
    assert [json.loads(line)["event_id"] for line in message["Body"].splitlines()] == ["0", "1", "2"]
