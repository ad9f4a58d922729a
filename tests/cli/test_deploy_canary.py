"""`burgee apply --canary`, and what ends a canary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = "version: 1\nflags:\n  a: {description: first}\n"


def test_the_command_line_tries_shows_promotes_and_goes_back(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert "release 1 is live" in burgee("apply").out
    burgee.write(FILE.replace("first", "second"))
    tried = burgee("apply", "--canary", "10", "--bake", "1h")
    assert "10 % of users get release 2 until" in tried.out
    assert "the others get release 1" in tried.out
    reported = burgee("status")
    assert "release 2 is a canary" in reported.out
    assert json.loads(burgee("status", "--json").out)["baking"]["share"] == 10
    assert burgee("promote").out.startswith("release 2 is live (")
    assert burgee("promote").code == 1
    burgee.write(FILE.replace("first", "third"))
    assert json.loads(burgee("apply", "--canary", "50", "--json").out)["baking"]["base"] == 2
    assert "release 2 is live" in burgee("rollback").out
    assert burgee("apply", "--canary", "0").code == 2
    assert burgee("apply", "--canary", "10", "--bake", "soon").code == 2


def test_a_canary_of_a_file_that_everyone_has_starts_nothing_and_says_so(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert burgee("apply", "--canary", "10").code == 0, "the first release has nothing to fall back on"
    again = burgee("apply", "--canary", "10")
    assert (again.code, "everyone has the file already, as release 1" in again.err) == (0, True)
    shown = burgee("apply", "--canary", "10", "--json")
    assert (shown.code, shown.json["live"], shown.json["baking"]) == (0, 1, None)
    assert burgee("apply").code == 0
    burgee.write(FILE.replace("first", "second"))
    for _ in range(2):
        tried = burgee("apply", "--canary", "10")
        assert (tried.code, "10 % of users get release 2 until" in tried.out) == (0, True)
    assert burgee("promote").code == 0
    assert burgee("apply", "--canary", "10").code == 0
    assert burgee("apply").code == 0
