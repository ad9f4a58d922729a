"""`burgee keys`, `audit` and `settings`, and a service on other addresses."""

from __future__ import annotations

import json
import re
import shlex
import socket
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.serve import serving

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = "version: 1\nflags:\n  beta: {status: off}\n"
SECURITY = Path(__file__).parents[2] / "docs/security.md"
SH_BLOCKS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _file(burgee: Burgee) -> None:
    burgee.write(FILE)


def test_a_key_is_made_listed_rotated_and_revoked(burgee: Burgee) -> None:
    made = burgee("keys", "create", "admin", "--name", "ops", "--scope", "read", "--scope", "write")
    assert made.code == 0
    assert re.fullmatch(r"burgee_admin_default/default_[0-9a-f]{16}_[0-9a-f]{64}\n", made.out)
    assert "not shown again" in made.err
    (key,) = json.loads(burgee("keys", "list", "--json").out)
    assert (key["kind"], key["name"], key["scopes"], key["last_used_at"]) == ("admin", "ops", ["read", "write"], None)
    assert "digest" not in key
    assert made.out.strip().rpartition("_")[2] not in burgee("keys", "list", "--json").out
    rotated = json.loads(burgee("keys", "rotate", key["id"], "--overlap", "2h", "--json").out)
    assert rotated["replaces"] == key["id"]
    assert burgee("keys", "revoke", rotated["id"], "--reason", "leaked").code == 0
    listed = burgee("keys", "list").out
    assert "revoked" in listed
    assert "until" in listed
    reported = json.loads(burgee("audit", "--action", "key", "--json").out)["entries"]
    assert [entry["action"] for entry in reported] == ["key.revoke", "key.rotate", "key.create"]
    assert (reported[0]["reason"], reported[0]["source"]) == ("leaked", "command line")


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("keys", "revoke", "0" * 16), "there is no key"),
        (("keys", "create", "server", "--scope", "read"), "only admin keys have scopes"),
        (("keys", "create", "server", "--expires-in", "soon"), "30m"),
        (("keys", "create", "root"), "root"),
        (("keys", "create", "server", "--project", "a/b"), "cannot be in a key"),
        (("settings", "--cors-origin", "shop.example"), "is not an origin"),
        (("audit", "--since", "yesterday"), "RFC 3339"),
    ],
)
def test_misuse_is_reported(burgee: Burgee, arguments: tuple[str, ...], reported: str) -> None:
    ran = burgee(*arguments)
    assert ran.code in {1, 2}
    assert reported in ran.err


def test_the_log_is_searched(burgee: Burgee) -> None:
    for number in range(5):
        burgee("override", "set", f"f{number % 2}", "status=on", "--new", "--reason", f"number {number}")
    reported = json.loads(burgee("audit", "--flag", "f1", "--json").out)["entries"]
    assert [entry["reason"] for entry in reported] == ["number 3", "number 1"]
    first = json.loads(burgee("audit", "--limit", "2", "--json").out)
    rest = json.loads(burgee("audit", "--cursor", first["cursor"], "--json").out)
    assert [entry["reason"] for entry in first["entries"] + rest["entries"]] == [
        f"number {n}" for n in (4, 3, 2, 1, 0)
    ]
    assert rest["cursor"] is None
    since = first["entries"][-1]["at"]
    assert "number 3" in burgee("audit", "--since", since).out
    assert burgee("audit", "--until", "2020-01-01").out.startswith("no entries (project default")


def test_settings_are_reported_and_changed(burgee: Burgee) -> None:
    assert json.loads(burgee("settings").out) == {"cors_origins": []}
    assert (
        burgee("settings", "--cors-origin", "https://a.example", "--cors-origin", "http://localhost:3000").code == 0
    )
    assert json.loads(burgee("settings").out) == {"cors_origins": ["https://a.example", "http://localhost:3000"]}
    assert burgee("settings", "--no-cors").code == 0
    assert json.loads(burgee("settings").out) == {"cors_origins": []}


def unboxed(err: str) -> str:
    """A usage error without its frame and line ends."""
    return " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize("options", [[], ["--env", "staging"], ["--state", "my keys.sqlite", "--project", "shop"]])
@pytest.mark.parametrize(
    ("asking", "blamed"), [(["--require-keys"], "--require-keys"), (["--host", "192.0.2.1"], "--host")]
)
def test_a_service_without_a_key_names_what_asks_for_one_and_the_command_that_creates_it(
    burgee: Burgee, options: list[str], asking: list[str], blamed: str
) -> None:
    """The command works as printed: in a file with environments too, and afterwards there is a key."""
    burgee.write("version: 1\nenvironments: [staging, production]\nflags: {beta: {status: on}}\n")
    none = burgee("serve", *asking, *options, "--port", "0")
    reported = unboxed(none.err)
    assert none.code == 2
    assert f"Invalid value for {blamed}: " in reported
    assert ("127.0.0.1" in reported) == (blamed == "--host")
    command = reported.split("`")[1]
    assert burgee(*shlex.split(command)[1:]).code == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        again = burgee("serve", *asking, *options, "--port", str(taken.getsockname()[1]))
    assert (again.code, "is not available" in again.err) == (1, True), (
        "the key is found, so only the address is wrong"
    )


def test_the_local_commands_of_the_security_page_work(burgee: Burgee) -> None:
    (block,) = [one for one in SH_BLOCKS.findall(SECURITY.read_text(encoding="utf-8")) if "--require-keys" in one]
    create, serve, call = block.strip().splitlines()
    (burgee.folder / "flags.yaml").unlink()
    assert burgee("init", "--github").code == 0
    token = burgee(*shlex.split(create, comments=True)[1:]).out.strip()
    with serving(burgee.folder, *shlex.split(serve, comments=True)[2:]) as server:
        words = shlex.split(call, comments=True)
        header, url = words[words.index("-H") + 1], words[-1]
        name, _, value = header.replace("burgee_server_...", token).partition(": ")
        path = url.removeprefix("http://127.0.0.1:8000")
        assert server.call(path, **{name: value})["flag_name"] == "new_search"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            server.call(path)


def test_a_service_that_asks_for_keys(burgee: Burgee) -> None:
    token = burgee("keys", "create", "server").out.strip()
    with serving(burgee.folder, "--require-keys") as server:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            server.call("/users/u/flags/beta")
        reported = server.call("/users/u/flags/beta", Authorization=f"Bearer {token}")
        assert reported["enabled"] is False
        assert set(server.call("/health")) == {"status", "timestamp", "version"}
        with pytest.raises(urllib.error.HTTPError, match="403"):
            server.call("/flags", Authorization=f"Bearer {token}")
        server.wait_for("API key required")
    assert token not in server.log.read_text(encoding="utf-8")
    (key,) = json.loads(burgee("keys", "list", "--json").out)
    assert key["last_used_at"]
