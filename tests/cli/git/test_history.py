"""Flag files of revisions: with what they include, from any folder, and when they are not there."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from burgee.cli.git.history import NotInRevision, checkout, last_seen
from burgee.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

FILE = "version: 1\ninclude: [teams/*.yaml]\nflags: {a: {status: on}}\n"


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@x"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: a file in a folder with an include, and then without its flag b."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "config/teams").mkdir(parents=True)
    (tmp_path / "config/flags.yaml").write_text(FILE, encoding="utf-8")
    (tmp_path / "config/teams/b.yaml").write_text("version: 1\nflags:\n  b: {status: on}\n", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "config/teams/b.yaml").write_text("version: 1\nflags: {}\n", encoding="utf-8")
    git(tmp_path, "commit", "-qam", "two")
    return tmp_path


def test_a_revision_has_its_includes(repository: Path) -> None:
    flags = repository / "config/flags.yaml"
    with checkout("main^", flags) as inside:
        assert inside.read_text(encoding="utf-8") == FILE
        assert "b:" in (inside.parent / "teams/b.yaml").read_text(encoding="utf-8")
    assert not inside.exists()


def test_a_folder_that_is_gone_is_still_in_the_revision(repository: Path) -> None:
    git(repository, "rm", "-qr", "config")
    with checkout("HEAD", repository / "config/flags.yaml") as inside:
        assert inside.is_file()


def test_what_is_not_there(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(NotInRevision), checkout("main", repository / "flags.yaml"):
        pass
    for revision in ("nonsense", "--output=x", "main:config/flags.yaml"):
        with pytest.raises(Refused, match="neither a file nor a Git revision"), checkout(revision, repository / "f"):
            pass
    outside = tmp_path_factory.mktemp("outside")
    with pytest.raises(Refused, match="neither a file nor a Git revision"), checkout("main", outside / "flags.yaml"):
        pass


def test_a_name_of_the_past_is_found_in_an_include(repository: Path) -> None:
    flags = repository / "config/flags.yaml"
    assert (last_seen("b", "main", flags) or "").startswith("on 2")
    assert last_seen("c", "main", flags) is None
