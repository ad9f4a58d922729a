"""LaunchDarkly's JSON in any of its forms as flags and segments by environment.

The forms: what its SDKs receive (`flags` and `segments` by key), and what its API returns (a list of flags with all
environments, one flag, or a list of the segments of one environment).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.importers.environment import NAMELESS, Documents, EnvironmentEntries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document, KeyPath

_SHAPE = "it has no flags in a form that LaunchDarkly's API or SDKs have"


class Entry(NamedTuple):
    """A flag in one environment, or a segment: as SDKs receive it, with the place of its parts."""

    value: Mapping[str, Any]
    path: KeyPath
    about: Mapping[str, Any] = {}
    """The flag as its API describes it: name, description, tags, maintainer and the like."""


class Entries(EnvironmentEntries):
    """The flags and segments of one environment."""

    def __init__(self, documents: Documents) -> None:
        super().__init__(documents)
        self.flags: dict[str, Entry] = {}
        self.segments: dict[str, Entry] = {}


def environments(files: Sequence[tuple[str | None, Document]]) -> dict[str, Entries]:
    """Everything in the files by environment; the name of a file's environment is None if it was not given.

    What an SDK receives of an environment completes the API's answer, which lacks the salts of segments.
    """
    found: dict[str, Entries] = {}
    documents = Documents([document for _, document in files])

    def entries(name: str) -> Entries:
        return found.setdefault(name, Entries(documents))

    last: list[tuple[Mapping[str, Any], KeyPath, Entries]] = []
    for number, (named, document) in enumerate(files):
        value = document.value
        base: KeyPath = (number,)
        if isinstance(value, dict) and isinstance(value.get("data"), dict):  # as a stream's `put` wraps it
            value, base = value["data"], (number, "data")
        if not isinstance(value, dict):
            entries(named or NAMELESS).unread.append((base, _SHAPE))
        elif isinstance(value.get("items"), list):
            for index, item in enumerate(value["items"]):
                _api_item(item, (*base, "items", index), named, entries)
        elif isinstance(value.get("environments"), dict) and "variations" in value:
            _api_item(value, base, named, entries)
        elif {"flags", "segments", "flagValues"} & value.keys():
            last.append((value, base, entries(named or NAMELESS)))
        else:
            entries(named or NAMELESS).unread.append((base, _SHAPE))
    for value, base, into in last:
        _sdk(value, base, into)
    return found


def _sdk(value: Mapping[str, Any], base: KeyPath, into: Entries) -> None:
    for section, target in (("flags", into.flags), ("segments", into.segments)):
        for key, entry in _keyed(value.get(section)):
            path = (*base, section, key)
            if not isinstance(entry, dict):
                into.unread.append((path, _SHAPE))
            elif not entry.get("deleted"):
                target[key] = Entry({"salt": "", **entry}, path, target[key].about if key in target else entry)
    for key, plain in _keyed(value.get("flagValues")):
        flag = {"on": True, "variations": [plain], "fallthrough": {"variation": 0}}
        into.flags[key] = Entry(flag, (*base, "flagValues", key))


def _keyed(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()


def _api_item(item: Any, path: KeyPath, named: str | None, entries: Any) -> None:
    """A flag with its environments, or a segment of the environment that its link names."""
    if not isinstance(item, dict) or not isinstance(item.get("key"), str):
        entries(named or NAMELESS).unread.append((path, _SHAPE))
        return
    key = item["key"]
    if not isinstance(item.get("variations"), list):
        into = entries(named or _environment_of(item))
        if into.segments.setdefault(key, Entry(item, path, item)).value != item:
            text = f"another file has another segment {key}: name the environment of each, as in production=FILE"
            into.unread.append((path, text))
        return
    variations = [one.get("value") if isinstance(one, dict) else None for one in item["variations"]]
    for name, settings in _keyed(item.get("environments")):
        if named not in {None, name}:
            continue
        into = entries(name)
        if item.get("archived") or (isinstance(settings, dict) and settings.get("archived")):
            into.archived[key] = path
        elif isinstance(settings, dict):
            into.flags[key] = Entry({**settings, "variations": variations}, (*path, "environments", name), item)


def _environment_of(segment: Mapping[str, Any]) -> str:
    """The environment in `/api/v2/segments/PROJECT/ENVIRONMENT/KEY`."""
    links = segment.get("_links")
    own = links.get("self") if isinstance(links, dict) else None
    steps = str(own.get("href", "") if isinstance(own, dict) else "").split("/")
    return steps[5] if len(steps) == 7 and steps[3] == "segments" else NAMELESS
