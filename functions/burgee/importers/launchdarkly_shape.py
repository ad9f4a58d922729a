"""LaunchDarkly's JSON in any of its forms as flags and segments by environment.

The forms: what its SDKs receive (`flags` and `segments` by key), and what its API returns (a list of flags with all
environments, one flag, or a list of the segments of one environment).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document, KeyPath

NAMELESS = ""
"""The environment of a file that does not name one."""


class Entry(NamedTuple):
    """A flag in one environment, or a segment: as SDKs receive it, with the place of its parts."""

    value: Mapping[str, Any]
    path: KeyPath
    about: Mapping[str, Any] = {}
    """The flag as its API describes it: name, description, tags, maintainer and the like."""


class EnvironmentEntries:
    """The flags and segments of one environment, and other parts of the file that decide nothing."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.flags: dict[str, Entry] = {}
        self.segments: dict[str, Entry] = {}
        self.archived: dict[str, KeyPath] = {}
        self.unread: list[KeyPath] = []


def environments(files: Sequence[tuple[str | None, Document]]) -> dict[str, EnvironmentEntries]:
    """Everything in the files by environment; the name of a file's environment is None if it was not given."""
    found: dict[str, EnvironmentEntries] = {}

    def entries(name: str, document: Document) -> EnvironmentEntries:
        return found.setdefault(name, EnvironmentEntries(document))

    for named, document in files:
        value = document.value
        base: KeyPath = ()
        if isinstance(value, dict) and isinstance(value.get("data"), dict):  # as a stream's `put` wraps it
            value, base = value["data"], ("data",)
        if not isinstance(value, dict):
            entries(named or NAMELESS, document).unread.append(())
        elif isinstance(value.get("items"), list):
            for index, item in enumerate(value["items"]):
                _api_item(item, ("items", index), named, lambda name, document=document: entries(name, document))
        elif isinstance(value.get("environments"), dict) and "variations" in value:
            _api_item(value, (), named, lambda name, document=document: entries(name, document))
        elif {"flags", "segments", "flagValues"} & value.keys():
            _sdk(value, base, entries(named or NAMELESS, document))
        else:
            entries(named or NAMELESS, document).unread.append(())
    return found


def _sdk(value: Mapping[str, Any], base: KeyPath, into: EnvironmentEntries) -> None:
    for section, target in (("flags", into.flags), ("segments", into.segments)):
        for key, entry in _keyed(value.get(section)):
            path = (*base, section, key)
            if not isinstance(entry, dict):
                into.unread.append(path)
            elif not entry.get("deleted"):
                target[key] = Entry({"salt": "", **entry}, path, entry)
    for key, plain in _keyed(value.get("flagValues")):
        flag = {"on": True, "variations": [plain], "fallthrough": {"variation": 0}}
        into.flags[key] = Entry(flag, (*base, "flagValues", key))


def _keyed(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()


def _api_item(item: Any, path: KeyPath, named: str | None, entries: Any) -> None:
    """A flag with its environments, or a segment of the environment that its link names."""
    if not isinstance(item, dict) or not isinstance(item.get("key"), str):
        entries(named or NAMELESS).unread.append(path)
        return
    key = item["key"]
    if not isinstance(item.get("variations"), list):
        entries(named or _environment_of(item)).segments[key] = Entry(item, path, item)
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
