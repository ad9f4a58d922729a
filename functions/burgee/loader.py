"""A bundled release onto a store, as a stack's update or its rollback wants it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, get_args

from burgee.deploy import Consent, OnConflict, apply, rollback
from burgee.errors import Refused
from burgee.overrides import Act
from burgee.snapshots import payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.bundle import Bundle
    from burgee.stores import Store


def load(store: Store, bundle: Bundle, properties: Mapping[str, Any], now: float) -> str:
    """Makes a bundle live and tells what happened; Refused where that needs somebody's word.

    A release that was live before is a rollback: names come back, and overrides are kept, because a rollback that
    fails leaves a stack that nobody can update. Otherwise `properties` say what was agreed to beforehand.
    """
    author = bundle.origin.author or "cloudformation"
    digest = sha256(payload(bundle.snapshot)).hexdigest()
    current = store.pointer()
    former = next((one for one in store.releases(limit=100) if one.digest == digest), None)
    if former is not None and current.version and current.digest != digest:
        rollback(store, former.version, Act("release.rollback", author, "", now), Consent(overrides="keep"))
        return f"release {former.version} is live again"
    made = apply(
        store, bundle.snapshot, bundle.origin, Act("release.activate", author, "", now), _consent(properties)
    )
    return "nothing changed" if made.unchanged else f"release {store.state().pointer.version} is live"


def _consent(properties: Mapping[str, Any]) -> Consent:
    overrides = properties.get("Overrides", "refuse")
    if overrides not in get_args(OnConflict):
        raise Refused("invalid-property", f"Overrides is one of {', '.join(get_args(OnConflict))}, not {overrides!r}")
    agreed = {
        key: str(properties.get(key, "false")).lower() == "true" for key in ("AllowEmpty", "AllowShrink", "Reuse")
    }
    return Consent(overrides, agreed["AllowEmpty"], agreed["AllowShrink"], agreed["Reuse"])
