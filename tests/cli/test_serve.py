"""`burgee serve` as a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from burgee.cli.serve import Follower
from burgee.errors import StoreUnavailable
from burgee.serving.serving import Serving
from burgee.stores.audit import MOST_READ
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS, wire_url
from support.serve import Server, serving
from support.stores import entry
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.cli import Burgee

FILE = "version: 1\ninclude: [teams/*.yaml]\nflags:\n  beta: {status: off, description: New search}\n"
TEAM = "version: 1\nflags:\n  team_flag: {status: on}\n"
linux = pytest.mark.skipif(sys.platform != "linux", reason="the processes are counted in /proc")


@pytest.fixture
def folder(burgee: Burgee) -> Path:
    burgee.write(FILE)
    burgee.write(TEAM, "teams/a.yaml")
    return burgee.folder


def test_a_changed_file_is_served_and_a_broken_one_leaves_the_last_good(folder: Path) -> None:
    flags = folder / "flags.yaml"
    with serving(folder) as server:
        assert server.call("/users/ada/flags/beta")["enabled"] is False
        flags.write_text(FILE.replace("off", "on"), encoding="utf-8")
        server.until("/users/ada/flags/beta", "enabled", True)

        flags.write_text(FILE.replace("off", "perhaps"), encoding="utf-8")
        server.wait_for(r"flags\.yaml:4:18: error wrong-type")
        server.wait_for("last good flags are still served")
        assert server.call("/users/ada/flags/beta")["enabled"] is True

        flags.write_text(FILE.replace("off", "on").replace("New search", "Mended"), encoding="utf-8")
        server.until("/users/ada/flags/beta", "description", "Mended")


def test_an_included_file_is_followed_too_and_a_new_one_is_found(folder: Path) -> None:
    with serving(folder) as server:
        assert server.call("/users/ada/flags/team_flag")["enabled"] is True
        (folder / "teams/b.yaml").write_text(TEAM.replace("team_flag", "second"), encoding="utf-8")
        server.until("/users/ada/flags/second", "enabled", True)
        (folder / "teams/a.yaml").write_text(TEAM.replace("status: on", "status: off"), encoding="utf-8")
        server.until("/users/ada/flags/team_flag", "enabled", False)


def following(folder: Path, store: SqliteStore) -> tuple[Follower, Callable[[str], Any]]:
    """A follower that has released the file, and how a flag is answered."""
    rules = Serving(store, refresh_seconds=0)
    follower = Follower(folder / "flags.yaml", None, store, rules.refresh)
    follower.release()
    return follower, lambda flag: rules.ruleset().evaluate(flag, {}, 0).value


def test_an_include_that_was_broken_when_first_named_is_served_once_it_is_corrected(folder: Path) -> None:
    (folder / "flags.yaml").write_text(FILE.replace("include: [teams/*.yaml]\n", ""), encoding="utf-8")
    store = SqliteStore(":memory:")
    follower, value = following(folder, store)
    (folder / "teams/a.yaml").write_text(TEAM.replace("on", "perhaps"), encoding="utf-8")
    (folder / "flags.yaml").write_text(FILE, encoding="utf-8")
    follower.look()
    assert value("team_flag") is None
    (folder / "teams/a.yaml").write_text(TEAM, encoding="utf-8")
    follower.look()
    assert value("team_flag") is True
    store.close()


def test_a_save_during_a_release_is_released_next(folder: Path) -> None:
    class Saving(SqliteStore):
        """A slow store; the file is saved while it works."""

        def stage(self, *arguments: Any, **more: Any) -> Any:
            (folder / "flags.yaml").write_text(FILE.replace("off", "on"), encoding="utf-8")
            return super().stage(*arguments, **more)

    store = Saving(":memory:")
    follower, value = following(folder, store)
    assert value("beta") is False
    follower.look()
    assert value("beta") is True
    store.close()


def test_a_save_that_the_store_did_not_take_is_offered_again_and_reported_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Busy(SqliteStore):
        """A store that may be locked."""

        locked = False

        def stage(self, *arguments: Any, **more: Any) -> Any:
            if self.locked:
                raise StoreUnavailable("database is locked")
            return super().stage(*arguments, **more)

    store = Busy(":memory:")
    follower, value = following(folder, store)
    (folder / "flags.yaml").write_text(FILE.replace("off", "on"), encoding="utf-8")
    store.locked = True
    for _ in range(3):
        follower.look()
    assert value("beta") is False
    assert capsys.readouterr().err.count("database is locked") == 1
    store.locked = False
    follower.look()
    assert value("beta") is True
    store.close()


def test_a_start_that_cannot_write_serves_what_the_store_has_and_offers_the_file_again(folder: Path) -> None:
    class Full(SqliteStore):
        """A store on a disk that may be full."""

        full = True

        def stage(self, *arguments: Any, **more: Any) -> Any:
            if self.full:
                raise StoreUnavailable("no space left")
            return super().stage(*arguments, **more)

    store = Full(":memory:")
    with pytest.raises(StoreUnavailable):
        Follower(folder / "flags.yaml", None, store, lambda: None).begin()
    store.full = False
    _, value = following(folder, store)
    store.full = True
    (folder / "flags.yaml").write_text(FILE.replace("off", "on"), encoding="utf-8")
    follower = Follower(folder / "flags.yaml", None, store, lambda: None)
    follower.begin()
    assert value("beta") is False
    store.full = False
    follower.look()
    assert value("beta") is True
    store.close()


def test_a_restart_does_not_undo_a_rollback_and_an_edit_is_served(folder: Path, burgee: Burgee) -> None:
    """However much was logged since the rollback."""
    path, state = folder / "flags.yaml", folder / "s.sqlite"
    where = ("--flags", str(path), "--state", str(state))
    assert burgee("apply", *where).code == 0
    path.write_text(FILE.replace("off", "on"), encoding="utf-8")
    assert burgee("apply", *where).code == 0
    assert burgee("rollback", *where).code == 0
    store = SqliteStore(state)
    store.keep([], [entry(number, flag="beta") for number in range(MOST_READ + 1)])
    follower = Follower(path, None, store, lambda: None)
    follower.begin()
    assert store.pointer().version == 1
    path.write_text(FILE.replace("off", "on") + "  more: {status: on}\n", encoding="utf-8")
    follower.look()
    assert store.pointer().version == 3
    store.close()


def test_a_restart_continues_a_canary_and_a_save_that_ends_it_is_reported(
    folder: Path, burgee: Burgee, capsys: pytest.CaptureFixture[str]
) -> None:
    path, state = folder / "flags.yaml", folder / "s.sqlite"
    where = ("--flags", str(path), "--state", str(state))
    assert burgee("apply", *where).code == 0
    path.write_text(FILE.replace("off", "on"), encoding="utf-8")
    assert burgee("apply", *where, "--canary", "10", "--bake", "1h").code == 0
    store = SqliteStore(state)
    started = store.pointer()
    follower = Follower(path, None, store, lambda: None)
    follower.begin()
    assert store.pointer() == started
    assert started.canary is not None
    assert "canary" not in capsys.readouterr().err
    path.write_text(FILE.replace("New search", "Other search"), encoding="utf-8")
    follower.look()
    assert store.pointer().canary is None
    assert "this ends the canary of release 2" in capsys.readouterr().err
    path.write_text(FILE, encoding="utf-8")
    follower.look()
    assert "this " not in capsys.readouterr().err
    store.close()


@pytest.mark.parametrize("restart", [False, True])
def test_a_save_that_undoes_a_rollback_is_reported(
    folder: Path, burgee: Burgee, capsys: pytest.CaptureFixture[str], restart: bool
) -> None:
    path, state = folder / "flags.yaml", folder / "s.sqlite"
    where = ("--flags", str(path), "--state", str(state))
    assert burgee("apply", *where).code == 0
    path.write_text(FILE.replace("off", "on"), encoding="utf-8")
    assert burgee("apply", *where).code == 0
    store = SqliteStore(state)
    follower = Follower(path, None, store, lambda: None)
    follower.begin()
    assert burgee("rollback", *where).code == 0
    assert "undoes" not in capsys.readouterr().err
    path.write_text(FILE.replace("New search", "Other search"), encoding="utf-8")
    if restart:
        Follower(path, None, store, lambda: None).begin()
    else:
        follower.look()
    assert store.pointer().version == 3
    assert "this undoes the rollback to release 1" in capsys.readouterr().err
    store.close()


def test_a_write_is_an_override_that_survives_a_restart(folder: Path) -> None:
    with serving(folder) as server:
        author = {"X-Burgee-Author": "ada", "X-Burgee-Reason": "search is down"}
        server.call("/flags/beta", "PUT", {"status": True}, **author)
        assert server.call("/users/u/flags/beta")["enabled"] is True
    with serving(folder) as server:
        assert server.call("/users/u/flags/beta")["enabled"] is True
        (override,) = server.call("/overrides")["overrides"]
        assert (override["author"], override["reason"]) == ("ada", "search is down")
        assert "an override by ada is served over the file" in server.log.read_text(encoding="utf-8")
        server.call("/overrides/beta", "DELETE")
        assert server.call("/users/u/flags/beta")["enabled"] is False


def test_the_audit_names_who_wrote_and_not_the_proxy_before_the_service(folder: Path) -> None:
    proxied = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    with serving(folder) as server:
        server.call("/flags/beta", "PUT", {"status": True}, **proxied)
        server.call("/flags/beta", "PUT", {"status": False})
        entries = server.call("/audit")["entries"]
    assert {"203.0.113.9", "127.0.0.1"} == {entry["source"] for entry in entries if entry["action"] == "flag.update"}


def test_the_file_catching_up_absorbs_the_override(folder: Path) -> None:
    with serving(folder) as server:
        server.call("/flags/beta", "PUT", {"status": True})
        (folder / "flags.yaml").write_text(FILE.replace("off", "on"), encoding="utf-8")
        server.wait_for("the override was removed")
        assert server.call("/overrides") == {"overrides": []}
        assert server.call("/users/u/flags/beta")["enabled"] is True
        actions = [entry["action"] for entry in server.call("/audit")["entries"]]
        assert actions.count("override.absorb") == 1


def test_a_table_is_served_as_it_is_and_the_file_not_released_into_it(
    folder: Path, burgee: Burgee, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    table = ("--table", "flags", "--endpoint-url", wire_url())
    with serving(folder, *table) as server:
        assert "no release yet" in server.log.read_text(encoding="utf-8")
        assert server.call("/health")["release"] == {"version": 0}
        server.call("/flags", "POST", {"flag_name": "made_here", "status": True})
        assert server.call("/users/u/flags/made_here")["enabled"] is True
    applied = burgee("apply", *table)
    assert applied.code == 0, applied.err
    (folder / "flags.yaml").write_text(FILE.replace("off", "on"), encoding="utf-8")
    with serving(folder, *table) as server:
        assert "release 1" in server.log.read_text(encoding="utf-8")
        assert server.call("/users/u/flags/beta")["enabled"] is False
        assert server.call("/users/u/flags/made_here")["enabled"] is True


def test_a_table_that_does_not_answer_is_reported(burgee: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    burgee.write(FILE)
    ran = burgee("serve", "--port", "0", "--table", "flags", "--endpoint-url", "http://127.0.0.1:9")
    assert ran.code == 1
    assert "DynamoDB" in ran.err


FOUR = ("--workers", "4")


def answering(server: Server) -> set[int]:
    """The processes that have the port, as the kernel reports them: each child of the one that was started."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text(encoding="utf-8")
    named = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.split()}
    return {pid for pid, line in named.items() if b"spawn_main" in line}


def everywhere(server: Server, flag: str, wanted: bool, calls: int = 40) -> bool:
    """Whether that many connections in a row, which the kernel deals out among the processes, get the same answer."""
    return all(server.call(f"/users/u/flags/{flag}")["enabled"] is wanted for _ in range(calls))


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    """Four processes for two tests, as each imports for itself; the tests ask about different flags."""
    folder = tmp_path_factory.mktemp("four")
    (folder / "flags.yaml").write_text(FILE + "  exposed: {status: on}\n", encoding="utf-8")
    (folder / "teams").mkdir()
    (folder / "teams/a.yaml").write_text(TEAM, encoding="utf-8")
    with serving(folder, *FOUR) as server:
        assert "by 4 processes" in server.log.read_text(encoding="utf-8")
        eventually(lambda: len(answering(server)) == 4)
        yield folder, server


@linux
def test_several_processes_serve_what_one_of_them_wrote_and_what_the_file_says(four: tuple[Path, Server]) -> None:
    folder, server = four
    server.call("/flags/beta", "PUT", {"status": True})
    eventually(lambda: everywhere(server, "beta", True))
    (folder / "teams/a.yaml").write_text(TEAM.replace("status: on", "status: off"), encoding="utf-8")
    eventually(lambda: everywhere(server, "team_flag", False))
    assert [one["flag"] for one in server.call("/overrides")["overrides"]] == ["beta"]


@linux
def test_each_process_writes_exposures_to_files_of_its_own(four: tuple[Path, Server]) -> None:
    folder, server = four
    asked: set[str] = set()

    def several_were_asked() -> bool:
        for _ in range(20):
            asked.add(f"user-{len(asked)}")
            server.call(f"/users/user-{len(asked) - 1}/flags/exposed?expose=true")
        return len(events(folder)) > 1

    eventually(several_were_asked)
    eventually(lambda: len(lines(folder)) == len(asked))
    assert {int(path.name.split("-")[1]) for path in events(folder)} <= answering(server)
    assert {json.loads(line)["unit"] for line in lines(folder)} == asked


@linux
def test_a_process_that_dies_is_replaced_and_all_end_together(folder: Path) -> None:
    with serving(folder, *FOUR, is_forked=False) as server:
        eventually(lambda: len(answering(server)) == 4)
        before = answering(server)
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: len(answering(server) - {min(before)}) == 4)
        assert everywhere(server, "team_flag", True)
        after = answering(server)
    assert server.process.returncode == 0
    assert not [pid for pid in before | after if Path(f"/proc/{pid}").exists()]


def events(folder: Path) -> list[Path]:
    return sorted((folder / ".burgee").rglob("*.jsonl"))


def lines(folder: Path) -> list[str]:
    return [line for path in events(folder) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_memory_cannot_be_shared_by_processes(burgee: Burgee) -> None:
    burgee.write(FILE)
    ran = burgee("serve", "--port", "0", "--state", ":memory:", *FOUR)
    assert ran.code == 2
    assert "its own memory" in ran.err


def test_the_state_is_kept_out_of_git(folder: Path) -> None:
    with serving(folder):
        pass
    assert (folder / ".burgee/.gitignore").read_text(encoding="utf-8") == "*\n"
    assert (folder / ".burgee/state.sqlite").exists()


@pytest.mark.parametrize(
    ("environments", "options", "warned"),
    [
        ("[staging, production]", (), True),
        ("[staging, production]", ("--env", "default"), True),
        ("[staging, production]", ("--env", "staging"), False),
        ("[]", (), False),
    ],
)
def test_the_start_says_that_no_environment_of_the_file_is_served(
    folder: Path, environments: str, options: tuple[str, ...], warned: bool
) -> None:
    flags = folder / "flags.yaml"
    flags.write_text(FILE.replace("include", f"environments: {environments}\ninclude"), encoding="utf-8")
    with serving(folder, *options) as server:
        server.wait_for("Try: ")
        log = server.log.read_text(encoding="utf-8")
    assert ("No environment is served; the file has staging, production (`--env staging`)" in log) == warned
    assert ("for staging on http" in log) == ("staging" in options)


def test_a_broken_file_is_refused_at_the_start(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags: {a: {status: perhaps}}\n")
    ran = burgee("serve", "--port", "0")
    assert ran.code == 1
    assert "flags.yaml:2:21: error wrong-type" in ran.err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_an_address_that_others_can_reach_is_refused(burgee: Burgee, host: str) -> None:
    burgee.write(FILE.replace("include: [teams/*.yaml]\n", ""))
    ran = burgee("serve", "--host", host)
    assert ran.code == 2
    assert "127.0.0.1" in ran.err


def test_a_port_in_use_is_reported_with_what_to_do(burgee: Burgee) -> None:
    burgee.write(FILE.replace("include: [teams/*.yaml]\n", ""))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = burgee("serve", "--port", str(taken.getsockname()[1]))
    assert ran.code == 1
    assert "choose another --port" in ran.err
