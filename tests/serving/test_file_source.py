"""A flag file that is followed: no save is missed, whenever it comes and whatever it keeps of the file."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Corrupt, StoreUnavailable
from burgee.flagfile import source as source_module
from burgee.flagfile.compile import compile_file
from burgee.flagfile.source import Source
from burgee.flagfile.yaml_reader import MAX_BYTES, Document
from burgee.serving.bundle import Bundle, dump_bundle
from burgee.serving.file_source import FileSource, FileWatch
from burgee.stores import Origin

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.serving.serving import Served

ON, OFF = "version: 1\nflags: {f: {status: on}} \n", "version: 1\nflags: {f: {status: off}}\n"


def enabled(served: Served | None, flag: str = "f") -> Any:
    assert served is not None
    return served.ruleset.evaluate(flag, {}, 0).value


def save_while_reading(monkeypatch: pytest.MonkeyPatch, path: Path, text: str) -> None:
    """Saves `text` once, after the file was read and before it is parsed."""

    def parse(file: str, data: bytes) -> Document:
        monkeypatch.setattr(source_module, "Document", Document)
        path.write_text(text, encoding="utf-8")
        return Document(file, data)

    monkeypatch.setattr(source_module, "Document", parse)


def test_a_save_during_a_reading_is_read_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(OFF, encoding="utf-8")
    source = FileSource(path)
    save_while_reading(monkeypatch, path, ON)
    assert enabled(source.poll()) is False
    assert enabled(source.poll()) is True
    assert source.poll() is None


def test_a_save_of_an_include_that_was_just_named_is_read_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, team = tmp_path / "flags.yaml", tmp_path / "team.yaml"
    path.write_text("version: 1\n", encoding="utf-8")
    source = FileSource(path)
    source.poll()
    team.write_text(OFF, encoding="utf-8")
    path.write_text("version: 1\ninclude: [team.yaml]\n", encoding="utf-8")

    def parse(file: str, data: bytes) -> Document:
        if file == str(team):
            monkeypatch.setattr(source_module, "Document", Document)
            team.write_text(ON, encoding="utf-8")
        return Document(file, data)

    monkeypatch.setattr(source_module, "Document", parse)
    assert enabled(source.poll()) is False
    assert enabled(source.poll()) is True


@pytest.mark.parametrize("broken", ["version: 1\nflags: {g: {status: perhaps}}\n", "version: 1\nflags: {g: {", None])
def test_an_include_that_was_broken_when_first_named_is_followed(tmp_path: Path, broken: str | None) -> None:
    path, team = tmp_path / "flags.yaml", tmp_path / "team.yaml"
    path.write_text(ON, encoding="utf-8")
    source = FileSource(path)
    source.poll()
    if broken is not None:
        team.write_text(broken, encoding="utf-8")
    path.write_text("version: 1\ninclude: [team.yaml]\nflags: {f: {status: on}}\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(Corrupt, match=r"(team|flags)\.yaml:"):
            source.poll()
    team.write_text("version: 1\nflags: {g: {status: on}}\n", encoding="utf-8")
    assert enabled(source.poll(), "g") is True
    assert source.poll() is None


def test_a_file_of_the_same_size_and_times_is_seen_to_differ(tmp_path: Path) -> None:
    path, other = tmp_path / "flags.yaml", tmp_path / "other.yaml"
    path.write_text(ON, encoding="utf-8")
    other.write_text(OFF, encoding="utf-8")
    for file in (path, other):
        os.utime(file, ns=(10**18, 10**18))
    source = FileSource(path)
    assert enabled(source.poll()) is True
    shutil.copy2(other, path)
    assert path.stat().st_size == len(ON)
    assert path.stat().st_mtime_ns == 10**18
    assert enabled(source.poll()) is False
    replaced = path.read_text(encoding="utf-8").replace("off", "on ")
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, replaced.encode())
    os.close(descriptor)
    os.utime(path, ns=(10**18, 10**18))
    assert enabled(source.poll()) is True


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_bundled_release_that_is_replaced_is_read_again(tmp_path: Path, keep_times: bool) -> None:
    path = tmp_path / "release.json"

    def bundle(commit: str) -> None:
        path.write_bytes(dump_bundle(Bundle(compile_file(flags), Origin(commit))))
        if keep_times:
            os.utime(path, ns=(10**18, 10**18))

    flags = tmp_path / "flags.yaml"
    flags.write_text(ON, encoding="utf-8")
    source = FileSource(path)
    with pytest.raises(StoreUnavailable):
        source.poll()
    bundle("abc")
    served = source.poll()
    assert served is not None
    assert served.ruleset.release["commit"] == "abc"
    assert source.poll() is None
    bundle("xyz")
    served = source.poll()
    assert served is not None
    assert served.ruleset.release["commit"] == "xyz"


@pytest.mark.parametrize(
    "main",
    [
        "version: 1\ninclude: [teams/*.yaml, teams/a.yaml, '*.yaml', missing.yaml]\n",
        "version: 1\ninclude: [/etc/*, ../*, '']\n",
        "version: 1\ninclude: [teams]\n",
        "version: 1\nperhaps: 1\ninclude: [teams/*.yaml]\n",
        "- a list\n",
        "x: {",
        "#" * (MAX_BYTES + 10),
        None,
    ],
    ids=lambda text: str(text)[:50],
)
def test_a_file_that_stays_as_it_is_is_read_once(tmp_path: Path, main: str | None) -> None:
    """Whatever is wrong with it: each of these would otherwise be parsed at every look."""
    path = tmp_path / "flags.yaml"
    (tmp_path / "teams").mkdir()
    (tmp_path / "teams/a.yaml").write_text(ON, encoding="utf-8")
    (tmp_path / "teams/b.yaml").write_text("#" * MAX_BYTES, encoding="utf-8")
    (tmp_path / "teams/c.yaml").write_text("#", encoding="utf-8")
    if main is not None:
        path.write_text(main, encoding="utf-8")
    watch = FileWatch(path)
    assert watch.changed()
    assert isinstance(watch.read(), Source)
    assert not watch.changed()
