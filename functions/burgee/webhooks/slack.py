"""A message for a Slack channel: what changed, who is affected, by which author and why, with links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLES = {
    "flag.create": "created",
    "flag.update": "changed",
    "flag.delete": "deleted",
    "flag.kill": "killed",
    "flag.unkill": "no longer killed",
    "override.set": "overridden",
    "override.clear": "override cleared",
    "override.absorb": "override ended: Git has it now",
    "override.discard": "override ended by a deploy",
    "override.expire": "override expired",
    "override.keep": "override kept although Git has changed",
    "override.carry": "guard ended by a change in Git, at the share that it reached",
    "proposal.create": "change proposed",
    "proposal.withdraw": "proposal closed",
}
"""What happened to a flag, by action."""
MAX_SECTION = 2_900
"""Slack takes 3,000 characters in a section."""


def slack_message(message: Mapping[str, Any], link: str | None) -> dict[str, Any]:
    """The blocks of a message, and the notification's text; `link` is the address of a console."""
    data = message["data"]
    title = _title(message)
    where = f"{data['project']} / {data['environment']}"
    effect = data["effect"]
    who = "\n".join(f"• {line}" for line in effect) if effect else _without_effect(message["type"])
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:150], "emoji": False}},
        _section(f"*Who is affected*\n{_escaped(who)}"),
        _section(f"*Why*\n{_escaped(data['reason'] or 'no reason given')}"),
        {
            "type": "context",
            "elements": [_text(f"by {_escaped(data['author'])} in {_escaped(where)} at {message['timestamp']}")],
        },
    ]
    links = _links(data, link)
    if links:
        blocks.append({"type": "context", "elements": [_text(" · ".join(links))]})
    return {"text": f"{title} ({where})"[:MAX_SECTION], "blocks": blocks}


def _title(message: Mapping[str, Any]) -> str:
    data, action = message["data"], message["type"]
    if data["flag"] is not None:
        return f"{data['flag']}: {TITLES.get(action, action)}"
    if action.startswith("release."):
        return f"Release {data['release']}: {action.partition('.')[2]}"
    return str(action)


def _without_effect(action: str) -> str:
    return "nobody" if action.startswith(("key.", "settings.", "proposal.", "webhook.")) else "not computed"


def _links(data: Mapping[str, Any], link: str | None) -> list[str]:
    if link is None:
        return []
    flag = data["flag"]
    found = [] if flag is None else [f"<{link}/flags/{quote(flag, safe='')}|Flag>"]
    return [*found, f"<{link}/changes|Changes>"]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text[:MAX_SECTION], "verbatim": True}


def _escaped(text: str) -> str:
    """As Slack documents it, so that a reason can neither link nor mention anyone."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
