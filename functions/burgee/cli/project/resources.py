"""Files that ship with Burgee: beside the package in an installed wheel, at their own places in a checkout."""

from __future__ import annotations

from pathlib import Path

import burgee

PACKAGE = Path(burgee.__file__).parent
SKELETON = Path(__file__).parent / "skeleton"


def root() -> Path:
    """The folder that holds template.yaml and infra/ as this version of Burgee has them."""
    shipped = PACKAGE / "project"
    return shipped if shipped.is_dir() else PACKAGE.parents[1]


def resource(path: str) -> str:
    """A shipped file's text, by its path in the project."""
    return (root() / path).read_text(encoding="utf-8")


def skeleton(name: str) -> str:
    """The text of a file that only teams' repositories have."""
    return (SKELETON / name).read_text(encoding="utf-8")
