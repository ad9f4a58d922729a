"""The text files below a path: those tracked by Git, or else all except generated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.cli.git.run import git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 1_000_000
MADE = {"node_modules", "__pycache__", "dist", "build", "target", "venv"}


def contents(path: Path) -> Iterator[tuple[Path, str]]:
    """Files in name order, with their contents; large and binary ones are skipped."""
    for file in [path] if path.is_file() else sorted(_followed(path) or _walked(path)):
        if not file.is_file() or file.is_symlink() or file.stat().st_size > MAX_BYTES:
            continue
        data = file.read_bytes()
        if b"\0" in data:
            continue
        try:
            yield file, data.decode("utf-8")
        except UnicodeDecodeError:
            continue


def _followed(path: Path) -> list[Path]:
    ran = git(path, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [path / name.decode(errors="surrogateescape") for name in ran.stdout.split(b"\0") if name]


def _walked(path: Path) -> list[Path]:
    found = []
    for file in path.rglob("*"):
        folders = file.relative_to(path).parts[:-1]
        if not any(folder in MADE or folder.startswith(".") for folder in folders):
            found.append(file)
    return found
