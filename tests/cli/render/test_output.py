"""What others wrote is printed as text: it neither steers the terminal nor looks like another record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.cli.render import output

if TYPE_CHECKING:
    from support.cli import Burgee

HOSTILE = "gone\x1b[2J\x07\r\x9b1A\nnew_search  on"


def test_a_reason_is_one_line_without_control_characters(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags:\n  a: {status: on}\n")
    assert burgee("apply").code == 0
    assert burgee("kill", "a", "--reason", HOSTILE).code == 0
    for command in (
        ["list", "--live"],
        ["eval", "a", "--live"],
        ["override", "list"],
        ["audit"],
        ["plan"],
        ["status"],
    ):
        ran = burgee(*command)
        lines = ran.out.splitlines()
        assert any("gone" in line and "new_search  on" not in line[:14] for line in lines), command
        assert not [line for line in lines if line.startswith("new_search")], command
        assert not [char for char in ran.out + ran.err if char != "\n" and not char.isprintable()], command


@pytest.mark.parametrize("print_line", [output.say, output.tell])
def test_control_characters_are_shown_escaped(print_line: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(print_line)
    print_line("a\x1b[31mb\tü\nc\x00")
    out, err = capsys.readouterr()
    assert out + err == "a\\x1b[31mb\tü\nc\\x00\n"
