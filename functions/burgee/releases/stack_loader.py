"""Loads a bundled release into a store, for a stack's update or its rollback."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, get_args

from burgee.errors import Refused
from burgee.evaluation.snapshots import payload
from burgee.numeric import is_number
from burgee.releases.deploy import CanaryRequest, Consent, OnConflict, apply, rollback
from burgee.stores.audit import AuditContext, AuditFilter, latest
from burgee.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.serving.bundle import Bundle
    from burgee.stores import Store


def load(
    store: Store, bundle: Bundle, properties: Mapping[str, Any], now: float, old: Mapping[str, Any] | None = None
) -> str:
    """Makes a bundle live and returns a sentence on the result. Raises Refused if consent is missing.

    With `LoadFlags` as `first-deploy` a store that has a release is left alone: `burgee apply` releases into it.
    `properties` hold consents and the canary's settings; `old` are those before an update. A release that was live
    before comes back without confirmation: its names are allowed again, and overrides are kept. A stack's rollback
    undoes only what its update did: after a refused update, the live release may be one that an operator or an alarm
    went back to.
    """
    # Templates before this property loaded the flags on every deploy.
    current, when = store.pointer(), properties.get("LoadFlags", "every-deploy")
    if when not in {"first-deploy", "every-deploy"}:
        raise Refused("invalid-property", f"LoadFlags is first-deploy or every-deploy, not {when!r}")
    if when == "first-deploy" and current.version:
        return f"nothing changed: release {current.version} is live, and LoadFlags is first-deploy"
    consent = _consent(properties)
    author, token = bundle.origin.author or "cloudformation", properties.get("ServiceToken")
    undone = (old or {}).get("ServiceToken")
    if _number(token) < _number(undone) and _activated_by(store) != undone:
        return "nothing changed: the update being rolled back had released nothing"
    digest = sha256(payload(bundle.snapshot)).hexdigest()
    if current.digest == digest:  # CloudFormation may call again; a running canary is not restarted
        consent = replace(consent, canary=None)
    former = next((one for one in store.releases(limit=100) if one.digest == digest), None)
    if former is not None and current.version and current.digest != digest:
        # A rollback is for everyone at once; a withdrawn release that is deployed again is a canary again.
        again = former.version > current.version
        act = AuditContext("release.rollback", author, "", now, source=token)
        agreed = Consent(overrides="keep", canary=consent.canary if again else None)
        rollback(store, former.version, act, agreed, absorb=again)
        return f"release {former.version} is live again"
    act = AuditContext("release.activate", author, "", now, source=token)
    made = apply(store, bundle.snapshot, bundle.origin, act, consent)
    return "nothing changed" if made.unchanged else f"release {store.state().pointer.version} is live"


def _number(token: str | None) -> int:
    """The version in a function's ARN; versions rise, so an update whose token falls is a rollback."""
    last = (token or "").rpartition(":")[2]
    return int(last) if last.isdigit() else 0


def _activated_by(store: Store) -> str | None:
    """The token of the loader that activated the live release; None if it was not a loader."""
    entry = latest(store, AuditFilter(action="release"))
    return None if entry is None else entry.source


def _consent(properties: Mapping[str, Any]) -> Consent:
    overrides = properties.get("Overrides", "refuse")
    if overrides not in get_args(OnConflict):
        raise Refused("invalid-property", f"Overrides is one of {', '.join(get_args(OnConflict))}, not {overrides!r}")
    agreed = {
        key: str(properties.get(key, "false")).lower() == "true" for key in ("AllowEmpty", "AllowShrink", "Reuse")
    }
    return Consent(
        overrides, agreed["AllowEmpty"], agreed["AllowShrink"], agreed["Reuse"], canary=_canary(properties)
    )


def _canary(properties: Mapping[str, Any]) -> CanaryRequest | None:
    try:
        share, seconds = float(properties.get("Canary", 0)), parse_duration(properties.get("Bake", "15m"))
    except (TypeError, ValueError) as error:
        raise Refused("invalid-property", f"Canary is a percentage and Bake a time: {error}") from error
    if not is_number(share):
        raise Refused("invalid-property", f"Canary is a percentage, not {share}")
    return CanaryRequest(share, seconds) if share else None
