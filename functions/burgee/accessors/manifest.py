"""The flag manifest of the OpenFeature CLI: types and defaults of flags, for its generators.

Two forms: the file that the CLI generates from, and the answer that `openfeature pull` reads. A manifest requires a
default, so a flag that serves nothing while it is off is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.accessors.flag_types import Typed, Untyped, flag_type
from burgee.accessors.literals import any_comment
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.accessors.flag_types import FlagType
    from burgee.model import Definition

SCHEMA = "https://raw.githubusercontent.com/open-feature/cli/refs/heads/main/schema/v0/flag-manifest.json"


class ManifestFlag(NamedTuple):
    """An entry of a manifest."""

    name: str
    type: FlagType
    default: Any
    description: str | None


class Manifest(NamedTuple):
    """The flags of a manifest, in the file's order, and those left out, each with the reason."""

    flags: list[ManifestFlag]
    left_out: list[Untyped]

    def file(self) -> dict[str, Any]:
        """As the CLI keeps it in a file."""
        return {"$schema": SCHEMA, "flags": {one.name: _entry(one, "flagType") for one in self.flags}}

    def answer(self) -> dict[str, Any]:
        """As the CLI pulls it from a service."""
        return {"flags": [{"key": one.name, **_entry(one, "type")} for one in self.flags]}


def manifest(flags: Mapping[str, Definition]) -> Manifest:
    """The manifest of flags by name."""
    found: list[ManifestFlag] = []
    left_out: list[Untyped] = []
    for name, definition in flags.items():
        made = flag_type(name, [definition])
        if isinstance(made, Typed) and made.default is not None:
            found.append(ManifestFlag(name, made.type, made.default, made.description))
        else:
            left_out.append(made if isinstance(made, Untyped) else Untyped(name, "it has no `off_variant`"))
    return Manifest(found, left_out)


def _entry(flag: ManifestFlag, type_key: str) -> dict[str, Any]:
    """`openfeature pull` writes an empty description where there is none, so the file has one too."""
    about = any_comment(flag.description or "")
    return {type_key: str(flag.type), "defaultValue": flag.default, "description": about}
