"""Sends records to Amazon Data Firehose, which writes them to S3 as Parquet.

Firehose bills each record as at least 5 KB, so several lines share one. A call may return 200 and still have refused
some records: those are retried together, then one by one, and what is still refused goes to a queue, so that one bad
record does not block others. If the stream cannot be reached, all records go to the queue.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.errors import SinkUnavailable
from burgee.events.sinks import packed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from burgee.events.records import Record

    Lines: TypeAlias = list[bytes]

ENTRY_BYTES = 5_000
MAX_ENTRIES = 500
MAX_BYTES = 4_000_000
TRIES = 3
MESSAGE_BYTES = 200_000
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


class FirehoseSink:
    """Writes to a delivery stream; `client` is botocore's, or any object with its `put_record_batch`."""

    def __init__(
        self,
        stream: str,
        *,
        dead_letters: DeadLetters,
        client: Any = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stream = stream
        self._dead_letters = dead_letters
        self._client = client
        self._sleep = sleep

    def write(self, records: Sequence[Record]) -> None:
        """See Sink. Returns when each is in the stream or in the queue."""
        lines = [_ENCODE(record).encode() + b"\n" for record in records]
        left = self._stubborn(packed(lines, ENTRY_BYTES, MAX_ENTRIES))
        if left:
            self._dead_letters.write(left)

    def _stubborn(self, entries: list[Lines]) -> Lines:
        """The lines that the stream refuses, both in a batch and alone."""
        try:
            for attempt in range(TRIES):
                entries = self._refused(entries)
                if not entries:
                    return []
                self._sleep(0.05 * 2**attempt)
            alone = [[line] for entry in entries for line in entry]
            entries = self._refused(alone)
        except SinkUnavailable:
            pass  # lines it already took are sent again from the queue; readers count them once
        return [line for entry in entries for line in entry]

    def _refused(self, entries: list[Lines]) -> list[Lines]:
        left = []
        for batch in packed([b"".join(entry) for entry in entries], MAX_BYTES, MAX_ENTRIES):
            responses = self._put([{"Data": data} for data in batch])["RequestResponses"]
            left += [
                data.splitlines(keepends=True)
                for data, one in zip(batch, responses, strict=True)
                if "ErrorCode" in one
            ]
        return left

    def _put(self, entries: list[dict[str, bytes]]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        if self._client is None:
            self._client = _connected("firehose")
        try:
            return self._client.put_record_batch(DeliveryStreamName=self._stream, Records=entries)
        except (BotoCoreError, ClientError) as error:
            raise SinkUnavailable(f"Firehose did not accept the records: {error}") from error


class DeadLetters:
    """Writes refused lines to an SQS queue; each message can be put into the stream as one record."""

    def __init__(self, queue: str, *, client: Any = None) -> None:
        self._queue = queue
        self._client = client

    def write(self, lines: Sequence[bytes]) -> None:
        """Returns when all are in the queue. Raises SinkUnavailable otherwise."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._client is None:
            self._client = _connected("sqs")
        try:
            for some in packed(lines, MESSAGE_BYTES, MAX_ENTRIES):
                self._client.send_message(QueueUrl=self._queue, MessageBody=b"".join(some).decode())
        except (BotoCoreError, ClientError) as error:
            raise SinkUnavailable(f"the dead-letter queue cannot be written to: {error}") from error


def _connected(service: str) -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
    return get_session().create_client(service, config=config)
