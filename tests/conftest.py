from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support_cli import Burgee

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def burgee(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Burgee:
    """The command line in a folder of its own, with nothing from the environment."""
    for name in ("BURGEE_ENV", "GITHUB_ACTIONS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return Burgee(tmp_path, monkeypatch, capsys)
