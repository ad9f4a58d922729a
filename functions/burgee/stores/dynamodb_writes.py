"""The writes of one DynamoDB transaction, and the meaning of its cancellation; pure values, nothing is sent here.

A commit is one transaction, limited by DynamoDB to 100 items and 4 MB. The rest goes into a blob that is written
beforehand and named by the transaction: overrides and audit entries are read from there until each has its own item.
A definition too large for an item is also written beforehand, under its digest.
"""

from __future__ import annotations

import json
import time
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from burgee.errors import Conflict, NotFound, StoreError, StoreUnavailable
from burgee.records import NamedTuple, asdict
from burgee.stores import AuditEntry, dated
from burgee.stores.dynamodb_items import dumped, numeric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.model import Definition, Override
    from burgee.stores import Change, Pointer, Put
    from burgee.stores.dynamodb_items import Item, Keyspace

MAX_WRITES = 100
"""DynamoDB's limit for one transaction."""
OTHER_WRITES = 10
"""Items of a commit that are neither overrides, audit entries nor records."""
MAX_BYTES = 2_500_000
"""DynamoDB's limit for one transaction is 4 MB, including keys and names."""
CHUNK_BYTES = 350_000
"""An item holds at most 400 KB."""
INLINE_BYTES = 300_000
"""A definition up to this size is stored in its override's item, where older versions expect it."""
INLINE_KILL_BYTES = 16_384
"""The limit for a flag that is off is lower: a few keys are enough to answer, so older versions can serve it."""
SWEEP_SECONDS = 86_400
"""A tombstone is kept for a day, for queries that began before it was written."""


class AuditHead(NamedTuple):
    """The newest id in the item that counts them (None if the item is absent), and the next id."""

    id: str | None = None
    moved_to: str | None = None


class Stored(NamedTuple):
    """An override as stored in its item: the record, and the digest and chunks of a definition stored apart."""

    record: Mapping[str, Any]
    digest: str | None = None
    chunks: int = 0


class Overrides(NamedTuple):
    """The part of a commit besides the pointer: overrides to set and to clear, entries to log."""

    lay: Sequence[Stored] = ()
    lift: Sequence[str] = ()
    audit: Sequence[AuditEntry] = ()

    def packed(self) -> bytes:
        """As the bytes of a blob."""
        audit = [asdict(entry) for entry in self.audit]
        return dumped({"lay": [list(one) for one in self.lay], "lift": list(self.lift), "audit": audit})

    @classmethod
    def unpacked(cls, data: bytes) -> Overrides:
        """From the bytes of a blob."""
        record = json.loads(data)
        return cls(
            [Stored(*one) for one in record["lay"]], record["lift"], [AuditEntry(**one) for one in record["audit"]]
        )

    def fit(self, puts: Sequence[Put]) -> bool:
        """Whether all of it fits into one transaction together with the records."""
        writes = len(self.lay) + len(self.lift) + len(self.audit) + len(puts)
        size = sum(len(dumped(one.record)) for one in self.lay)
        size += sum(len(dumped(asdict(entry))) for entry in self.audit) + sum(len(dumped(put.value)) for put in puts)
        # Also in the transaction: pointer, release, commit, head of the log, and the few items of names.
        return writes + OTHER_WRITES <= MAX_WRITES and size <= MAX_BYTES


class Blob(NamedTuple):
    """The location of a remainder: blob id, number of chunks, digest."""

    id: str
    chunks: int
    digest: str


def committing(  # noqa: PLR0913, PLR0917 - each is a part of the transaction
    keyspace: Keyspace,
    change: Change,
    after: Pointer,
    overrides: Overrides,
    names: Mapping[str, Any],
    head: AuditHead,
    remainder: Blob | None = None,
) -> list[Item]:
    """The writes of a commit; `names` are the changed records of names by sort key. Raises StoreError if too many.

    The pointer comes first, then the release that it activates, the log's head last: `refused` reads the reasons in
    this order. `overrides` does not include those in `remainder`.
    """
    revision = numeric(after.revision)
    writes = [_pointer(keyspace, after)]
    if change.activate is not None:
        staged = keyspace.key("RELEASES", f"{change.activate:012}")
        writes.append({"ConditionCheck": {**staged, "ConditionExpression": "attribute_exists(pk)"}})
    writes += [{"Put": item} for item in touched(keyspace, overrides, after.revision)]
    writes.append({"Put": committed(keyspace, after.revision, overrides, remainder)})
    for name, record in names.items():
        writes.append({"Put": keyspace.item("STATE", name, record={"B": dumped(record)}, revision=revision)})
    writes += keeping(keyspace, (*change.puts, dated(after.revision, time.time())), overrides.audit)
    if head.moved_to is not None:
        writes.append(heading(keyspace, head))
    if len(writes) > MAX_WRITES:
        raise StoreError(f"{len(writes)} items in one commit; DynamoDB allows {MAX_WRITES}: split the commit")
    return writes


def touched(keyspace: Keyspace, overrides: Overrides, revision: int) -> list[Item]:
    """The writes for the overrides that a commit sets and clears, one per flag."""
    items = {flag: _lifted(keyspace, flag, revision) for flag in overrides.lift}
    items |= {stored.record["flag"]: _laid(keyspace, stored, revision) for stored in overrides.lay}
    return list(items.values())


def committed(keyspace: Keyspace, revision: int, overrides: Overrides, blob: Blob | None = None) -> Item:
    """The item that lists the overrides a commit touched, and the location of its remainder until that is written."""
    flags = {"laid": [stored.record["flag"] for stored in overrides.lay], "lifted": list(overrides.lift)}
    fields: Item = {"touched": {"B": dumped(flags)}, "revision": numeric(revision)}
    if blob is not None:
        fields["remainder"] = {"B": dumped(blob._asdict())}
    return keyspace.item("STATE", "COMMIT", **fields)


def spread(names: Mapping[str, str], items: int) -> dict[str, dict[str, str]]:
    """Retired names by the sort keys of their items; `items` is the previous number of items."""
    parts: list[dict[str, str]] = [{}]
    size = 0
    for name, at in names.items():
        size += len(name) + len(at) + 6
        if size > INLINE_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = at
    parts += [{}] * (items - len(parts))
    return {f"RETIRED#{number}" if number else "RETIRED": part for number, part in enumerate(parts)}


def newer(item: Item, revision: int) -> Item:
    """A write of an override's item that does not overwrite a later commit."""
    condition = "attribute_not_exists(pk) OR revision < :revision"
    return {
        **item,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": {":revision": numeric(revision)},
    }


def _laid(keyspace: Keyspace, stored: Stored, revision: int) -> Item:
    fields: Item = {"revision": numeric(revision)}
    if stored.digest is not None:
        fields |= {"definition": {"S": stored.digest}, "chunks": numeric(stored.chunks)}
    return keyspace.item("STATE", f"OVERRIDE#{stored.record['flag']}", record={"B": dumped(stored.record)}, **fields)


def _lifted(keyspace: Keyspace, flag: str, revision: int) -> Item:
    until = numeric(int(time.time()) + SWEEP_SECONDS)
    return keyspace.item("STATE", f"OVERRIDE#{flag}", gone={"BOOL": True}, revision=numeric(revision), ttl=until)


def stored(override: Override) -> tuple[Stored, list[bytes]]:
    """An override as it is stored, and the chunks to write first if its definition does not fit into the item."""
    record = asdict(override)
    data = dumped(override.definition)
    short = _stand_in(override.definition or {})
    if len(data) <= (INLINE_BYTES if short is None else INLINE_KILL_BYTES):
        return Stored(record), []
    if short is None:
        # An older version finds no definition and keeps its current one: better than a flag without its lists.
        del record["definition"]
    else:
        record["definition"] = short
    chunks = packed(data)
    return Stored(record, sha256(data).hexdigest(), len(chunks)), chunks


def packed(data: bytes) -> list[bytes]:
    """Compresses bytes, in chunks that fit into items."""
    whole = zlib.compress(data, 9)
    return [whole[start : start + CHUNK_BYTES] for start in range(0, len(whole), CHUNK_BYTES)]


def _stand_in(definition: Definition) -> Definition | None:
    """The keys that answer for a flag that stays off, for readers that do not support separate definitions."""
    if definition.get("status") is not False or definition.get("schedule"):
        return None
    return {key: value for key, value in definition.items() if len(dumped(value)) <= 1000}


def keeping(keyspace: Keyspace, puts: Sequence[Put], audit: Sequence[AuditEntry]) -> list[Item]:
    """The items of records and of their audit entries."""
    return [_shelved(keyspace, put) for put in puts] + [{"Put": logged(keyspace, entry)} for entry in audit]


def heading(keyspace: Keyspace, head: AuditHead) -> Item:
    """The write that advances the head of the audit log unless another has; its revision is below any pointer's."""
    item = keyspace.item("STATE", "AUDIT", head={"S": head.moved_to}, revision=numeric(0))
    if head.id is None:
        return {"Put": {**item, "ConditionExpression": "attribute_not_exists(pk)"}}
    condition: Item = {
        "ConditionExpression": "head = :head",
        "ExpressionAttributeValues": {":head": {"S": head.id}},
    }
    return {"Put": {**item, **condition}}


def batches(writes: list[Item]) -> Iterator[list[Item]]:
    """Groups writes by the number and size that one transaction allows."""
    batch: list[Item] = []
    size = 0
    for write in writes:
        weight = sum(len(value["B"]) for value in write["Item"].values() if "B" in value)
        if batch and (len(batch) == MAX_WRITES or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(write)
        size += weight
    if batch:
        yield batch


class Outrun(Conflict):
    """Another writer was first at the audit log; the transaction can be retried as it is."""


def refused(reasons: Sequence[str | None], *, activates: int | None = None, heads: bool = False) -> StoreError:
    """The error for a cancelled transaction, from the reason of each item."""
    failed = [number for number, reason in enumerate(reasons) if reason in {"ConditionalCheckFailed", _MET}]
    if heads and failed == [len(reasons) - 1]:
        return Outrun("another writer was first at the audit log")
    if failed == [1] and activates is not None and reasons[1] != _MET:
        return NotFound(f"there is no release {activates}")
    if failed:
        return Conflict("another writer was first; read it again")
    return StoreUnavailable(f"DynamoDB: the transaction was cancelled: {reasons}")


_MET = "TransactionConflict"


def _pointer(keyspace: Keyspace, after: Pointer) -> Item:
    fields: Item = {"version": numeric(after.version), "revision": numeric(after.revision)}
    if after.digest:  # there is none before the first release, and older DynamoDBs refuse empty strings
        fields["digest"] = {"S": after.digest}
    if after.canary is not None:
        fields |= {"trial_base": numeric(after.canary.base), "bake": {"B": dumped(asdict(after.canary))}}
    unmoved: Item = {"ConditionExpression": "attribute_not_exists(pk)"}
    if after.revision > 1:
        unmoved = {
            "ConditionExpression": "revision = :expected",
            "ExpressionAttributeValues": {":expected": numeric(after.revision - 1)},
        }
    return {"Put": {**keyspace.item("STATE", "POINTER", **fields), **unmoved}}


def _shelved(keyspace: Keyspace, put: Put) -> Item:
    condition: Item = {"ConditionExpression": "attribute_not_exists(pk)"}
    if put.blind:
        condition = {}
    elif put.before is not None:
        condition = {
            "ConditionExpression": "#r = :before",
            "ExpressionAttributeNames": {"#r": "record"},
            "ExpressionAttributeValues": {":before": {"B": dumped(put.before)}},
        }
    if put.value is None:
        return {"Delete": {**keyspace.key(put.shelf.name, put.id), **condition}}
    fields: Item = {"record": {"B": dumped(put.value)}}
    if put.until is not None:
        fields["ttl"] = numeric(int(put.until))
    return {"Put": {**keyspace.item(put.shelf.name, put.id, **fields), **condition}}


def logged(keyspace: Keyspace, entry: AuditEntry) -> Item:
    """An audit entry's item."""
    fields: Item = {"record": {"B": dumped(asdict(entry))}}
    if entry.flag is not None:
        fields["flag"] = {"S": entry.flag}
    return keyspace.item("AUDIT", entry.id, **fields)
