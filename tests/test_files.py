"""A file is written whole or not at all, whatever stops it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from burgee.files import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator

resource = pytest.importorskip("resource")

UNFORMATTED = "version: 1\nflags:\n" + "".join(f"  flag{number}:   {{status:   on}}\n" for number in range(400))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file can grow beyond 4 KB in this process; the kernel refuses in the middle of a write."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python would leave cut files
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match=r"flags\.yaml") as raised:
        write_file(path, b"x" * 5000)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(path))
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["flags.yaml"]


@pytest.mark.parametrize("command", [["fmt"], ["init"], ["import", "flagd", "flagd.json", "--out", "new.yaml"]])
def test_commands_say_which_file_could_not_be_written_and_leave_it(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "flags.yaml").write_text(UNFORMATTED, encoding="utf-8")
    flags = ", ".join(
        f'"f{n}": {{"state": "ENABLED", "variants": {{"on": 1}}, "defaultVariant": "on"}}' for n in range(99)
    )
    (tmp_path / "flagd.json").write_text(f'{{"flags": {{{flags}}}}}', encoding="utf-8")
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY));"
        "from burgee.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-B", "-c", code, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert os.strerror(errno.EFBIG) in ran.stderr
    assert (tmp_path / "flags.yaml").read_text(encoding="utf-8") == UNFORMATTED
    assert not (tmp_path / "new.yaml").exists()
    assert not list(tmp_path.rglob("*.part"))
    assert all(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())


def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"before")
    real.chmod(0o640)
    link.symlink_to(real)
    write_file(link, b"after")
    assert link.is_symlink()
    assert (real.read_bytes(), real.stat().st_mode & 0o777) == (b"after", 0o640)


def test_what_is_no_file_is_written_as_it_is() -> None:
    write_file(Path(os.devnull), b"gone")
    assert not Path(os.devnull).is_file()
