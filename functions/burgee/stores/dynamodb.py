"""The production store: one DynamoDB table for all tenants.

    pk                     sk               holds
    {tenant}#STATE         POINTER          version, digest, revision, bake: what evaluators poll, half a read unit
    {tenant}#STATE         COMMIT           which overrides the latest commit touched
    {tenant}#STATE         OVERRIDE#{flag}  an override, or the tombstone of one that was lifted
    {tenant}#STATE         RETIRED          names that Git gave up
    {tenant}#RELEASES      {version}        a release's record, and the blob that holds its bytes
    {tenant}#BLOB#{id}#{n} CHUNK            at most 350 KB of a release, compressed; never written again
    {tenant}#AUDIT         {id}             an audit entry; a stream of these is the outbox
    {tenant}#{SHELF}       {id}             a record of a shelf, such as KEYS

Values travel as JSON in binary attributes, so that no number passes through Decimal.
"""

from __future__ import annotations

import copy
import json
import zlib
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from burgee.errors import Conflict, Corrupt, NotFound, StoreError, StoreUnavailable
from burgee.stores import AuditEntry, Change, Origin, Pointer, Release, State, Tenant
from burgee.stores.dynamodb_items import Place, as_pointer, as_release, as_state, dumped, is_whole, loaded, numeric
from burgee.stores.dynamodb_writes import committing, keeping, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.stores import Put, Shelf
    from burgee.stores.dynamodb_items import Item

CHUNK_BYTES = 350_000
STATE_ATTEMPTS = 5
# A request that a user waits for does not outlive a Lambda invocation: three tries within a few seconds.
CONFIG: dict[str, Any] = {
    "connect_timeout": 1,
    "read_timeout": 2,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "tcp_keepalive": True,
}
TABLE: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


class DynamoDbStore:
    """`burgee.stores.Store` over DynamoDB; safe between threads, processes and Lambdas.

    `client` is botocore's unless another is given: `burgee.stores.dynamodb_http` has one for who only reads.
    """

    def __init__(
        self,
        table: str,
        tenant: Tenant | None = None,
        *,
        endpoint_url: str | None = None,
        config: Mapping[str, Any] = CONFIG,
        client: Any = None,
    ) -> None:
        self.tenant = tenant or Tenant()
        self.table = table
        self._place = Place.of(table, self.tenant)
        self._endpoint_url = endpoint_url
        self.client = _client(endpoint_url, config) if client is None else client

    def at(self, tenant: Tenant) -> Self:
        """The same table for another tenant."""
        other = copy.copy(self)
        other.tenant, other._place = tenant, Place.of(self.table, tenant)
        return other

    def create_table(self) -> None:
        """Makes the table if there is none: for emulators; on AWS the template makes it."""
        with _translated():
            try:
                self.client.create_table(TableName=self.table, **TABLE)
            except self.client.exceptions.ResourceInUseException:
                return
            self.client.get_waiter("table_exists").wait(TableName=self.table, WaiterConfig={"Delay": 1})

    def pointer(self) -> Pointer:
        """The current pointer, possibly a moment old."""
        with _translated():
            return as_pointer(self._get("STATE", "POINTER", consistent=False))

    def state(self) -> State:
        """Pointer, overrides and retired names of one moment.

        A query may see a transaction half done, so it is repeated until it fits together: every commit writes
        its revision into all that it touches, and says what that was.
        """
        with _translated():
            for _ in range(STATE_ATTEMPTS):
                items = {item["sk"]["S"]: item for item in self._query("STATE", ConsistentRead=True)}
                if is_whole(items):
                    return as_state(items)
        raise StoreUnavailable("the state changes faster than it can be read; try again")

    def stage(self, payload: bytes, origin: Origin, *, flags: int, at: str) -> Release:
        """Writes a release that nobody serves yet: its chunks first, read back, then its record."""
        digest, blob, packed = sha256(payload).hexdigest(), uuid4().hex, zlib.compress(payload, 9)
        chunks = [packed[start : start + CHUNK_BYTES] for start in range(0, len(packed), CHUNK_BYTES)]
        with _translated():
            for number, chunk in enumerate(chunks):
                self._put(f"BLOB#{blob}#{number}", "CHUNK", data={"B": chunk})
            self._read_blob(blob, len(chunks), digest, consistent=True)
            while True:
                newest = self._query("RELEASES", ConsistentRead=True, ScanIndexForward=False, Limit=1)
                version = int(next((item["sk"]["S"] for item in newest), 0)) + 1
                release = Release(version, digest, origin, at, flags, len(payload))
                record = {"B": dumped(asdict(release))}
                fields: Item = {"record": record, "blob": {"S": blob}, "chunks": numeric(len(chunks))}
                try:
                    self._put("RELEASES", f"{version:012}", ConditionExpression="attribute_not_exists(pk)", **fields)
                except self.client.exceptions.ConditionalCheckFailedException:
                    continue  # somebody else staged that version; take the next
                return release

    def release(self, version: int) -> Release:
        """The record of one release."""
        with _translated():
            return as_release(self._record(version))

    def payload(self, version: int) -> bytes:
        """A release's bytes, checked against its digest."""
        with _translated():
            item = self._record(version)
            digest, blob, chunks = as_release(item).digest, item["blob"]["S"], int(item["chunks"]["N"])
            try:
                return self._read_blob(blob, chunks, digest, consistent=False)
            except Corrupt:
                # The record may lead its chunks by a moment under eventual consistency.
                return self._read_blob(blob, chunks, digest, consistent=True)

    def releases(self, *, limit: int = 20, before: int | None = None) -> Sequence[Release]:
        """Newest first, versions below `before`."""
        below = f"{before:012}" if before is not None else "~"
        with _translated():
            items = self._query("RELEASES", below=below, ScanIndexForward=False, ConsistentRead=True, Limit=limit)
            return [as_release(item) for item, _ in zip(items, range(limit), strict=False)]

    def commit(self, change: Change, *, expected: int) -> Pointer:
        """Applies a change if nobody else has committed since revision `expected`."""
        with _translated():
            before = as_pointer(self._get("STATE", "POINTER", consistent=True))
            if before.revision != expected:
                raise Conflict(f"the state moved on to revision {before.revision} from {expected}; read it again")
            digest = "" if change.activate is None else self.release(change.activate).digest
            after = before.after(change, digest)
            retired = self._retired(change) if change.retire or change.reuse else None
            try:
                writes = committing(self._place, change, after, retired)
                self.client.transact_write_items(TransactItems=writes)
            except self.client.exceptions.TransactionCanceledException as error:
                reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
                raise refused(reasons, change) from error
            return after

    def audit(self, *, limit: int = 50, before: str | None = None, flag: str | None = None) -> Sequence[AuditEntry]:
        """Newest first, ids below `before`."""
        more: dict[str, Any] = {"ScanIndexForward": False, "ConsistentRead": True}
        values: dict[str, Any] = {}
        if flag is not None:
            # A filter is paid by what it reads, not by what it returns; the log is read by people.
            more["FilterExpression"], values = "flag = :flag", {":flag": {"S": flag}}
        else:
            more["Limit"] = limit
        with _translated():
            items = self._query("AUDIT", below=before or "~", values=values, **more)
            return [loaded(AuditEntry, item["record"]["B"]) for item, _ in zip(items, range(limit), strict=False)]

    def find(self, shelf: Shelf, key: str) -> Mapping[str, Any] | None:
        """One record, possibly a moment old."""
        with _translated():
            item = self._get(shelf.name, key, consistent=False)
            return None if item is None else loaded(dict, item["record"]["B"])

    def shelf(self, shelf: Shelf) -> Mapping[str, Mapping[str, Any]]:
        """All records of a shelf by id."""
        with _translated():
            items = self._query(shelf.name, ConsistentRead=True)
            return {item["sk"]["S"]: loaded(dict, item["record"]["B"]) for item in items}

    def keep(self, puts: Sequence[Put], audit: Sequence[AuditEntry] = ()) -> None:
        """Writes records if each is still what it was."""
        writes = keeping(self._place, puts, audit)
        with _translated():
            if len(writes) == 1 and puts[0].blind:
                self.client.put_item(**writes[0]["Put"])
                return
            try:
                if len(writes) == 1:
                    self.client.put_item(**writes[0]["Put"])
                else:
                    self.client.transact_write_items(TransactItems=writes)
            except (
                self.client.exceptions.ConditionalCheckFailedException,
                self.client.exceptions.TransactionCanceledException,
            ) as error:
                raise Conflict("somebody else wrote the record first; read it again") from error

    def collect(self, *, keep: int = 20) -> int:
        """Deletes releases beyond the newest `keep`; each deletion makes sure that it takes none that is served."""
        with _translated():
            items = list(self._query("RELEASES", ScanIndexForward=False, ConsistentRead=True))[keep:]
            return sum(self._collect(item) for item in items)

    def close(self) -> None:
        """Closes connections."""
        self.client.close()

    def _collect(self, item: Item) -> bool:
        version = numeric(int(item["sk"]["S"]))
        unserved = "version <> :version AND (attribute_not_exists(trial_base) OR trial_base <> :version)"
        pointer = {
            **self._place.key("STATE", "POINTER"),
            "ConditionExpression": unserved,
            "ExpressionAttributeValues": {":version": version},
        }
        delete = self._place.key("RELEASES", item["sk"]["S"])
        try:
            self.client.transact_write_items(TransactItems=[{"ConditionCheck": pointer}, {"Delete": delete}])
        except self.client.exceptions.TransactionCanceledException:
            return False
        for number in range(int(item["chunks"]["N"])):
            self.client.delete_item(**self._place.key(f"BLOB#{item['blob']['S']}#{number}", "CHUNK"))
        return True

    def _retired(self, change: Change) -> dict[str, str]:
        """The names retired after a change; the condition on the revision keeps this from racing."""
        item = self._get("STATE", "RETIRED", consistent=True)
        names: dict[str, str] = json.loads(item["record"]["B"]) if item else {}
        at = change.audit[0].at if change.audit else ""
        return {**{n: t for n, t in names.items() if n not in change.reuse}, **dict.fromkeys(change.retire, at)}

    def _record(self, version: int) -> Item:
        item = self._get("RELEASES", f"{version:012}", consistent=True)
        if item is None:
            raise NotFound(f"there is no release {version}")
        return item

    def _read_blob(self, blob: str, chunks: int, digest: str, *, consistent: bool) -> bytes:
        packed = b""
        for number in range(chunks):
            item = self._get(f"BLOB#{blob}#{number}", "CHUNK", consistent=consistent)
            if item is None:
                raise Corrupt(f"a part of the release is missing: {number + 1} of {chunks}")
            packed += item["data"]["B"]
        try:
            payload = zlib.decompress(packed)
        except zlib.error as error:
            raise Corrupt("the release does not decompress") from error
        if sha256(payload).hexdigest() != digest:
            raise Corrupt("the release does not match its digest")
        return payload

    def _get(self, partition: str, sort: str, *, consistent: bool) -> Item | None:
        found = self.client.get_item(**self._place.key(partition, sort), ConsistentRead=consistent)
        item: Item | None = found.get("Item")
        return item

    def _put(self, partition: str, sort: str, *, ConditionExpression: str | None = None, **fields: Item) -> None:  # noqa: N803 - DynamoDB's name
        condition = {"ConditionExpression": ConditionExpression} if ConditionExpression else {}
        self.client.put_item(**self._place.item(partition, sort, **fields), **condition)

    def _query(
        self, partition: str, *, below: str | None = None, values: Mapping[str, Any] | None = None, **more: Any
    ) -> Iterator[Item]:
        """All items of a partition page by page, sort keys under `below`."""
        names = {":pk": {"S": self._place.partition(partition)}, **(values or {})}
        condition = "pk = :pk"
        if below is not None:
            condition, names[":below"] = "pk = :pk AND sk < :below", {"S": below}
        request = {
            "TableName": self.table,
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


def _client(endpoint_url: str | None, config: Mapping[str, Any]) -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    with _translated():
        client = get_session().create_client("dynamodb", endpoint_url=endpoint_url, config=Config(**config))
    client.meta.events.register("before-parse.dynamodb", _refuse_malformed)
    return client


def _refuse_malformed(response_dict: Mapping[str, Any], **_more: Any) -> None:
    """Raises Corrupt for an answer that is no JSON object: botocore takes that for one without items."""
    if response_dict["status_code"] == 200:
        answer = json.loads(response_dict["body"])
        if not isinstance(answer, dict) or not isinstance(answer.get("Item", {}), dict):
            raise Corrupt("DynamoDB: the answer is not what was asked for")


def _botocores() -> tuple[type[Exception], ...]:
    """What botocore raises: imported where something has been raised."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError


@contextmanager
def _translated() -> Iterator[None]:
    """What the client raises, in this project's words; its own retries are over by then."""
    try:
        yield
    except StoreError:
        raise
    except _botocores() as error:
        told = (getattr(error, "response", None) or {}).get("Error")
        why = f"{told.get('Code')}: {told.get('Message')}" if told else error
        raise StoreUnavailable(f"DynamoDB: {why}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Corrupt(f"an item of the table does not parse: {error!r}") from error
