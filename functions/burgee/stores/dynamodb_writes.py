"""What one DynamoDB transaction writes, and what its refusal means: values alone, nothing is sent from here."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from burgee.errors import Conflict, NotFound, StoreError, StoreUnavailable
from burgee.stores.dynamodb_items import dumped, numeric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.stores import AuditEntry, Change, Pointer, Put
    from burgee.stores.dynamodb_items import Item, Place

MAX_WRITES = 100
"""DynamoDB's limit for one transaction."""
TOMBSTONE_SECONDS = 86_400


def committing(place: Place, change: Change, after: Pointer, retired: Mapping[str, str] | None) -> list[Item]:
    """The items of a commit, `retired` the names given up after it if they change; StoreError if they are too many.

    The pointer comes first, then the release that it activates: `refused` reads the reasons in this order.
    """
    revision = numeric(after.revision)
    writes = [_pointer(place, after)]
    if change.activate is not None:
        staged = place.key("RELEASES", f"{change.activate:012}")
        writes.append({"ConditionCheck": {**staged, "ConditionExpression": "attribute_exists(pk)"}})
    touched: dict[str, Item] = {}
    for flag in change.lift:
        until = numeric(int(time.time()) + TOMBSTONE_SECONDS)
        touched[flag] = place.item("STATE", f"OVERRIDE#{flag}", gone={"BOOL": True}, revision=revision, ttl=until)
    for override in change.lay:
        record = {"B": dumped(asdict(override))}
        touched[override.flag] = place.item("STATE", f"OVERRIDE#{override.flag}", record=record, revision=revision)
    writes += [{"Put": item} for item in touched.values()]
    told = {"laid": [override.flag for override in change.lay], "lifted": list(change.lift)}
    writes.append({"Put": place.item("STATE", "COMMIT", touched={"B": dumped(told)}, revision=revision)})
    if retired is not None:
        writes.append({"Put": place.item("STATE", "RETIRED", record={"B": dumped(retired)}, revision=revision)})
    writes += keeping(place, change.puts, change.audit)
    if len(writes) > MAX_WRITES:
        raise StoreError(f"{len(writes)} items in one commit, where DynamoDB takes {MAX_WRITES}; do it in parts")
    return writes


def keeping(place: Place, puts: Sequence[Put], audit: Sequence[AuditEntry]) -> list[Item]:
    """The items of records and of their audit entries."""
    return [{"Put": _shelved(place, put)} for put in puts] + [{"Put": _logged(place, entry)} for entry in audit]


def refused(reasons: Sequence[str | None], change: Change) -> StoreError:
    """Why a commit was cancelled, by the reason of each of its items."""
    failed = [number for number, reason in enumerate(reasons) if reason == "ConditionalCheckFailed"]
    if failed == [1] and change.activate is not None:
        return NotFound(f"there is no release {change.activate}")
    if failed or "TransactionConflict" in reasons:
        return Conflict("somebody else committed first; read the state again")
    return StoreUnavailable(f"DynamoDB: the transaction was cancelled: {reasons}")


def _pointer(place: Place, after: Pointer) -> Item:
    fields: Item = {"version": numeric(after.version), "revision": numeric(after.revision)}
    if after.digest:  # before the first release there is none, and older DynamoDBs take no empty text
        fields["digest"] = {"S": after.digest}
    if after.canary is not None:
        fields |= {"trial_base": numeric(after.canary.base), "bake": {"B": dumped(asdict(after.canary))}}
    unmoved: Item = {"ConditionExpression": "attribute_not_exists(pk)"}
    if after.revision > 1:
        unmoved = {
            "ConditionExpression": "revision = :expected",
            "ExpressionAttributeValues": {":expected": numeric(after.revision - 1)},
        }
    return {"Put": {**place.item("STATE", "POINTER", **fields), **unmoved}}


def _shelved(place: Place, put: Put) -> Item:
    fields: Item = {"record": {"B": dumped(put.value)}}
    if put.until is not None:
        fields["ttl"] = numeric(int(put.until))
    item = place.item(put.shelf.name, put.id, **fields)
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


def _logged(place: Place, entry: AuditEntry) -> Item:
    fields: Item = {"record": {"B": dumped(asdict(entry))}}
    if entry.flag is not None:
        fields["flag"] = {"S": entry.flag}
    return place.item("AUDIT", entry.id, **fields)
