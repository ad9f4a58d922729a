"""Where records go: a protocol of one method, and an implementation in memory beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.events import Record


class Sink(Protocol):
    """Takes records for good."""

    def write(self, records: Sequence[Record]) -> None:
        """Returns when every record is safe, or SinkUnavailable: then any of them may have been taken or not.

        Records may come twice, with one `event_id`: whoever reads counts them once.
        """
        ...


class MemorySink:
    """Keeps records in a list."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        """See Sink."""
        self.records.extend(records)
