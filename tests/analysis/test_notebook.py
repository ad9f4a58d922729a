"""Reports in a notebook, by the notebook of the documentation."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from burgee.analysis.notebook import report
from burgee.errors import FlagFileError, Refused
from support.experiments import FILE, crowd, written
from support.notebooks import executed

if TYPE_CHECKING:
    from typing import Any

NOTEBOOK = Path(__file__).parents[2] / "docs/notebook.ipynb"


def shown(outputs: list[Any]) -> list[str]:
    """What cells print, and their values; pages are compared apart."""
    return ["".join(one.get("text") or one["data"]["text/plain"]) for one in outputs]


def test_the_notebook_shows_what_running_it_gives(tmp_path: Path) -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    stored = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    ran = executed(notebook, tmp_path)
    assert [shown(outputs) for outputs in ran] == [shown(outputs) for outputs in stored]
    (page,) = [one["data"]["text/html"] for outputs in ran for one in outputs if "text/html" in one.get("data", {})]
    inside = unescape("".join(page))
    assert inside.startswith('<iframe srcdoc="<!doctype html>')
    assert "on is better than off in bought" in inside


def test_burgees_own_records_beside_the_file_are_the_default(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text(FILE, encoding="utf-8")
    written(tmp_path / ".burgee/events", crowd(200))
    found = report("button", tmp_path / "flags.yaml", at="2026-02-01T00:00:00Z")
    assert found.to_dict()["flag"] == "button"
    assert found.evidence.units == 200
    assert report("button", tmp_path / "flags.yaml", events=str(tmp_path / ".burgee/events")).evidence.units == 200
    for keep in (tmp_path / "kept", str(tmp_path / "kept")):
        assert report("button", tmp_path / "flags.yaml", keep=keep).evidence.units == 200
        assert len(list((tmp_path / "kept").rglob("*.parquet"))) == 1
    with pytest.raises(Refused, match="there is no experiment on other; there are experiments on button"):
        report("other", tmp_path / "flags.yaml")


def test_a_file_with_errors_says_which(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text("version: 2\n", encoding="utf-8")
    with pytest.raises(FlagFileError, match="1 is needed here, not 2"):
        report("button", tmp_path / "flags.yaml")
