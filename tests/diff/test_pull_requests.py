"""The comments on pull requests that docs/effect/ shows, made by the program from tests/cases/pull-requests/.

`BURGEE_WRITE=1 pytest tests/diff/test_pull_requests.py` writes them again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from support.cli import Burgee

ROOT = Path(__file__).parents[2]
CASES = sorted(path for path in (ROOT / "tests/cases/pull-requests").iterdir() if path.is_dir())
PAGES = ROOT / "docs/effect"
LIMIT = 8_000
"""A comment on an ordinary change is short."""


def comment(burgee: Burgee, case: Path) -> str:
    sides = [str(case / f"{side}.yaml") for side in ("base", "head")]
    ran = burgee("diff", *sides, "--at", "2027-01-01T12:00:00Z", "--format", "markdown")
    assert ran.code == 0, ran.err
    return f"{ran.out.rstrip()}\n"


def first_screen(text: str) -> str:
    return text.partition("<details>")[0]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_page_is_what_the_program_says(burgee: Burgee, case: Path) -> None:
    page, text = PAGES / f"{case.name}.md", comment(burgee, case)
    if os.environ.get("BURGEE_WRITE"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text
    assert len(text) < LIMIT
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    assert rendered.count("<table>") == text.count("\n|---")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_first_screen_has_heads_and_no_noise(case: Path) -> None:
    """Every column has a head; no bytes, no dollars, no `.000`, no rule by its number alone."""
    screen = first_screen((PAGES / f"{case.name}.md").read_text(encoding="utf-8"))
    heads = [
        line for line, below in zip(screen.splitlines(), screen.splitlines()[1:], strict=False) if below[:4] == "|---"
    ]
    assert heads
    assert not [head for head in heads if re.search(r"\|\s*\|", head)]
    assert not re.search(r"\.000|bytes|\$|rule \d", screen)


def test_the_index_has_each() -> None:
    assert len(CASES) == 13
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    for case in CASES:
        title = (case / "title.txt").read_text(encoding="utf-8").strip()
        assert (
            f"| {title} | [comment]({case.name}.md) | [files](../../tests/cases/pull-requests/{case.name}/) |"
            in index
        )


def test_a_version_lowered_and_a_country_added_are_distinguished() -> None:
    screen = first_screen((PAGES / "widen-targeting.md").read_text(encoding="utf-8"))
    assert "before: app\\_version &gt;= 4.2.0" in screen
    assert "new: ES" in screen
