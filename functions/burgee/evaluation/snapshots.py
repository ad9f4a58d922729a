"""Snapshots as bytes and back, and the digests that tell them apart. Imports nothing heavy: evaluators need it."""

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
EMPTY: Snapshot = {"format": FORMAT, "environment": None, "flags": {}, "segments": {}, "holdouts": {}}
"""Before the first release."""


def payload(snapshot: Snapshot) -> bytes:
    """A snapshot as the bytes that a release holds."""
    return _json(snapshot)


def load_snapshot(data: bytes) -> Snapshot:
    """A release's bytes as a snapshot; Corrupt if they are none."""
    try:
        with uncollected():
            snapshot = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"the release is not JSON: {error}") from error
    return as_snapshot(snapshot)


def as_snapshot(snapshot: Any) -> Snapshot:
    """A JSON value as a snapshot; Corrupt if it is none."""
    if not isinstance(snapshot, dict) or snapshot.get("format") != FORMAT:
        raise Corrupt("the release is not a snapshot of a format that this version reads")
    for section in ("flags", "segments", "holdouts"):
        if not isinstance(snapshot.get(section, None if section == "flags" else {}), dict):
            raise Corrupt(f"the release's {section} are not a mapping by name")
    return snapshot


@contextmanager
def uncollected() -> Iterator[None]:
    """Pauses the collector of cyclic garbage where many objects are made to stay.

    It would go through all of them again and again, and find nothing: half of the time at 10,000 flags.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def definition_digest(flag: Definition | None) -> str | None:
    """What tells one definition from another, None for none.

    Inside a key order counts, as it does in a split; that of the keys themselves means nothing, and differs
    where an environment adds one.
    """
    return None if flag is None else sha256(_json(dict(sorted(flag.items())))).hexdigest()


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass")
