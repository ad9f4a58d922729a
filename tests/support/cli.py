"""Runs `burgee` in process, as a user would see it."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import typer.main

from burgee.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# A process builds the tree of its commands once. One that runs hundreds of commands spends half its time on that.
typer.main.get_command = cache(typer.main.get_command)


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its answer, read as JSON."""
        return json.loads(self.out)


class Burgee:
    """The command, and the folder that it runs in."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def write(self, text: str, name: str = "flags.yaml") -> Path:
        """Puts a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def __call__(self, *arguments: str) -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["burgee", *arguments])
        self._capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)
