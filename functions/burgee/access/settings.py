"""A project's settings of the service, kept in its store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from burgee.errors import Corrupt, Refused
from burgee.records import asdict, dataclass
from burgee.stores import Put, Shelf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.stores import Store
    from burgee.stores.audit import AuditContext

_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:\d{1,5})?|\*", re.ASCII)
_ID = "service"
MAX_ORIGINS = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """`cors_origins` are the web origins whose pages may evaluate: none by default; `*` for all."""

    cors_origins: tuple[str, ...] = ()


def settings(store: Store) -> Settings:
    """The settings of the store's tenant."""
    record = store.find(Shelf.SETTINGS, _ID)
    if record is None:
        return Settings()
    origins = record.get("cors_origins")
    if not isinstance(origins, (list, tuple)) or not all(isinstance(origin, str) for origin in origins):
        raise Corrupt("the record of the settings does not parse")
    return Settings(tuple(origins))


def wanted(cors_origins: Sequence[str]) -> Settings:
    """Validates settings. Raises Refused if one of the origins is invalid."""
    wrong = [origin for origin in cors_origins if not _ORIGIN.fullmatch(origin)]
    if wrong or len(cors_origins) > MAX_ORIGINS:
        fault = f"{wrong[0]!r} is not an origin" if wrong else f"more than {MAX_ORIGINS} origins"
        raise Refused("invalid-settings", f"{fault}: an origin looks like https://shop.example.com, without a path")
    return Settings(tuple(dict.fromkeys(cors_origins)))


def change(store: Store, cors_origins: Sequence[str], act: AuditContext) -> Settings:
    """Writes the settings. Raises Refused if one of the origins is invalid."""
    before, after = store.find(Shelf.SETTINGS, _ID), wanted(cors_origins)
    put = Put(Shelf.SETTINGS, _ID, asdict(after), before)
    store.keep([put, *act.puts], [act.entry(before=before, after=asdict(after))])
    return after
