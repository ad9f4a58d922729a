"""Where records go: a protocol of one method, and an implementation in memory beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.events.records import Record


class RecordSink(Protocol):
    """Stores records durably."""

    def write(self, records: Sequence[Record]) -> None:
        """Returns when every record is stored. After SinkUnavailable, any of them may have been stored or not.

        Records may arrive twice with one `event_id`: readers count them once.
        """
        ...


class MemorySink:
    """Keeps records in a list."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        """See Sink."""
        self.records.extend(records)


def packed(parts: Sequence[bytes], size: int, count: int) -> list[list[bytes]]:
    """Groups of parts, each within a limit of bytes (unless one part alone exceeds it) and of parts."""
    groups: list[list[bytes]] = []
    total = 0
    for part in parts:
        if not groups or total + len(part) > size or len(groups[-1]) == count:
            groups.append([])
            total = 0
        groups[-1].append(part)
        total += len(part)
    return groups
