"""One tenant's items in a DynamoDB table: reads and writes of single items, and of the blobs that one cannot hold."""

from __future__ import annotations

import random
import time
import zlib
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from burgee.errors import Corrupt, StoreError, StoreUnavailable
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.stores.dynamodb_items import Item, Keyspace

WRITE_ATTEMPTS = 20
"""Attempts of a writer that conflicts with others."""


class TenantTable(NamedTuple):
    """The items of one tenant; `client` is botocore's, or has its methods."""

    client: Any
    keyspace: Keyspace

    def get(self, partition: str, sort: str, *, consistent: bool) -> Item | None:
        """One item, or None."""
        found = self.client.get_item(**self.keyspace.key(partition, sort), ConsistentRead=consistent)
        item: Item | None = found.get("Item")
        return item

    def query(
        self,
        partition: str,
        *,
        below: str | None = None,
        between: tuple[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Iterator[Item]:
        """All items of a partition, page by page; sort keys under `below`, or `between` two, inclusive."""
        names = {":pk": {"S": self.keyspace.partition(partition)}, **(values or {})}
        condition = "pk = :pk"
        if below is not None:
            condition, names[":below"] = "pk = :pk AND sk < :below", {"S": below}
        if between is not None:
            condition = "pk = :pk AND sk BETWEEN :first AND :last"
            names |= {":first": {"S": between[0]}, ":last": {"S": between[1]}}
        request = {
            "TableName": self.keyspace.table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": names,
            **more,
        }
        while True:
            page = self.client.query(**request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def put(self, partition: str, sort: str, *, ConditionExpression: str | None = None, **fields: Item) -> None:  # noqa: N803 - DynamoDB's name
        """Writes an item; the client's ConditionalCheckFailedException if its condition fails."""
        condition = {"ConditionExpression": ConditionExpression} if ConditionExpression else {}
        self.client.put_item(**self.keyspace.item(partition, sort, **fields), **condition)

    def put_if(self, request: Item) -> None:
        """A write that may be skipped if its condition fails."""
        for left in range(WRITE_ATTEMPTS, 0, -1):
            try:
                self.client.put_item(**request)
            except self.client.exceptions.ConditionalCheckFailedException:
                return
            except self.client.exceptions.TransactionConflictException:
                if left == 1:
                    raise
                pause()
            else:
                return

    def write_blob(self, chunks: Sequence[bytes]) -> str:
        """Writes a new blob, and returns its id."""
        blob = uuid4().hex
        for number, chunk in enumerate(chunks):
            self.put(f"BLOB#{blob}#{number}", "CHUNK", data={"B": chunk})
        return blob

    def read_chunks(self, partition: str, chunks: int, digest: str, *, consistent: bool) -> bytes:
        """The bytes in a partition's chunks. Raises Corrupt if one is missing or the digest differs."""
        data = []
        for number in range(chunks):
            item = self.get(f"{partition}#{number}", "CHUNK", consistent=consistent)
            if item is None:
                raise Corrupt(f"stored data is missing: chunk {number + 1} of {chunks}")
            data.append(item["data"]["B"])
        try:
            payload = zlib.decompress(b"".join(data))
        except zlib.error as error:
            raise Corrupt("stored data does not decompress") from error
        if sha256(payload).hexdigest() != digest:
            raise Corrupt("stored data does not match its digest")
        return payload


def pause() -> None:
    """Waits a moment, so that writers do not meet again."""
    time.sleep(random.uniform(0, 0.02))  # noqa: S311 - no security role


def failures() -> tuple[type[Exception], ...]:
    """botocore's exceptions, imported only after one was raised."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError


@contextmanager
def translated() -> Iterator[None]:
    """Translates the client's exceptions, after its own retries."""
    try:
        yield
    except StoreError:
        raise
    except failures() as error:
        fault = (getattr(error, "response", None) or {}).get("Error")
        why = f"{fault.get('Code')}: {fault.get('Message')}" if fault else error
        raise StoreUnavailable(f"DynamoDB: {why}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Corrupt(f"an item of the table does not parse: {error!r}") from error
