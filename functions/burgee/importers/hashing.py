"""Puts what shares are hashed by where it is written least: on the flag, and on the rules that differ."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Hashing(NamedTuple):
    """How one share or split chooses: the pinned hash, the salt, the attribute, and what users without it get."""

    hash: str
    salt: str
    bucket_by: str | tuple[str, ...] = "targetingKey"
    without_unit: str | None = None


def hashing_keys(
    name: str, default: Hashing | None, rules: Sequence[tuple[dict[str, Any], Hashing]]
) -> Mapping[str, Any]:
    """The keys of the flag; those that differ are set on the rules.

    The flag's keys are those of its default, or else the most frequent of its rules.
    """
    if default is None and not rules:
        return {}
    found = [hashing for _, hashing in rules]
    common = default or Counter(found).most_common(1)[0][0]
    for rule, hashing in rules:
        rule.update(_keys(hashing, common))
    return _keys(common, Hashing("", name))


def _keys(hashing: Hashing, given: Hashing) -> dict[str, Any]:
    """What differs from the keys that hold anyway."""
    differing = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in hashing._asdict().items()
        if value != getattr(given, key) and value is not None
    }
    return {key: differing[key] for key in ("bucket_by", "without_unit", "salt", "hash") if key in differing}
