"""Words that nobody would say today are in no page, docstring, comment, message or name."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARCHAIC = (
    *("told", "whom", "whomever", "whoever", "somebody", "hears", "unto", "thereof", "thereby", "whereby", "wherein"),
    *("anew", "hence", "whence", "lest", "nought", "aught", "amiss", "shall", "to who has", "a text", "became of"),
)
# An underscore ends a word too: names of tests are prose.
_FOUND = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(ARCHAIC)})(?![A-Za-z])", re.IGNORECASE)
_ENDINGS = {".py", ".md", ".j2", ".html", ".js", ".ts", ".css", ".yaml", ".yml", ".toml", ".sql"}
# Texts of others, and this list.
OTHERS = ("tests/test_prose.py", "tests/suites/", "CODE_OF_CONDUCT.md")


def archaic(text: str) -> list[str]:
    """The lines with such a word, by number."""
    return [f"{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1) if _FOUND.search(line)]


def test_words_are_found_in_prose_and_in_names() -> None:
    assert archaic("a page\nWhoever reads it\ndef test_it_is_told_so(): ...\ntoldness") == [
        "2: Whoever reads it",
        "3: def test_it_is_told_so(): ...",
    ]


def test_no_file_has_an_archaic_word() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [name for name in listed.stdout.splitlines() if Path(name).suffix in _ENDINGS]
    assert len(files) > 500
    found = {
        name: lines
        for name in files
        if not name.startswith(OTHERS) and (ROOT / name).is_file()
        if (lines := archaic((ROOT / name).read_text(encoding="utf-8")))
    }
    assert found == {}
