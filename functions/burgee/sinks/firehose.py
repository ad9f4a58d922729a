"""Records to Amazon Data Firehose, which writes them to S3 as Parquet.

A call may answer 200 and yet have refused some records: those are tried again, then one by one, and what still is
refused goes to a dead-letter place and is counted, so that one bad record holds up no other.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from burgee.errors import SinkUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from burgee.events import Record
    from burgee.sinks import Sink

MAX_ENTRIES = 500
MAX_BYTES = 4 * 1024 * 1024
TRIES = 3


class FirehoseSink:
    """Writes to a delivery stream; `client` is boto3's, or anything with its `put_record_batch` and `put_record`."""

    def __init__(
        self, stream: str, *, dead_letters: Sink, client: Any = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._stream = stream
        self._dead_letters = dead_letters
        self._given = client
        self._sleep = sleep

    def write(self, records: Sequence[Record]) -> None:
        """See Sink."""
        for batch in _batches(records):
            self._batch(batch)

    @property
    def _client(self) -> Any:
        if self._given is None:
            import boto3
            from botocore.config import Config

            config = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})
            self._given = boto3.client("firehose", config=config)
        return self._given

    def _batch(self, records: list[Record]) -> None:
        left = records
        for attempt in range(TRIES):
            entries = [{"Data": _data(record)} for record in left]
            answer = self._call("put_record_batch", Records=entries)
            if not answer["FailedPutCount"]:
                return
            told = answer["RequestResponses"]
            left = [record for record, one in zip(left, told, strict=True) if one.get("ErrorCode")]
            self._sleep(0.05 * 2**attempt)
        self._one_by_one(left)

    def _one_by_one(self, records: list[Record]) -> None:
        dead = []
        for record in records:
            try:
                self._call("put_record", Record={"Data": _data(record)})
            except SinkUnavailable:
                dead.append(record)
        if dead:
            self._dead_letters.write(dead)

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, operation)(DeliveryStreamName=self._stream, **arguments)
        except (BotoCoreError, ClientError) as error:
            raise SinkUnavailable(f"Firehose does not take the records: {error}") from error


class DeadLetters:
    """Records that were refused, as objects in a bucket."""

    def __init__(self, bucket: str, prefix: str = "dead-letters/", *, client: Any = None) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._given = client

    def write(self, records: Sequence[Record]) -> None:
        """See Sink."""
        import os

        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        client = self._given or boto3.client("s3")
        key = f"{self._prefix}{time.strftime('%Y/%m/%d/%H%M%S', time.gmtime())}-{os.urandom(8).hex()}.jsonl"
        try:
            client.put_object(Bucket=self._bucket, Key=key, Body=b"".join(_data(record) for record in records))
        except (BotoCoreError, ClientError) as error:
            raise SinkUnavailable(f"the dead letters cannot be kept: {error}") from error


def _data(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        length = len(_data(record))
        if batch and (len(batch) == MAX_ENTRIES or size + length > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch
