"""What `burgee diff` says of small pairs of files, as data: tests/cases/effect/reports/."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from burgee.flagfile.yaml_reader import Document

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = Path(__file__).parents[1] / "cases/effect/reports/diff.yaml"
CASES = Document(FILE.name, FILE.read_bytes()).value


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_report_is_the_one_expected(burgee: Burgee, case: dict[str, Any]) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=burgee.folder, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    for name, content in case["main"].items():
        burgee.write(json.dumps(content), name)
    git("add", ".")
    git("-c", "user.name=A", "-c", "user.email=a@x", "commit", "-qm", "x", "--allow-empty")
    for name in case["main"]:
        (burgee.folder / name).unlink()
    for name, content in case["head"].items():
        burgee.write(json.dumps(content), name)
    ran = burgee("diff", "main", "--at", "2027-01-01T12:00:00Z", *case.get("options", ()))
    said = " ".join((ran.out + ran.err).split())
    assert ran.code == case.get("code", 0), said
    for part in case["says"]:
        assert part in said, said
    for part in case.get("never", ()):
        assert part not in said, said
