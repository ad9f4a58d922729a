"""What one DynamoDB transaction writes, and what its refusal means: values alone, nothing is sent from here.

A commit is one transaction, and DynamoDB takes 100 items and 4 MB in one. What does not fit goes into a blob, written
beforehand, that the transaction names: overrides and audit entries are served and listed from there until each is an
item of its own. A definition too large for an item is written beforehand too, under its digest.
"""

from __future__ import annotations

import json
import time
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.errors import Conflict, NotFound, StoreError, StoreUnavailable
from burgee.records import asdict
from burgee.stores import AuditEntry
from burgee.stores.dynamodb_items import dumped, numeric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.model import Definition, Override
    from burgee.stores import Change, Pointer, Put
    from burgee.stores.dynamodb_items import Item, Keyspace

MAX_WRITES = 100
"""DynamoDB's limit for one transaction."""
OTHER_WRITES = 10
"""As many items of a commit are neither overrides, entries nor records."""
MAX_BYTES = 2_500_000
"""DynamoDB takes 4 MB in one transaction, keys and names included."""
CHUNK_BYTES = 350_000
"""An item takes 400 KB."""
INLINE_BYTES = 300_000
"""A definition up to this size is kept in its override's item, where older versions look for it too."""
INLINE_KILL_BYTES = 16_384
"""That of a flag that is off leaves it earlier: a few keys answer for it, so older versions can serve those."""
SWEEP_SECONDS = 86_400
"""A tombstone stays a day, for queries that have begun before it was written."""


class Head(NamedTuple):
    """The newest id in the item that counts them, None where there is no such item; and the id that follows."""

    id: str | None = None
    moved_to: str | None = None


class Stored(NamedTuple):
    """An override as its item has it: the record, and the digest and chunks of a definition that is apart from it."""

    record: Mapping[str, Any]
    digest: str | None = None
    chunks: int = 0


class Overrides(NamedTuple):
    """What a commit does beside moving the pointer: overrides to lay and to lift, entries to log."""

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
        """Whether all of it fits into one transaction with the records beside it."""
        writes = len(self.lay) + len(self.lift) + len(self.audit) + len(puts)
        size = sum(len(dumped(one.record)) for one in self.lay)
        size += sum(len(dumped(asdict(entry))) for entry in self.audit) + sum(len(dumped(put.value)) for put in puts)
        # Beside these: pointer, release, commit, head of the log, and the few items of names.
        return writes + OTHER_WRITES <= MAX_WRITES and size <= MAX_BYTES


class Blob(NamedTuple):
    """Where the bytes of a remainder lie: an id, a number of chunks, a digest."""

    id: str
    chunks: int
    digest: str


def committing(  # noqa: PLR0913, PLR0917 - each is a part of the transaction
    keyspace: Keyspace,
    change: Change,
    after: Pointer,
    overrides: Overrides,
    names: Mapping[str, Any],
    head: Head,
    remainder: Blob | None = None,
) -> list[Item]:
    """The items of a commit, `names` the records of names that change by sort key; StoreError if they are too many.

    The pointer comes first, then the release that it activates, the log's head last: `refused` reads the reasons in
    this order. What `remainder` holds is not among `overrides`.
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
    writes += keeping(keyspace, change.puts, overrides.audit)
    if head.moved_to is not None:
        writes.append(heading(keyspace, head))
    if len(writes) > MAX_WRITES:
        raise StoreError(f"{len(writes)} items in one commit, where DynamoDB takes {MAX_WRITES}; do it in parts")
    return writes


def touched(keyspace: Keyspace, overrides: Overrides, revision: int) -> list[Item]:
    """The items of the overrides that a commit lays and lifts, one for each flag."""
    items = {flag: _lifted(keyspace, flag, revision) for flag in overrides.lift}
    items |= {stored.record["flag"]: _laid(keyspace, stored, revision) for stored in overrides.lay}
    return list(items.values())


def committed(keyspace: Keyspace, revision: int, overrides: Overrides, blob: Blob | None = None) -> Item:
    """The item that says which overrides a commit touched, and where its remainder lies until it is written."""
    flags = {"laid": [stored.record["flag"] for stored in overrides.lay], "lifted": list(overrides.lift)}
    fields: Item = {"touched": {"B": dumped(flags)}, "revision": numeric(revision)}
    if blob is not None:
        fields["remainder"] = {"B": dumped(blob._asdict())}
    return keyspace.item("STATE", "COMMIT", **fields)


def spread(names: Mapping[str, str], items: int) -> dict[str, dict[str, str]]:
    """Retired names by the sort keys of the items that hold them, of which there have been as many as `items`."""
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
    """A write of an override's item that spares what a later commit made of it."""
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
    """An override as it is stored, and the chunks to write before it if its definition does not fit into its item."""
    record = asdict(override)
    data = dumped(override.definition)
    short = _stand_in(override.definition or {})
    if len(data) <= (INLINE_BYTES if short is None else INLINE_KILL_BYTES):
        return Stored(record), []
    if short is None:
        # An older version finds no definition, and goes on with what it has: better than a flag without its lists.
        del record["definition"]
    else:
        record["definition"] = short
    chunks = packed(data)
    return Stored(record, sha256(data).hexdigest(), len(chunks)), chunks


def packed(data: bytes) -> list[bytes]:
    """Bytes compressed, in pieces that fit into items."""
    whole = zlib.compress(data, 9)
    return [whole[start : start + CHUNK_BYTES] for start in range(0, len(whole), CHUNK_BYTES)]


def _stand_in(definition: Definition) -> Definition | None:
    """The keys of a flag that stays off which answer for it, for readers that know of no definitions apart."""
    if definition.get("status") is not False or definition.get("schedule"):
        return None
    return {key: value for key, value in definition.items() if len(dumped(value)) <= 1000}


def keeping(keyspace: Keyspace, puts: Sequence[Put], audit: Sequence[AuditEntry]) -> list[Item]:
    """The items of records and of their audit entries."""
    return [{"Put": _shelved(keyspace, put)} for put in puts] + [{"Put": logged(keyspace, entry)} for entry in audit]


def heading(keyspace: Keyspace, head: Head) -> Item:
    """What moves the head of the audit log on, if nobody else has; its revision is lower than any pointer's."""
    item = keyspace.item("STATE", "AUDIT", head={"S": head.moved_to}, revision=numeric(0))
    if head.id is None:
        return {"Put": {**item, "ConditionExpression": "attribute_not_exists(pk)"}}
    condition: Item = {
        "ConditionExpression": "head = :head",
        "ExpressionAttributeValues": {":head": {"S": head.id}},
    }
    return {"Put": {**item, **condition}}


class Outrun(Conflict):
    """Another writer added to the audit log first: nothing else stands in the way of trying again."""


def refused(reasons: Sequence[str | None], *, activates: int | None = None, heads: bool = False) -> StoreError:
    """Why a transaction was cancelled, by the reason of each of its items."""
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
    if after.digest:  # before the first release there is none, and older DynamoDBs take no empty string
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
    fields: Item = {"record": {"B": dumped(put.value)}}
    if put.until is not None:
        fields["ttl"] = numeric(int(put.until))
    item = keyspace.item(put.shelf.name, put.id, **fields)
    if put.blind:
        return item
    if put.before is None:
        return {**item, "ConditionExpression": "attribute_not_exists(pk)"}
    before: dict[str, Any] = {":before": {"B": dumped(put.before)}}
    return {
        **item,
        "ConditionExpression": "#r = :before",
        "ExpressionAttributeNames": {"#r": "record"},
        "ExpressionAttributeValues": before,
    }


def logged(keyspace: Keyspace, entry: AuditEntry) -> Item:
    """An audit entry's item."""
    fields: Item = {"record": {"B": dumped(asdict(entry))}}
    if entry.flag is not None:
        fields["flag"] = {"S": entry.flag}
    return keyspace.item("AUDIT", entry.id, **fields)
