"""What the shell offers on Tab, asked as a shell asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = "version: 1\nenvironments: [staging, production]\nflags: {beta: {}, button: {}, dark: {}}\n"


def offered(burgee: Burgee, monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    monkeypatch.setenv("_BURGEE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"burgee {line}")
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ") + 1))
    ran = burgee()
    assert ran.err == ""
    return ran.out.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("eval b", ["beta", "button"]),
        ("simulate ", ["beta", "button", "dark"]),
        ("timeline d", ["dark"]),
        ("kill be", ["beta"]),
        ("unkill be", ["beta"]),
        ("override set b", ["beta", "button"]),
        ("override clear x", []),
        ("eval beta --env s", ["staging"]),
        ("plan --env ", ["staging", "production"]),
        ("eval --flags other.yaml o", ["only"]),
    ],
)
def test_flags_and_environments_are_offered(
    burgee: Burgee, monkeypatch: pytest.MonkeyPatch, line: str, found: list[str]
) -> None:
    burgee.write(FILE)
    burgee.write("version: 1\nflags: {only: {}}\n", "other.yaml")
    assert offered(burgee, monkeypatch, line) == found


@pytest.mark.parametrize("text", [None, "", "flags: [", "version: 2\nflags: {beta: {statsu: on}}"])
def test_nothing_is_offered_where_there_is_nothing_to_read(
    burgee: Burgee, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    if text is not None:
        burgee.write(text)
    assert offered(burgee, monkeypatch, "eval b") == []
    assert offered(burgee, monkeypatch, "plan --env s") == []
