"""The command line builds the command alone that is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from burgee.cli.app import app, with_command

if TYPE_CHECKING:
    from support.cli import Burgee

ALL: Any = get_command(app)


def described(command: Any) -> Any:
    """A command and those below it, with their parameters."""
    below = {name: described(one) for name, one in getattr(command, "commands", {}).items()}
    return command.name, command.help, [(one.name, one.opts) for one in command.params], below


def test_each_command_is_built_alone_as_it_is_among_all() -> None:
    assert len(ALL.commands) > 30
    for name, command in ALL.commands.items():
        alone: Any = get_command(with_command([name, "--help"]))
        assert list(alone.commands) == [name]
        assert described(alone.commands[name]) == described(command)
        assert described(alone)[:3] == described(ALL)[:3]


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["lnit"], ["-h", "lint"]])
def test_all_commands_are_there_where_none_is_named(words: list[str]) -> None:
    assert with_command(words) is app


def test_the_error_for_a_misspelt_command_names_a_similar_one(burgee: Burgee) -> None:
    ran = burgee("lnit")
    assert ran.code == 2
    assert "lint" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ["kill", "beta", "--reason", "caf\udce9"],
        ["keys", "create", "server", "--name", "\udcff"],
        ["apply", "--reason=\udcff"],
        ["lint", "\udcff.yaml"],
    ],
)
def test_words_that_are_not_utf_8_are_refused_before_anything_stores_them(burgee: Burgee, words: list[str]) -> None:
    ran = burgee(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("burgee: an argument is not UTF-8: '")
    assert "\\udc" in ran.err
    assert not [one for one in burgee.folder.iterdir() if one.name == ".burgee"]


def test_a_file_may_have_any_name(burgee: Burgee) -> None:
    name = os.fsdecode(b"\xff.yaml")
    try:
        burgee.write("version: 1\nflags:\n  beta: {status: on}\n", name)
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    assert burgee("lint", name).code == 0
