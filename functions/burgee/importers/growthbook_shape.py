"""GrowthBook's JSON in any of its forms as features and saved groups by environment.

The forms: what its SDKs receive (`features` by key, `savedGroups`), and its API's lists of features, each with what
SDKs receive as `definition` of an environment, and of saved groups.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.importers.environment import NAMELESS, Documents, EnvironmentEntries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document, KeyPath


class Feature(NamedTuple):
    """A feature in one environment, as SDKs receive it (None if it is off there), with its place."""

    value: Mapping[str, Any] | None
    path: KeyPath
    about: Mapping[str, Any] = {}
    why_not: str = ""
    """Why it cannot be read, if it cannot."""


class Entries(EnvironmentEntries):
    """The features and saved groups of one environment."""

    def __init__(self, documents: Documents) -> None:
        super().__init__(documents)
        self.features: dict[str, Feature] = {}
        self.groups: dict[str, Any] = {}
        self.group_names: dict[str, str] = {}


_SHAPE = "it has no features in a form that GrowthBook's API or SDKs have"


def environments(files: Sequence[tuple[str | None, Document]]) -> dict[str, Entries]:
    """Everything in the files by environment; saved groups are of all."""
    found: dict[str, Entries] = {}
    groups: dict[str, Any] = {}
    names: dict[str, str] = {}
    documents = Documents([document for _, document in files])
    for number, (named, document) in enumerate(files):
        value = document.value
        into = found.setdefault(named or NAMELESS, Entries(documents)) if named or not found else None
        if not isinstance(value, dict):
            (into or next(iter(found.values()))).unread.append(((number,), _SHAPE))
            continue
        value = _whole(value)
        _groups(value.get("savedGroups"), groups, names)
        features = value.get("features")
        if value.get("encryptedFeatures"):
            text = "its features are encrypted: take them from an SDK connection without encryption, or from the API"
            (into or next(iter(found.values()))).unread.append(((number, "encryptedFeatures"), text))
        elif isinstance(features, dict):
            entries = into or found.setdefault(NAMELESS, Entries(documents))
            for key, feature in features.items():
                entries.features[key] = _sdk(feature, (number, "features", key))
        elif isinstance(features, list):
            if into is not None and not into.features:
                del found[named or NAMELESS]
            for index, feature in enumerate(features):
                _api(feature, (number, "features", index), named, documents, found)
            if not found:
                found[named or NAMELESS] = Entries(documents)
                found[named or NAMELESS].unread.append(((number, "features"), _SHAPE))
        elif "savedGroups" not in value:
            (into or next(iter(found.values()))).unread.append(((number,), _SHAPE))
    if len(found) > 1 and NAMELESS in found and not found[NAMELESS].features and not found[NAMELESS].unread:
        del found[NAMELESS]
    for entries in found.values():
        entries.groups, entries.group_names = groups, names
    return found


def _whole(value: dict[str, Any]) -> dict[str, Any]:
    """A payload from features alone, as code gives them to an SDK."""
    is_plain = bool(value) and all(isinstance(one, dict) and "defaultValue" in one for one in value.values())
    return {"features": value} if is_plain else value


def _sdk(feature: Any, path: KeyPath, about: Mapping[str, Any] | None = None) -> Feature:
    if not isinstance(feature, dict):
        return Feature(None, path, about or {}, "it is not a mapping")
    return Feature(feature, path, about or {})


def _groups(value: Any, groups: dict[str, Any], names: dict[str, str]) -> None:
    """Saved groups by id, as SDKs receive them; from the API as a list."""
    if isinstance(value, dict):
        groups |= value
    for one in value if isinstance(value, list) else ():
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            continue
        names[one["id"]] = str(one.get("name") or one["id"])
        if one.get("type") == "condition":
            condition = one.get("condition")
            try:
                entry = json.loads(condition) if isinstance(condition, str) else condition
            except (ValueError, RecursionError):
                entry = None
            groups[one["id"]] = {"type": "condition", "condition": entry}
        else:
            groups[one["id"]] = one.get("values") or []


def _api(feature: Any, path: KeyPath, named: str | None, documents: Documents, found: dict[str, Entries]) -> None:
    if not isinstance(feature, dict) or not isinstance(feature.get("id"), str):
        found.setdefault(named or NAMELESS, Entries(documents)).unread.append((path, _SHAPE))
        return
    for name, settings in (feature.get("environments") or {}).items():
        if named not in {None, name} or not isinstance(settings, dict):
            continue
        into = found.setdefault(name, Entries(documents))
        here = (*path, "environments", name)
        if feature.get("archived"):
            into.archived[feature["id"]] = path
        elif not settings.get("enabled"):
            into.features[feature["id"]] = Feature(None, here, feature)
        else:
            into.features[feature["id"]] = _defined(settings, here, feature)


def _defined(settings: Mapping[str, Any], path: KeyPath, feature: Mapping[str, Any]) -> Feature:
    """The feature as SDKs receive it, which the API has as JSON in a string."""
    text = settings.get("definition")
    if text is None:
        return Feature(None, path, feature, "the API's answer does not have its `definition`")
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return Feature(None, path, feature, "its `definition` is not JSON")
    return _sdk(found, path, feature)
