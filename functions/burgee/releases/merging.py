"""Three definitions of one flag: what one was laid over, what it says, and what Git says by now; key by key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from burgee.model import Definition


def changed_keys(before: Definition, said: Definition) -> list[str]:
    """The keys that `said` sets, takes away or changes."""
    return [key for key in dict.fromkeys([*before, *said]) if not _same(key, before, said)]


def merge(before: Definition, said: Definition, git: Definition) -> tuple[Definition, list[str]]:
    """Git's definition with the keys that `said` changed, and the keys that both changed differently."""
    changed = changed_keys(before, said)
    clash = [key for key in changed if not _same(key, before, git) and not _same(key, said, git)]
    merged = {key: value for key, value in git.items() if key not in changed or key in said}
    return merged | {key: said[key] for key in changed if key in said}, clash


def has_caught_up(before: Definition, said: Definition, git: Definition) -> bool:
    """Whether Git says of every key that `said` changed what that says."""
    return all(_same(key, said, git) for key in changed_keys(before, said))


def _same(key: str, one: Definition, other: Definition) -> bool:
    return (key in one) == (key in other) and json.dumps(one.get(key)) == json.dumps(other.get(key))
