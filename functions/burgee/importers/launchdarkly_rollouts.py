"""What LaunchDarkly's rules and fallthroughs serve: a variation, a rollout, or an experiment."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.importers.base import NoEquivalent
from burgee.importers.hashing import Hashing
from burgee.importers.launchdarkly_clauses import attribute_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.flagfile.yaml_reader import KeyPath

WHOLE = 100_000
"""LaunchDarkly's weights are thousandths of a per cent."""
HASH = "launchdarkly"
ADD_SDK_FILE = "add the file that an SDK of the environment receives, as ENV=FILE"


class Served(NamedTuple):
    """What a rule or the fallthrough serves: its keys, how they are hashed, and what those in no arm get."""

    keys: dict[str, Any]
    hashing: Hashing | None = None
    others: str | None = None
    is_experiment: bool = False


class Variations:
    """A flag's variations by their numbers in LaunchDarkly, and rollouts over them."""

    def __init__(self, key: str, names: Sequence[str], salt: str | None) -> None:
        self.key, self.names, self.salt = key, names, salt

    def name(self, index: Any, path: KeyPath) -> str:
        """The name of a variation by its number."""
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.names):
            raise NoEquivalent(f"it serves variation {index!r}, which it does not have", path)
        return self.names[index]

    def served(self, found: Any, path: KeyPath) -> Served:
        """What a rule or the fallthrough serves, and how a rollout is hashed."""
        found = found if isinstance(found, dict) else {}
        if found.get("variation") is not None:
            return Served({"serve": self.name(found["variation"], path)})
        rollout = found.get("rollout")
        weights = rollout.get("variations") if isinstance(rollout, dict) else None
        if not isinstance(rollout, dict) or not isinstance(weights, list) or not weights:
            raise NoEquivalent("it serves neither a variation nor a rollout", path)
        here = (*path, "rollout")
        arms = self._arms(rollout, here)
        names = [name for name, _ in arms]
        if len(arms) == 1:
            return Served({"serve": names[0]})
        first = names[0]  # what contexts without the attribute get
        hashing = Hashing(HASH, self._salt(rollout, here), _bucket_by(rollout, here), first)
        is_experiment = _is_experiment(rollout)
        if len(set(names)) == len(names):
            split = {name: percent(weight) for name, weight in arms}
            return Served({"split": split}, hashing, is_experiment=is_experiment)
        ranges, others = _ranges(arms, here)
        return Served({"ranges": ranges}, hashing, others, is_experiment)

    def _arms(self, rollout: Mapping[str, Any], path: KeyPath) -> list[tuple[str, int]]:
        """The weights, adjacent ones of a variant as one: the last takes the rest, nothing is beyond the whole."""
        arms: list[tuple[str, int]] = []
        left = WHOLE
        for one in rollout["variations"]:
            weight = one.get("weight") if isinstance(one, dict) else None
            if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
                raise NoEquivalent("a weight that is not a whole number has no equivalent", path)
            arms.append((self.name(one.get("variation"), path), min(weight, left)))
            left -= arms[-1][1]
        arms[-1] = (arms[-1][0], arms[-1][1] + left)
        joined: list[tuple[str, int]] = []
        for name, weight in arms:
            if weight and joined and joined[-1][0] == name:
                joined[-1] = (name, joined[-1][1] + weight)
            elif weight:
                joined.append((name, weight))
        return joined

    def _salt(self, rollout: Mapping[str, Any], path: KeyPath) -> str:
        seed = rollout.get("seed")
        if seed is None and (rollout.get("experimentAllocation") or self.salt is None):
            raise NoEquivalent(f"the file does not have the salt of its rollout: {ADD_SDK_FILE}", path)
        return f"{self.key}.{self.salt}" if seed is None else str(seed)


def _ranges(arms: Sequence[tuple[str, int]], path: KeyPath) -> tuple[dict[str, list[float]], str]:
    """The arms' places if one variant has two shares, as in an experiment on a part of the users.

    The last of the two is left to the others: those who are in no arm get that variant.
    """
    counts = Counter(name for name, _ in arms)
    (others, count), *more = counts.most_common(2)
    if count > 2 or (more and more[0][1] > 1):
        raise NoEquivalent(f"{others!r} has several shares that are not adjacent", path)
    left = max(index for index, (name, _) in enumerate(arms) if name == others)
    ranges: dict[str, list[float]] = {}
    start = 0
    for index, (name, weight) in enumerate(arms):
        if index != left:
            ranges[name] = [percent(start), percent(start + weight)]
        start += weight
    return ranges, others


def _bucket_by(rollout: Mapping[str, Any], path: KeyPath) -> str:
    """The attribute that is bucketed: in an experiment always the key."""
    reference = None if _is_experiment(rollout) else rollout.get("bucketBy")
    return attribute_path(reference or "key", rollout.get("contextKind"), path)


def _is_experiment(rollout: Mapping[str, Any]) -> bool:
    return rollout.get("kind") == "experiment" or bool(rollout.get("experimentAllocation"))


def percent(weight: int) -> float:
    """A weight in percent, as a whole number where it is one."""
    return weight // 1000 if weight % 1000 == 0 else weight / 1000
