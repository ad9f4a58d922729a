"""Entries of the audit log in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.stores import AuditEntry

MAX_TEXT = 60
WORDS = {
    "flag.kill": "switched off",
    "flag.unkill": "switched on again",
    "flag.delete": "served as absent",
    "guard.advance": "guard raised the share",
    "guard.roll_back": "guard took the share back",
    "guard.done": "guard ended",
    "guard.hold": "guard waits",
    "guard.pause": "guard paused",
    "guard.resume": "guard resumed",
    "guard.approve": "guard's next step approved",
    "guard.stop": "guard stopped",
    "override.clear": "override taken back",
    "override.keep": "override kept by a deploy",
    "override.carry": "guard ended by a change in Git, at the share that it reached",
    "override.expire": "override expired",
    "override.absorb": "Git has the same now: override removed",
    "override.discard": "override removed by a deploy",
    "canary.end": "canary over: everyone has the release",
    "proposal.create": "proposed",
    "proposal.withdraw": "proposal closed",
    "release.activate": "released",
    "release.promote": "canary released to everyone",
    "release.rollback": "rolled back",
    "release.withdraw": "canary withdrawn",
    "key.create": "key created",
    "key.rotate": "key replaced",
    "key.revoke": "key revoked",
    "settings.change": "settings changed",
    "webhook.add": "webhook added",
    "webhook.disable": "webhook disabled",
    "webhook.enable": "webhook enabled",
    "webhook.remove": "webhook removed",
    "webhook.replay": "webhook's messages sent again",
    "webhook.rotate": "webhook's secret replaced",
    "webhook.test": "webhook tested",
}


class Happened(NamedTuple):
    """A change: what was done, and the values that it changed."""

    what: str
    changes: tuple[str, ...] = ()


def happened(entry: AuditEntry) -> Happened:
    """What an entry says."""
    what = WORDS.get(entry.action)
    if entry.action == "proposal.create":
        return Happened(f"proposed: {(entry.after or {}).get('title', '')}")
    changes = tuple(changed(entry.before, entry.after))
    if what is None:
        what = "created" if entry.before is None and entry.after is not None else "changed"
    return Happened(what, changes if entry.action.startswith(("flag.", "override.", "guard.")) else ())


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """The keys of a definition that differ, each with both values in short: status: on → off."""
    if before is None or after is None:
        return []
    found = []
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            if key == "rules":
                found += _rules(before.get(key) or [], after.get(key) or [])
            else:
                found.append(f"{key}: {short(before.get(key))} → {short(after.get(key))}")
    return found


def _rules(before: list[Mapping[str, Any]], after: list[Mapping[str, Any]]) -> list[str]:
    """Changes within rules of the same name; otherwise that they changed."""
    names = [[rule.get("name") for rule in rules] for rules in (before, after)]
    if names[0] != names[1] or None in names[0]:
        return ["rules changed"]
    return [
        f"{old['name']}: {key.replace('_', ' ')}: {short(old.get(key))} → {short(new.get(key))}"
        for old, new in zip(before, after, strict=True)
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    ]


def short(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
