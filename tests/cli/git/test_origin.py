"""The name of the author that the audit log and proposals have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.cli.git.origin import whoami

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_name_that_is_not_utf_8_can_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "caf\udce9")
    assert whoami(tmp_path) == "caf?"
