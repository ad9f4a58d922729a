"""What a change in the audit log did to what is served: two snapshots to compare, before it and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.errors import NotFound
from burgee.evaluation.snapshots import EMPTY, load_snapshot
from burgee.releases.deploy import live
from burgee.releases.overrides import laid_over, with_flags
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.model import Definition, Snapshot
    from burgee.stores import AuditEntry, Store

_LOOKED_AT = 200
"""Entries before a release in which the release before it is looked for."""
ENDED = frozenset({"override.absorb", "override.discard"})
"""What a release does to overrides that were served until then."""
_ON_FLAGS = ("flag.", "override.", "guard.")
_ABRIDGED = {"sha256", "bytes"}


class Served(NamedTuple):
    """The flags before a change and after it, and who gets it at first, in words; empty for everyone."""

    before: Snapshot
    after: Snapshot
    first: str = ""


def served_by(store: Store, entry: AuditEntry) -> Served | None:
    """What an entry changed; None if it changed no flag, or too little of it is known any more.

    Other flags are those served now: entries are looked at soon after they are written.
    """
    if entry.action.startswith("release."):
        return _release(store, entry)
    if not entry.action.startswith(_ON_FLAGS) or entry.flag is None or entry.before == entry.after:
        return None
    if _is_abridged(entry.before) or _is_abridged(entry.after):
        return None
    now = parse_time(entry.at)
    state, snapshot = live(store)
    around = laid_over(snapshot, state.overrides.values(), now)
    return Served(with_flags(around, {entry.flag: entry.before}), with_flags(around, {entry.flag: entry.after}))


def _release(store: Store, entry: AuditEntry) -> Served | None:
    """A release, against the one before it, each with the overrides that were served."""
    former: int | None = None
    ended: dict[str, Definition | None] = {}
    with_it = True
    earlier = store.audit(limit=_LOOKED_AT, before=entry.id)
    for one in earlier:
        with_it = with_it and one.action.startswith("override.") and one.at == entry.at
        if with_it and one.flag is not None and one.action in ENDED:
            ended[one.flag] = one.before
        if one.release is not None:
            former = one.release
            break
    is_unknown = former is None and len(earlier) == _LOOKED_AT
    if entry.release is None or is_unknown or any(map(_is_abridged, ended.values())):
        return None
    try:
        old = EMPTY if not former else load_snapshot(store.payload(former))
        new = load_snapshot(store.payload(entry.release)) if entry.release else EMPTY
    except NotFound:
        return None
    now = parse_time(entry.at)
    overrides = list(store.state().overrides.values())
    before = with_flags(laid_over(old, overrides, now), ended)
    return Served(before, laid_over(new, overrides, now), _canary(entry.after))


def _canary(after: Mapping[str, Any] | None) -> str:
    if not after or "canary" not in after:
        return ""
    return f"for {after['canary']:g} % of users until {after['until']}, then for everyone"


def _is_abridged(record: Mapping[str, Any] | None) -> bool:
    """Whether long values were left out of the log."""
    return any(isinstance(value, dict) and set(value) == _ABRIDGED for value in (record or {}).values())
