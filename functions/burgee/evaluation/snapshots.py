"""Snapshots to bytes and back, and digests of definitions. Imports nothing heavy: evaluation needs it."""

from __future__ import annotations

import gc
import json
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from burgee.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.model import Definition, Snapshot

FORMAT = 1
FORMAT_OF_RULES = 2
"""The format of a release with keys that readers of format 1 would ignore, so that they would serve others too."""
EMPTY: Snapshot = {"format": FORMAT, "environment": None, "flags": {}, "segments": {}, "holdouts": {}}
"""Before the first release."""
GUARD = "guard:"
"""Before a flag's name in a snapshot's `exposed`: units are exposed to its guard, whatever the flag answers."""


def payload(snapshot: Snapshot) -> bytes:
    """Serialises a snapshot to the bytes of a release."""
    return _json(snapshot)


def load_snapshot(data: bytes) -> Snapshot:
    """Parses a release's bytes. Raises Corrupt if they are not a snapshot."""
    try:
        with uncollected():
            snapshot = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"the release is not JSON: {error}") from error
    return as_snapshot(snapshot)


def as_snapshot(snapshot: Any) -> Snapshot:
    """Checks that a JSON value is a snapshot. Raises Corrupt otherwise."""
    if not isinstance(snapshot, dict) or snapshot.get("format") not in {FORMAT, FORMAT_OF_RULES}:
        raise Corrupt("the release is not a snapshot in a format that this version reads")
    for section in ("flags", "segments", "holdouts"):
        if not isinstance(snapshot.get(section, None if section == "flags" else {}), dict):
            raise Corrupt(f"the release's {section} are not a mapping by name")
    return snapshot


@contextmanager
def uncollected() -> Iterator[None]:
    """Pauses the cyclic garbage collector while many long-lived objects are created.

    It would scan all of them repeatedly and find nothing: half of the time at 10,000 flags.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def definition_digest(flag: Definition | None) -> str | None:
    """The digest of a definition; None if there is none.

    Order counts inside a key, as in a split; the order of the top-level keys does not, and differs where an
    environment adds one.
    """
    return None if flag is None else sha256(_json(dict(sorted(flag.items())))).hexdigest()


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass")
