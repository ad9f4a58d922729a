"""Files that ship with Burgee: beside the package in a wheel, at their own paths in a checkout."""

from __future__ import annotations

from pathlib import Path

import burgee

PACKAGE = Path(burgee.__file__).parent
SKELETON = Path(__file__).parent / "skeleton"


def root() -> Path:
    """The folder with this version's template.yaml and infra/."""
    shipped = PACKAGE / "project"
    return shipped if shipped.is_dir() else PACKAGE.parents[1]


def resource(path: str) -> str:
    """A shipped file's text, by its path in the project."""
    return (root() / path).read_text(encoding="utf-8")


def skeleton(name: str) -> str:
    """The text of a file that only teams' repositories have."""
    return (SKELETON / name).read_text(encoding="utf-8")
