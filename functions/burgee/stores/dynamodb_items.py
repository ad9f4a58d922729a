"""Converts DynamoDB items to records and back: pure values, without AWS's client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.model import Override
from burgee.records import NamedTuple
from burgee.stores import Canary, Origin, Pointer, Release, State, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Item: TypeAlias = "dict[str, Any]"


class Keyspace(NamedTuple):
    """A tenant's items: their table, and the prefix of their partition keys."""

    table: str
    prefix: str

    @classmethod
    def of(cls, table: str, tenant: Tenant) -> Keyspace:
        """A tenant's keyspace in a table."""
        return cls(table, "#".join(_escaped(part) for part in (tenant.project, tenant.environment)))

    def partition(self, name: str) -> str:
        """A partition's key."""
        return f"{self.prefix}#{name}"

    def key(self, partition: str, sort: str) -> Item:
        """The key of an item in a request."""
        return {"TableName": self.table, "Key": {"pk": {"S": self.partition(partition)}, "sk": {"S": sort}}}

    def item(self, partition: str, sort: str, **fields: Item) -> Item:
        """The request that writes an item."""
        return {"TableName": self.table, "Item": {**self.key(partition, sort)["Key"], **fields}}


def is_whole(items: Mapping[str, Item]) -> bool:
    """Whether a query saw a consistent state: nothing newer than the pointer, and all items of its commit."""
    revision = as_pointer(items.get("POINTER")).revision
    if any(int(item["revision"]["N"]) > revision for item in items.values()):
        return False
    commit = items.get("COMMIT")
    if commit is None:
        return revision == 0
    if int(commit["revision"]["N"]) != revision:
        return False
    touched = json.loads(commit["touched"]["B"])
    laid = [items.get(f"OVERRIDE#{flag}") for flag in touched["laid"]]
    lifted = [items.get(f"OVERRIDE#{flag}") for flag in touched["lifted"] if flag not in touched["laid"]]
    # A tombstone may have expired since; an override that was set must be there.
    written = laid + [item for item in lifted if item is not None]
    return all(item is not None and int(item["revision"]["N"]) == revision for item in written)


def as_state(items: Mapping[str, Item], definition: Callable[[str, int], Any]) -> State:
    """All items of a state as one value; `definition` loads one stored apart, by its digest and number of chunks."""
    pointer = as_pointer(items.get("POINTER"))
    laid = [items[sort] for sort in sorted(items) if sort.startswith("OVERRIDE#") and "gone" not in items[sort]]
    overrides = [_override(item, definition) for item in laid]
    settled: Item = json.loads(items["SETTLED"]["record"]["B"]) if "SETTLED" in items else {"version": None}
    return State(
        pointer,
        {override.flag: override for override in overrides},
        retired(items),
        settled["flags"] if settled["version"] == pointer.version else {},
    )


def retired(items: Mapping[str, Item]) -> dict[str, str]:
    """The retired names, spread over several items if they do not fit into one."""
    names: dict[str, str] = {}
    for sort, item in items.items():
        if sort == "RETIRED" or sort.startswith("RETIRED#"):
            names |= json.loads(item["record"]["B"])
    return names


def _override(item: Item, definition: Callable[[str, int], Any]) -> Override:
    record = json.loads(item["record"]["B"])
    if "definition" in item:
        record["definition"] = definition(item["definition"]["S"], int(item["chunks"]["N"]))
    return Override(**record)


def as_pointer(item: Item | None) -> Pointer:
    """The pointer, absent before the first commit."""
    if item is None:
        return Pointer()
    canary = loaded(Canary, item["bake"]["B"]) if "bake" in item else None
    digest = item["digest"]["S"] if "digest" in item else ""
    return Pointer(int(item["version"]["N"]), digest, int(item["revision"]["N"]), canary)


def as_release(item: Item) -> Release:
    """A release's record."""
    record = json.loads(item["record"]["B"])
    return Release(**{**record, "origin": Origin(**record["origin"])})


def _escaped(part: str) -> str:
    """Escapes a part of a key, so that it cannot be read as two parts."""
    return part.replace("%", "%25").replace("#", "%23")


def numeric(value: int) -> dict[str, str]:
    """A number as an attribute."""
    return {"N": str(value)}


def dumped(record: Any) -> bytes:
    """A record as the bytes of an attribute."""
    return json.dumps(record, separators=(",", ":")).encode()


def loaded(kind: Any, record: bytes) -> Any:
    """The record in an attribute's bytes."""
    return kind(**json.loads(record))
