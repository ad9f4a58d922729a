"""What `burgee mcp` reads beside its store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from burgee.agents.tools import READER
from burgee.cli.commands.agents import tools
from burgee.cli.stores import StoreOptions
from burgee.errors import Refused
from support.repositories import git

if TYPE_CHECKING:
    from support.cli import Burgee

FLAGS = """\
version: 1
metrics:
  bought: {event: order, kind: proportion}
flags:
  buy:
    status: on
    variants: {blue: 1, green: 2}
    default: {split: {blue: 50, green: 50}}
    experiment: {start: 2098-01-01, end: 2098-02-01, owner: web, hypothesis: It sells, primary: bought}
  old: {status: on}
"""


def test_stale_flags_and_experiments_come_from_the_repository(
    burgee: Burgee, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = burgee.write(FLAGS)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-02T00:00:00Z")
    for arguments in (["init", "-q"], ["add", "flags.yaml"], ["commit", "-qm", "x"]):
        git(burgee.folder, *arguments)
    made = tools(StoreOptions(path, None))
    assert {(one["flag"], one["code"]) for one in made.stale_flags(READER)} >= {("old", "settled")}
    (experiment,) = made.experiment_status(READER)
    assert experiment["flag"] == "buy"


def test_without_a_flag_file_it_does_not_start_and_beside_a_table_some_tools_say_so(burgee: Burgee) -> None:
    ran = burgee("mcp")
    assert (ran.code, "there is no flags.yaml; name the flag file" in " ".join(ran.err.split())) == (2, True)
    made = tools(StoreOptions(burgee.folder / "none.yaml", None, table="flags"))
    for tool in (made.stale_flags, made.experiment_status):
        with pytest.raises(Refused, match="this tool reads the repository"):
            tool(READER)


def test_a_missing_extra_is_named(burgee: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    burgee.write(FLAGS)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mcp" or name == "burgee.agents.server"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    ran = burgee("mcp")
    assert ran.code == 1
    assert "install burgee[agents]" in ran.err
