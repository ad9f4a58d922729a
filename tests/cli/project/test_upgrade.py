"""`burgee upgrade` merges three ways: what was generated, what stands, and what this version generates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.cli.project import generated, resources
from burgee.cli.project.writing import three_way

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

TEMPLATE = "template.yaml"


def newer(monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> None:
    """From now on the shipped template says `after` where it said `before`."""

    def resource(path: str) -> str:
        text = resources.resource(path)
        if path == TEMPLATE:
            assert before in text
            return text.replace(before, after)
        return text

    monkeypatch.setattr(generated, "resource", resource)


def edit(folder: Path, before: str, after: str) -> None:
    path = folder / TEMPLATE
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def repository(burgee: Burgee) -> Path:
    assert burgee("init", "--no-ci").code == 0
    return burgee.folder


def test_where_nothing_is_newer_it_changes_nothing(burgee: Burgee, repository: Path) -> None:
    edit(repository, "Default: 10\n", "Default: 20\n")
    text = (repository / TEMPLATE).read_text(encoding="utf-8")
    assert burgee("upgrade", "--check").code == 0
    assert burgee("upgrade").code == 0
    assert (repository / TEMPLATE).read_text(encoding="utf-8") == text


def test_the_newer_text_comes_and_edits_stay(
    burgee: Burgee, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(repository, "MemorySize: 1024", "MemorySize: 2048")
    newer(monkeypatch, "Timeout: 10\n", "Timeout: 15\n")
    checked = burgee("upgrade", "--check")
    assert (checked.code, "+    Timeout: 15" in checked.out) == (1, True)
    assert "Timeout: 10\n" in (repository / TEMPLATE).read_text(encoding="utf-8"), "--check writes nothing"
    assert burgee("upgrade").code == 0
    text = (repository / TEMPLATE).read_text(encoding="utf-8")
    assert "MemorySize: 2048" in text
    assert "Timeout: 15\n" in text
    assert burgee("upgrade", "--check").code == 0, "a second time there is nothing to do"


def test_the_same_lines_changed_by_both_are_a_conflict_and_nothing_is_lost(
    burgee: Burgee, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(repository, "MemorySize: 1024", "MemorySize: 2048")
    before = (repository / TEMPLATE).read_text(encoding="utf-8")
    newer(monkeypatch, "MemorySize: 1024", "MemorySize: 512")
    done = burgee("upgrade")
    assert done.code == 1
    assert "you and this version changed the same lines" in done.err
    assert (repository / TEMPLATE).read_text(encoding="utf-8") == before
    merge = (repository / f"{TEMPLATE}.conflict").read_text(encoding="utf-8")
    assert "<<<<<<< yours" in merge
    assert "MemorySize: 2048" in merge
    assert "MemorySize: 512" in merge


def test_without_a_trace_of_what_was_generated_it_shows_and_leaves(
    burgee: Burgee, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "infra/.generated" / TEMPLATE).unlink()
    edit(repository, "MemorySize: 1024", "MemorySize: 2048")
    before = (repository / TEMPLATE).read_text(encoding="utf-8")
    newer(monkeypatch, "Timeout: 10\n", "Timeout: 15\n")
    done = burgee("upgrade")
    assert (done.code, "already exists and differs" in done.err) == (1, True)
    assert (repository / TEMPLATE).read_text(encoding="utf-8") == before


def test_merging_is_gits() -> None:
    assert three_way("a\nB\nc\n", "a\nb\nc\n", "a\nb\nc\nd\n") == ("a\nB\nc\nd\n", False)
    assert three_way("B\n", "b\n", "x\n")[1]
