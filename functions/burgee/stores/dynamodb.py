"""The production store: one DynamoDB table for all tenants.

    pk                     sk               holds
    {tenant}#STATE                   POINTER          version, digest, revision, canary: what evaluators poll
    {tenant}#STATE                   COMMIT           which overrides the latest commit touched, and its remainder
    {tenant}#STATE                   OVERRIDE#{flag}  an override, or the tombstone of a cleared one
    {tenant}#STATE                   RETIRED[#{n}]    names removed from Git
    {tenant}#STATE                   SETTLED          overrides that a canary caught up with
    {tenant}#STATE                   AUDIT            the newest id in the audit log
    {tenant}#RELEASES                {version}        a release's record, and the blob that holds its bytes
    {tenant}#BLOB#{id}#{n}           CHUNK            at most 350 KB of a release or remainder; never written again
    {tenant}#DEFINITION#{digest}#{n} CHUNK            at most 350 KB of an override's definition, compressed
    {tenant}#AUDIT                   {id}             an audit entry; a stream of these is the outbox
    {tenant}#{SHELF}                 {id}             a record of a shelf, such as KEYS

Values are stored as JSON in binary attributes, so that no number passes through Decimal.

The part of a commit that does not fit into one transaction, its remainder, is read from a blob until each part has
its own item: a commit of any size is served completely or not at all, and nothing is lost if the writer dies.
"""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self, TypeVar

from burgee.errors import Conflict, Corrupt, NotFound, StoreError, StoreUnavailable
from burgee.records import asdict
from burgee.stores import AuditEntry, Change, Origin, Pointer, Release, State, Tenant
from burgee.stores.dynamodb_items import (
    Keyspace,
    as_pointer,
    as_release,
    as_state,
    dumped,
    is_whole,
    loaded,
    numeric,
    retired,
)
from burgee.stores.dynamodb_table import WRITE_ATTEMPTS, TenantTable, pause, translated
from burgee.stores.dynamodb_writes import (
    AuditHead,
    Blob,
    Outrun,
    Overrides,
    batches,
    committed,
    committing,
    heading,
    keeping,
    logged,
    newer,
    packed,
    refused,
    spread,
    stored,
    touched,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.model import Override
    from burgee.stores import Put, Shelf
    from burgee.stores.dynamodb_items import Item
    from burgee.stores.dynamodb_writes import Stored

_Answer = TypeVar("_Answer")
STATE_ATTEMPTS = 5
SETTLED = 3000
"""Maximum number of settled overrides in the item; a later deploy asks about any others."""
DEFINITION_BYTES = 64_000_000
"""Total size of separately stored definitions in the memory cache."""
# A user waits for the request, within one Lambda invocation: three tries within a few seconds.
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

    `client` is botocore's by default; `burgee.stores.dynamodb_http` has one for evaluators.
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
        self._definitions: dict[str, bytes] = {}
        self.client = _connected(endpoint_url, config) if client is None else client
        self._items = TenantTable(self.client, Keyspace.of(table, self.tenant))

    def at(self, tenant: Tenant) -> Self:
        """The same table for another tenant."""
        other = copy.copy(self)
        other.tenant, other._items = tenant, TenantTable(self.client, Keyspace.of(self.table, tenant))
        return other

    def create_table(self) -> None:
        """Creates the table if it does not exist: for emulators; on AWS the template creates it."""
        with translated():
            try:
                self.client.create_table(TableName=self.table, **TABLE)
            except self.client.exceptions.ResourceInUseException:
                return
            self.client.get_waiter("table_exists").wait(TableName=self.table, WaiterConfig={"Delay": 1})

    def pointer(self) -> Pointer:
        """The current pointer, possibly stale."""
        with translated():
            return as_pointer(self._items.get("STATE", "POINTER", consistent=False))

    def state(self) -> State:
        """Pointer, overrides and retired names at one moment.

        A query may see a partial transaction, so it is repeated until it is consistent: every commit writes its
        revision into each item it touches, and lists those items.
        """
        with translated():
            for _ in range(STATE_ATTEMPTS):
                items = {item["sk"]["S"]: item for item in self._items.query("STATE", ConsistentRead=True)}
                if is_whole(items):
                    remainder, revision = self._remainder(items.get("COMMIT"))
                    for request in touched(self._items.keyspace, remainder, revision):
                        items[request["Item"]["sk"]["S"]] = request["Item"]
                    return as_state(items, self._definition)
        raise StoreUnavailable("the state changes faster than it can be read; try again")

    def stage(self, payload: bytes, origin: Origin, *, flags: int, at: str) -> Release:
        """Writes a release without serving it: its chunks first, read back, then its record."""
        digest, chunks = sha256(payload).hexdigest(), packed(payload)
        with translated():
            blob = self._items.write_blob(chunks)
            self._items.read_chunks(f"BLOB#{blob}", len(chunks), digest, consistent=True)
            while True:
                newest = self._items.query("RELEASES", ConsistentRead=True, ScanIndexForward=False, Limit=1)
                version = int(next((item["sk"]["S"] for item in newest), 0)) + 1
                release = Release(version, digest, origin, at, flags, len(payload))
                record = {"B": dumped(asdict(release))}
                fields: Item = {"record": record, "blob": {"S": blob}, "chunks": numeric(len(chunks))}
                try:
                    self._items.put(
                        "RELEASES", f"{version:012}", ConditionExpression="attribute_not_exists(pk)", **fields
                    )
                except self.client.exceptions.ConditionalCheckFailedException:
                    continue  # another writer staged this version; use the next
                return release

    def release(self, version: int) -> Release:
        """The record of one release."""
        with translated():
            return as_release(self._record(version))

    def payload(self, version: int) -> bytes:
        """A release's bytes, verified against its digest."""
        return self.load(version)[1]

    def load(self, version: int) -> tuple[Release, bytes]:
        """A release's record and its bytes, verified against its digest."""
        with translated():
            item = self._record(version)
            release, blob, chunks = as_release(item), f"BLOB#{item['blob']['S']}", int(item["chunks"]["N"])
            try:
                return release, self._items.read_chunks(blob, chunks, release.digest, consistent=False)
            except Corrupt:
                # Under eventual consistency, the record may be visible before its chunks.
                return release, self._items.read_chunks(blob, chunks, release.digest, consistent=True)

    def releases(self, *, limit: int = 20, before: int | None = None) -> Sequence[Release]:
        """Newest first, versions below `before`."""
        below = f"{before:012}" if before is not None else "~"
        with translated():
            items = self._items.query(
                "RELEASES", below=below, ScanIndexForward=False, ConsistentRead=True, Limit=limit
            )
            return [as_release(item) for item, _ in zip(items, range(limit), strict=False)]

    def commit(self, change: Change, *, expected: int) -> Pointer:
        """Applies a change if no other writer has committed since revision `expected`."""
        with translated():
            before = as_pointer(self._items.get("STATE", "POINTER", consistent=True))
            if before.revision != expected:
                raise Conflict(f"the state has changed from revision {expected} to {before.revision}; read it again")
            digest = "" if change.activate is None else self.release(change.activate).digest
            after = before.after(change, digest)
            lay = [self._stored(override) for override in change.lay]
            names = self._retired(change) | self._settled(change, before, after)
            self._finish(self._tail()[1])

            def attempt() -> tuple[Overrides, Blob | None]:
                overrides, head = self._numbered(Overrides(lay, change.lift, change.audit))
                remainder = None if overrides.fit(change.puts) else self._written(overrides)
                inline = overrides if remainder is None else Overrides()
                writes = committing(self._items.keyspace, change, after, inline, names, head, remainder)
                self._transact(writes, activates=change.activate, heads=head.moved_to is not None)
                return overrides, remainder

            overrides, remainder = _against_others(attempt)
        if remainder is not None:
            # The change is committed even if this fails; the next commit completes it.
            with suppress(StoreError), translated():
                self._apply(overrides, after.revision)
        return after

    def _stored(self, override: Override) -> Stored:
        """Writes an override's chunks, if it has any, and returns its item."""
        found, chunks = stored(override)
        for number, chunk in enumerate(chunks):
            self._items.put(f"DEFINITION#{found.digest}#{number}", "CHUNK", data={"B": chunk})
        return found

    def _written(self, overrides: Overrides) -> Blob:
        """Writes the remainder of a commit, and returns its location."""
        data = overrides.packed()
        chunks = packed(data)
        return Blob(self._items.write_blob(chunks), len(chunks), sha256(data).hexdigest())

    def _tail(self) -> tuple[str | None, Item | None]:
        """The head of the audit log, and the item of the latest commit."""
        found = {
            item["sk"]["S"]: item
            for item in self._items.query("STATE", between=("AUDIT", "COMMIT"), ConsistentRead=True)
        }
        head = found["AUDIT"]["head"]["S"] if "AUDIT" in found else None
        return head, found.get("COMMIT")

    def _numbered(self, overrides: Overrides) -> tuple[Overrides, AuditHead]:
        """Entries with ids after the newest in the log, and the new head of the log."""
        from burgee.stores.audit import numbered

        if not overrides.audit:
            return overrides, AuditHead()
        head, _ = self._tail()
        newest = head
        if newest is None:  # a log of a version without a counter
            items = self._items.query("AUDIT", ScanIndexForward=False, ConsistentRead=True, Limit=1)
            newest = next((item["sk"]["S"] for item in items), None)
        entries = numbered(overrides.audit, newest)
        return overrides._replace(audit=entries), AuditHead(head, entries[-1].id)

    def _remainder(self, commit: Item | None) -> tuple[Overrides, int]:
        """The part of the latest commit that is not yet written as items, and its revision."""
        if commit is None or "remainder" not in commit:
            return Overrides(), 0
        blob = loaded(Blob, commit["remainder"]["B"])
        data = self._items.read_chunks(f"BLOB#{blob.id}", blob.chunks, blob.digest, consistent=True)
        return Overrides.unpacked(data), int(commit["revision"]["N"])

    def _finish(self, commit: Item | None) -> None:
        """Completes the commit of a writer that died."""
        remainder, revision = self._remainder(commit)
        if revision:
            self._apply(remainder, revision)

    def _apply(self, remainder: Overrides, revision: int) -> None:
        """Writes a remainder as items, which other writers may do too; afterwards the blob is no longer read."""
        writes = [newer(item, revision) for item in touched(self._items.keyspace, remainder, revision)]
        writes += [logged(self._items.keyspace, entry) for entry in remainder.audit]
        for batch in batches(writes):
            try:
                self.client.transact_write_items(TransactItems=[{"Put": item} for item in batch])
            except self.client.exceptions.TransactionCanceledException:
                for item in batch:  # a later commit has already touched one of them
                    self._items.put_if(item)
        self._items.put_if(
            {
                **committed(self._items.keyspace, revision, Overrides()),
                "ConditionExpression": "revision = :revision",
                "ExpressionAttributeValues": {":revision": numeric(revision)},
            }
        )

    def _transact(self, writes: list[Item], *, activates: int | None = None, heads: bool = False) -> None:
        try:
            self.client.transact_write_items(TransactItems=writes)
        except self.client.exceptions.TransactionCanceledException as error:
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            raise refused(reasons, activates=activates, heads=heads) from error

    def audit(self, *, limit: int = 50, before: str | None = None, flag: str | None = None) -> Sequence[AuditEntry]:
        """Newest first, ids below `before`."""
        more: dict[str, Any] = {"ScanIndexForward": False, "ConsistentRead": True}
        values: dict[str, Any] = {}
        if flag is not None:
            # A filter costs what it reads, not what it returns; only people read the log.
            more["FilterExpression"], values = "flag = :flag", {":flag": {"S": flag}}
        else:
            more["Limit"] = limit
        with translated():
            waiting = self._remainder(self._tail()[1])[0].audit
            items = self._items.query("AUDIT", below=before or "~", values=values, **more)
            found = [loaded(AuditEntry, item["record"]["B"]) for item, _ in zip(items, range(limit), strict=False)]
        missing = {
            entry.id: entry
            for entry in waiting
            if (before is None or entry.id < before) and (flag is None or entry.flag == flag)
        }
        entries = missing | {entry.id: entry for entry in found}
        return [entries[key] for key in sorted(entries, reverse=True)[:limit]]

    def audit_after(self, after: str, *, limit: int = 200) -> Sequence[AuditEntry]:
        """Oldest first, ids above `after`."""
        with translated():
            waiting = self._remainder(self._tail()[1])[0].audit
            items = self._items.query("AUDIT", between=(after or " ", "~"), ConsistentRead=True, Limit=limit + 1)
            found = [
                loaded(AuditEntry, item["record"]["B"]) for item, _ in zip(items, range(limit + 1), strict=False)
            ]
        entries = {entry.id: entry for entry in (*waiting, *found) if entry.id > after}
        return [entries[key] for key in sorted(entries)[:limit]]

    def find(self, shelf: Shelf, key: str) -> Mapping[str, Any] | None:
        """One record, possibly stale."""
        with translated():
            item = self._items.get(shelf.name, key, consistent=False)
            return None if item is None else loaded(dict, item["record"]["B"])

    def shelf(self, shelf: Shelf, prefix: str = "") -> Mapping[str, Mapping[str, Any]]:
        """All records of a shelf by id."""
        within = (prefix, f"{prefix}\U0010ffff") if prefix else None
        with translated():
            items = self._items.query(shelf.name, between=within, ConsistentRead=True)
            return {item["sk"]["S"]: loaded(dict, item["record"]["B"]) for item in items}

    def keep(self, puts: Sequence[Put], audit: Sequence[AuditEntry] = ()) -> None:
        """Writes records if none of them has changed."""
        with translated():
            if len(puts) == 1 and not audit:
                ((operation, request),) = keeping(self._items.keyspace, puts, ())[0].items()
                try:
                    (self.client.put_item if operation == "Put" else self.client.delete_item)(**request)
                except self.client.exceptions.ConditionalCheckFailedException as error:
                    raise Conflict("another writer was first; read the record again") from error
                return

            def attempt() -> None:
                overrides, head = self._numbered(Overrides(audit=audit))
                writes = keeping(self._items.keyspace, puts, overrides.audit)
                if head.moved_to is not None:
                    writes.append(heading(self._items.keyspace, head))
                self._transact(writes, heads=head.moved_to is not None)

            _against_others(attempt)

    def collect(self, *, keep: int = 20) -> int:
        """Deletes releases beyond the newest `keep`; each deletion is conditional on the release not being served."""
        with translated():
            items = list(self._items.query("RELEASES", ScanIndexForward=False, ConsistentRead=True))[keep:]
            return sum(self._collect(item) for item in items)

    def close(self) -> None:
        """Closes connections."""
        self.client.close()

    def _collect(self, item: Item) -> bool:
        version = numeric(int(item["sk"]["S"]))
        unserved = "version <> :version AND (attribute_not_exists(trial_base) OR trial_base <> :version)"
        pointer = {
            **self._items.keyspace.key("STATE", "POINTER"),
            "ConditionExpression": unserved,
            "ExpressionAttributeValues": {":version": version},
        }
        delete = self._items.keyspace.key("RELEASES", item["sk"]["S"])
        try:
            self.client.transact_write_items(TransactItems=[{"ConditionCheck": pointer}, {"Delete": delete}])
        except self.client.exceptions.TransactionCanceledException:
            return False
        for number in range(int(item["chunks"]["N"])):
            self.client.delete_item(**self._items.keyspace.key(f"BLOB#{item['blob']['S']}#{number}", "CHUNK"))
        return True

    def _retired(self, change: Change) -> dict[str, Any]:
        """The retired names after a change, if it changes them; the condition on the revision prevents races."""
        if not change.retire and not change.reuse:
            return {}
        found = self._items.query("STATE", between=("RETIRED", "RETIRED#~"), ConsistentRead=True)
        items = {item["sk"]["S"]: item for item in found}
        at = change.audit[0].at if change.audit else ""
        names = {name: since for name, since in retired(items).items() if name not in set(change.reuse)}
        return spread({**names, **dict.fromkeys(change.retire, at)}, len(items))

    def _settled(self, change: Change, before: Pointer, after: Pointer) -> dict[str, Any]:
        """The settled overrides after a change, if it changes them; they are valid for one release version."""
        flags = dict(change.settled)
        if not flags and change.activate != before.version:
            return {}
        if change.activate is None:
            item = self._items.get("STATE", "SETTLED", consistent=True)
            record: dict[str, Any] = json.loads(item["record"]["B"]) if item else {"version": None}
            flags = {**(record["flags"] if record["version"] == after.version else {}), **flags}
        return {"SETTLED": {"version": after.version, "flags": dict(list(flags.items())[:SETTLED])}}

    def _definition(self, digest: str, chunks: int) -> Any:
        """A definition that is stored apart from its override."""
        data = self._definitions.get(digest)
        if data is None:
            data = self._items.read_chunks(f"DEFINITION#{digest}", chunks, digest, consistent=True)
            self._definitions[digest] = data
            while sum(map(len, self._definitions.values())) > DEFINITION_BYTES:
                self._definitions.pop(next(iter(self._definitions)), None)
        return json.loads(data)

    def _record(self, version: int) -> Item:
        item = self._items.get("RELEASES", f"{version:012}", consistent=True)
        if item is None:
            raise NotFound(f"there is no release {version}")
        return item


def _against_others(attempt: Callable[[], _Answer]) -> _Answer:
    """Retries while other writers are first at the head of the audit log, but not for other conflicts."""
    for left in range(WRITE_ATTEMPTS, 0, -1):
        try:
            return attempt()
        except Outrun:
            if left == 1:
                raise
            pause()
    raise AssertionError("the last attempt returns or raises")


def _connected(endpoint_url: str | None, config: Mapping[str, Any]) -> Any:
    """botocore's client, imported only here."""
    from burgee.stores.dynamodb_client import connect

    return connect(endpoint_url, config)
