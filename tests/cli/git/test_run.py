"""Git is run in one way, and a failure is never an exception."""

from __future__ import annotations

import re
from pathlib import Path

from burgee.cli.git.run import NOT_RUN, git, git_output

PACKAGE = Path(__file__).parents[3] / "functions/burgee"


def test_a_missing_folder_and_a_failing_command_are_exit_codes(tmp_path: Path) -> None:
    assert git(tmp_path / "missing", "status").returncode == NOT_RUN
    assert git(tmp_path, "no-such-command").returncode not in {0, NOT_RUN}
    assert git_output(tmp_path, "no-such-command") == ""
    assert git_output(tmp_path, "--version").startswith("git version ")


def test_there_is_no_other_way() -> None:
    """No module of the command line but this one starts Git."""
    starts = re.compile(r"""\[\s*["']git["']""")
    found = [path.name for path in (PACKAGE / "cli").rglob("*.py") if starts.search(path.read_text(encoding="utf-8"))]
    assert found == ["run.py"]
