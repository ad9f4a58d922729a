"""The release in a deployment package: a snapshot, and where it came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from burgee.errors import Corrupt
from burgee.evaluation.snapshots import as_snapshot, uncollected
from burgee.records import NamedTuple, asdict
from burgee.stores import Origin

if TYPE_CHECKING:
    from burgee.model import Snapshot


class Bundle(NamedTuple):
    """The release that `burgee build` puts beside the handlers."""

    snapshot: Snapshot
    origin: Origin


def dump_bundle(bundle: Bundle) -> bytes:
    """Serialises a bundle to the bytes of release.json."""
    value = {"origin": asdict(bundle.origin), "snapshot": bundle.snapshot}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def load_bundle(data: bytes) -> Bundle:
    """Parses release.json. Raises Corrupt if it is not a bundle."""
    try:
        with uncollected():
            value = json.loads(data)
        return Bundle(as_snapshot(value["snapshot"]), Origin(**value["origin"]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Corrupt(f"this is not a bundled release: {error!r}") from error
