"""Unleash's JSON in any of its forms as features and segments by environment.

The forms: what its clients receive (`features` with strategies, `segments`), and its exports (`featureStrategies` and
`featureEnvironments` beside the features).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.importers.environment import NAMELESS, Documents, EnvironmentEntries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document, KeyPath

_SHAPE = "it has no features in a form that Unleash's clients or exports have"


class Feature(NamedTuple):
    """A feature in one environment, as clients receive it, with its place."""

    value: Mapping[str, Any]
    path: KeyPath
    tags: Sequence[str] = ()


class Entries(EnvironmentEntries):
    """The features and segments of one environment."""

    def __init__(self, documents: Documents) -> None:
        super().__init__(documents)
        self.features: dict[str, Feature] = {}
        self.segments: dict[Any, tuple[Mapping[str, Any], KeyPath]] = {}


_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
"""An id that sorts by the time at which it was made; earlier versions have random ones."""


def environments(files: Sequence[tuple[str | None, Document]]) -> dict[str, Entries]:
    """Everything in the files by environment."""
    found: dict[str, Entries] = {}
    documents = Documents([document for _, document in files])
    for number, (named, document) in enumerate(files):
        value = document.value
        if not isinstance(value, dict) or not isinstance(value.get("features"), list):
            found.setdefault(named or NAMELESS, Entries(documents)).unread.append(((number,), _SHAPE))
        elif isinstance(value.get("featureStrategies"), list):
            _export(value, number, named, documents, found)
        else:
            into = found.setdefault(named or NAMELESS, Entries(documents))
            _segments(value, number, into)
            for feature, path in _listed(value, number, into):
                into.features[feature["name"]] = Feature(feature, path)
    return found


def _export(
    value: Mapping[str, Any], number: int, named: str | None, documents: Documents, found: dict[str, Entries]
) -> None:
    """An export: of one environment since Unleash 4.22, of all before."""
    parts = [one for key in ("featureEnvironments", "featureStrategies") for one in value.get(key) or ()]
    names = dict.fromkeys(one["environment"] for one in parts if isinstance(one, dict) and one.get("environment"))
    chosen = [name for name in names if named in {None, name}] or [named or NAMELESS]
    for environment in chosen:
        into = found.setdefault(environment, Entries(documents))
        _segments(value, number, into)
        for feature, path in _listed(value, number, into):
            name = feature["name"]
            if feature.get("archived"):
                into.archived[name] = path
                continue
            settings = next(_of(value, "featureEnvironments", name, environment), {})
            everything = sorted(_of(value, "featureStrategies", name, environment), key=_order)
            strategies = [one for one in everything if not one.get("disabled")]
            if everything and not strategies:  # Unleash: a feature whose strategies are all disabled is off
                settings = {**settings, "enabled": False}
            whole = {
                **feature,
                "enabled": settings.get("enabled", feature.get("enabled")),
                "variants": settings.get("variants") or feature.get("variants"),
                "strategies": [_strategy(one, value) for one in strategies],
                "dependencies": _dependencies(value, feature),
            }
            tags = [
                f"{kind}:{text}" if (kind := one.get("tagType") or "simple") != "simple" else str(text)
                for one in _of(value, "featureTags", name, None)
                if (text := one.get("tagValue") or one.get("value"))
            ]
            into.features[name] = Feature(whole, path, tags)


def _of(value: Mapping[str, Any], key: str, feature: str, environment: str | None) -> Iterator[Mapping[str, Any]]:
    """The entries of a list that belong to a feature in an environment."""
    for one in value.get(key) or ():
        if not isinstance(one, dict) or one.get("featureName", one.get("feature")) != feature:
            continue
        if environment in {None, NAMELESS, one.get("environment", environment)}:
            yield one


def _order(strategy: Mapping[str, Any]) -> tuple[float, str]:
    """An export lists strategies in any order; those that nobody has moved are in that in which they were made."""
    order, made = strategy.get("sortOrder"), str(strategy.get("id"))
    return float(order) if isinstance(order, (int, float)) else 9999.0, made if _ULID.fullmatch(made) else ""


def _strategy(strategy: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    used = [
        one.get("segmentId")
        for one in value.get("featureStrategySegments") or ()
        if isinstance(one, dict) and one.get("featureStrategyId") == strategy.get("id")
    ]
    return {
        **strategy,
        "name": strategy.get("name") or strategy.get("strategyName"),
        "segments": strategy.get("segments") or used,
    }


def _dependencies(value: Mapping[str, Any], feature: Mapping[str, Any]) -> list[Any]:
    """The dependencies of a feature: by feature in a list of their own, or at the feature."""
    for one in value.get("dependencies") or ():
        if isinstance(one, dict) and one.get("feature") == feature["name"]:
            return list(one.get("dependencies") or ())
    return list(feature.get("dependencies") or ())


def _segments(value: Mapping[str, Any], number: int, into: Entries) -> None:
    found = value.get("segments")
    for index, segment in enumerate(found if isinstance(found, list) else ()):
        if isinstance(segment, dict) and isinstance(segment.get("id"), (int, str)):
            into.segments[segment["id"]] = (segment, (number, "segments", index))


def _listed(value: Mapping[str, Any], number: int, into: Entries) -> Iterator[tuple[dict[str, Any], KeyPath]]:
    for index, one in enumerate(value["features"]):
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one, (number, "features", index)
        else:
            into.unread.append(((number, "features", index), _SHAPE))
